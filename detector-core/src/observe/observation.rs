//! What a record says once it is decoded and checked: the only thing rules see of the kernel.

use crate::observe::peer_address::PeerAddress;
use crate::time::MonotonicTime;
pub use detector_api::snapshot::InterfaceCounts;
pub use detector_api::snapshot::{Direction, Retransmits, Shrinks, Source};
pub use detector_common::record::Reason;
use detector_common::window::span_bytes;
use std::net::SocketAddr;

/// Identity of a connection for as long as the kernel keeps its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Address of the kernel socket: opaque, compared only, never shown.
    pub socket: u64,
    /// Local address and port, IPv4-mapped folded to IPv4.
    pub local: SocketAddr,
    /// Remote address and port, IPv4-mapped folded to IPv4.
    pub remote: SocketAddr,
    /// Network namespace, the number in `/proc/PID/ns/net`.
    pub netns: u32,
}

/// TCP state, as in `net/tcp_states.h`. Other numbers are refused by decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the RFC 9293 names say it")]
pub enum TcpState {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    NewSynReceived,
}

impl TcpState {
    /// The state's name in RFC 9293 (`TIME-WAIT`), or the kernel's where the RFC has none.
    #[must_use]
    pub const fn rfc_name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "CLOSED",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::NewSynReceived => "NEW-SYN-RECEIVED",
        }
    }
}

/// Congestion state of the sender, `icsk_ca_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the kernel's names say it")]
pub enum CongestionState {
    Open,
    Disorder,
    Cwr,
    Recovery,
    Loss,
}

/// Timer armed on the connection, `icsk_pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PendingTimer {
    /// No timer.
    None,
    /// Retransmission (`on` in `ss`).
    Retransmit,
    /// Zero-window probe (`persist` in `ss`).
    WindowProbe,
    /// Tail loss probe.
    LossProbe,
    /// Reordering timer of RACK.
    Reorder,
    /// A number this agent does not know.
    Other(u8),
}

impl PendingTimer {
    /// The name in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Retransmit => "retransmit",
            Self::WindowProbe => "window_probe",
            Self::LossProbe => "loss_probe",
            Self::Reorder => "reorder",
            Self::Other(_) => "other",
        }
    }
}

/// Severity by severity what `join` makes of both.
pub(crate) fn join_shrinks(a: &Shrinks, b: &Shrinks, join: impl Fn(u64, u64) -> u64) -> Shrinks {
    Shrinks {
        polite: join(a.polite, b.polite),
        below_flight: join(a.below_flight, b.below_flight),
        treason: join(a.treason, b.treason),
    }
}

/// Cause by cause what `join` makes of both.
pub(crate) fn join_retransmits(
    a: &Retransmits,
    b: &Retransmits,
    join: impl Fn(u64, u64) -> u64,
) -> Retransmits {
    Retransmits {
        loss: join(a.loss, b.loss),
        tail_probe: join(a.tail_probe, b.tail_probe),
        window_probe: join(a.window_probe, b.window_probe),
    }
}

/// Running totals of a connection since `generation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Window shrinks.
    pub shrinks: Shrinks,
    /// Retreats below the rounding bound.
    pub granularity_retreats: u64,
    /// Smaller windows that may be reordered segments.
    pub ambiguous_windows: u64,
    /// Segments outside the sequence or acknowledgement window.
    pub ignored_segments: u64,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Nanoseconds in finished zero-window episodes with data queued.
    pub zero_window_ns: u64,
    /// Segments sent again.
    pub retransmits: Retransmits,
    /// Of those, known to have been needless.
    pub retransmits_needless: u64,
}

impl Totals {
    /// Both together: totals of two generations. Stops at the largest number.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.join(other, u64::saturating_add)
    }

    /// Field by field the higher of the two: totals of one generation only grow, so the higher
    /// is the newer.
    #[must_use]
    pub fn highest(&self, other: &Self) -> Self {
        self.join(other, u64::max)
    }

    fn join(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let each = |of: fn(&Self) -> u64| join(of(self), of(other));
        Self {
            shrinks: join_shrinks(&self.shrinks, &other.shrinks, &join),
            granularity_retreats: each(|it| it.granularity_retreats),
            ambiguous_windows: each(|it| it.ambiguous_windows),
            ignored_segments: each(|it| it.ignored_segments),
            zero_window_episodes: each(|it| it.zero_window_episodes),
            zero_window_ns: each(|it| it.zero_window_ns),
            retransmits: join_retransmits(&self.retransmits, &other.retransmits, &join),
            retransmits_needless: each(|it| it.retransmits_needless),
        }
    }
}

