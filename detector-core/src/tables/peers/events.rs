//! How many events a peer may cause, so that none fills the ring alone.

use crate::events::Allowance;
use crate::time::MonotonicTime;

/// Events that the connections of one peer may cause in a burst.
const CONNECTION_EVENTS: u32 = 64;

/// Events that one peer may cause as a whole in a burst.
const PEER_EVENTS: u32 = 8;

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
