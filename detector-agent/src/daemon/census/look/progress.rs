//! How far a connection has come from one look to the next.

use crate::netlink::sock_diag::Seen;

/// A connection that was sent nothing and has sent so much has sent more than a request that waits for its
/// answer: so many segments with data.
const MORE_THAN_A_REQUEST: u32 = 16;

/// How far a connection had come.
#[derive(Clone, Copy)]
pub(super) struct Progress {
    bytes_acked: u64,
    bytes_received: u64,
    edge: Option<u64>,
}

impl Progress {
    pub(super) const fn of(seen: &Seen) -> Self {
        Self {
            bytes_acked: seen.bytes_acked,
            bytes_received: seen.bytes_received,
            edge: seen.edge,
        }
    }

    /// Whoever does not read takes bytes as long as its buffers have room, but offers no more of it. Whoever was
    /// sent nothing is well if it sends.
    pub(super) fn is_well_at(&self, now: &Seen, least_bytes: u64) -> bool {
        if was_sent_nothing(now) {
            return now.bytes_received > self.bytes_received;
        }
        let taken = now.bytes_acked.saturating_sub(self.bytes_acked);
        let read = match (self.edge, now.edge) {
            (Some(then), Some(now)) => now.saturating_sub(then),
            _ => taken,
        };
        now.queued_bytes == 0 || taken.min(read) >= least_bytes
    }
}

/// Our SYN counts as one byte.
const fn was_sent_nothing(now: &Seen) -> bool {
    now.queued_bytes == 0 && now.bytes_acked <= 1
}

/// Whoever sends now and then and is sent nothing is no less cut by a block than others.
pub(super) const fn has_sent_more_than_a_request(now: &Seen) -> bool {
    was_sent_nothing(now) && now.segments_received >= MORE_THAN_A_REQUEST
}