/// One decoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When the kernel side made it.
    pub at: MonotonicTime,
    /// Which connection.
    pub connection: ConnectionId,
    /// The peer it belongs to.
    pub peer: PeerAddress,
    /// Why it was sent.
    pub reason: Reason,
    /// Who opened it, if that is known.
    pub direction: Direction,
    /// Which sources contributed to the totals so far.
    pub source: Source,
    /// When kernel state was made; `None` if the sweep met a socket without state. A different
    /// value for the same connection means that totals started again from zero.
    pub generation: Option<MonotonicTime>,
    /// Running totals; zero without a generation.
    pub totals: Totals,
    /// Start of the zero-window episode that is going on.
    pub zero_window_since: Option<MonotonicTime>,
    /// Since when that episode has had data queued.
    pub harmful_since: Option<MonotonicTime>,
    /// TCP state.
    pub state: TcpState,
    /// Whether no process holds the socket any more.
    pub is_orphan: bool,
    /// Whether it is an MPTCP subflow.
    pub is_subflow: bool,
    /// Whether addresses mean where it is what they mean to the agent: not in a network namespace that somebody
    /// may have laid out for himself.
    pub is_on_our_way: bool,
    /// Inode number of the socket, if known.
    pub inode: Option<u64>,
    /// First sequence number not yet acknowledged.
    pub snd_una: u32,
    /// Next sequence number to send.
    pub snd_nxt: u32,
    /// One past the last byte written.
    pub write_seq: u32,
    /// Window now, bytes.
    pub window_bytes: u32,
    /// Largest window ever offered, bytes.
    pub max_window_bytes: u32,
    /// The peer's window shift, 0 to 14.
    pub window_shift: u8,
    /// Highest right edge ever offered, if known.
    pub edge_max: Option<u32>,
    /// Largest distance the edge ever lay below its maximum, bytes.
    pub retracted_max_bytes: u32,
    /// Effective sending MSS, bytes.
    pub mss_bytes: u32,
    /// Congestion window, segments.
    pub cwnd_segments: u32,
    /// Segments in flight.
    pub in_flight_segments: u32,
    /// Kernel memory the write queue takes, bytes.
    pub pinned_bytes: u64,
    /// Payload acknowledged since the connection began, bytes.
    pub bytes_acked: u64,
    /// Smoothed round-trip time, microseconds.
    pub srtt_us: u32,
    /// Congestion state.
    pub congestion: CongestionState,
    /// Timer armed.
    pub timer: PendingTimer,
    /// Doublings of the retransmission timer.
    pub backoff: u8,
    /// Timeouts without progress.
    pub timeouts: u8,
    /// Window probes without an answer.
    pub probes_unanswered: u8,
    /// Segments sent again since the peer last acknowledged anything, old or new. Less than that
    /// where the kernel side has not watched the connection all the while.
    pub retransmits_unanswered: u32,
    /// Times the first segment not acknowledged has been sent again as lost, likewise.
    pub head_retransmits: u32,
}

impl Observation {
    /// Bytes written but not acknowledged: sent and unsent.
    #[must_use]
    pub const fn queued_bytes(&self) -> u32 {
        span_bytes(self.snd_una, self.write_seq)
    }

    /// Bytes sent but not acknowledged.
    #[must_use]
    pub const fn in_flight_bytes(&self) -> u32 {
        span_bytes(self.snd_una, self.snd_nxt)
    }

    /// Whether data is held up, as far as one look can tell: the window does not take the head
    /// segment, or timers have fired in vain. Lost segments alone are everyday.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        let queued_bytes = self.queued_bytes();
        let head_bytes = queued_bytes.min(self.mss_bytes);
        queued_bytes > 0
            && (self.window_bytes < head_bytes
                || self.zero_window_since.is_some()
                || self.timeouts > 0
                || self.probes_unanswered > 0)
    }
}

/// End of one pass over the sockets of one network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepEnd {
    /// The namespace that was swept.
    pub netns: u32,
    /// When the pass began; observations of the pass are not earlier.
    pub began: MonotonicTime,
    /// When it ended.
    pub ended: MonotonicTime,
    /// Whether every row was read. An incomplete pass proves nothing about absent sockets.
    pub is_complete: bool,
}

/// Counts the kernel side could not keep per connection, totals since the programs were loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UntrackedTotals {
    /// Window shrinks.
    pub shrinks: Shrinks,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Segments sent again.
    pub retransmits: Retransmits,
}
