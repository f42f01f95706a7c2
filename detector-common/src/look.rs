//! What two looks at a socket tell of the time between them.

/// A look at a socket that finds its window, or what it has queued, changed.
///
/// Both change with an acknowledgement. Linux keeps the time of the last one in ticks
/// (`tcp_sock.rcv_tstamp`), and that of the last packet, sent or received, exactly
/// (`tcp_sock.tcp_mstamp`).
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Now, nanoseconds of `CLOCK_MONOTONIC`.
    pub now_ns: u64,
    /// The look before, which did not find it; 0 if there was none.
    pub before_ns: u64,
    /// The last packet; `None` where this kernel does not tell.
    pub last_packet_ns: Option<u64>,
    /// Ticks since the last acknowledgement.
    pub ack_age_ticks: u32,
    /// A tick; 0 if not known.
    pub tick_ns: u32,
}

impl Look {
    /// When it changed: not before the look that did not find it, not after the last acknowledgement, and
    /// exact to a tick unless one came later that changed nothing.
    #[inline]
    #[must_use]
    pub const fn changed_ns(&self) -> u64 {
        let mut at_ns = self.now_ns;
        if let Some(packet_ns) = self.last_packet_ns
            && packet_ns < at_ns
        {
            at_ns = packet_ns;
        }
        // Half of all ages lie ahead: the clock has not ticked here yet.
        if self.tick_ns != 0 && self.ack_age_ticks >> 31 == 0 {
            let age_ns = self.ack_age_ticks as u64 * self.tick_ns as u64;
            let ack_ns = self.now_ns.saturating_sub(age_ns);
            if ack_ns < at_ns {
                at_ns = ack_ns;
            }
        }
        if at_ns < self.before_ns && self.before_ns <= self.now_ns {
            at_ns = self.before_ns;
        }
        at_ns
    }
}
