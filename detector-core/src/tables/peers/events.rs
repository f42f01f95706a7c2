//! How many events a peer may cause, so that none fills the ring alone.

use crate::time::{MonotonicTime, SECOND_NS};

/// Events that the connections of one peer may cause in a burst.
const CONNECTION_EVENTS: u32 = 64;

/// Events that one peer may cause as a whole in a burst.
const PEER_EVENTS: u32 = 8;

/// Events that may be caused: a burst, then one a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    left: u32,
    burst: u32,
    from: MonotonicTime,
}

impl Allowance {
    const fn new(burst: u32, now: MonotonicTime) -> Self {
        Self {
            left: burst,
            burst,
            from: now,
        }
    }

    /// Whether one more event may be caused now.
    pub(crate) fn spend(&mut self, now: MonotonicTime) -> bool {
        let refill = now.since_ns(self.from) / SECOND_NS;
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refill).min(self.burst);
            self.from = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// The events of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventAllowances {
    pub(crate) of_connections: Allowance,
    /// For events of the peer as a whole, so that those of its connections do not hide them.
    pub(crate) of_peer: Allowance,
}

impl EventAllowances {
    pub(super) const fn new(now: MonotonicTime) -> Self {
        Self {
            of_connections: Allowance::new(CONNECTION_EVENTS, now),
            of_peer: Allowance::new(PEER_EVENTS, now),
        }
    }
}
