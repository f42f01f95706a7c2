//! How the connections of an address have ended over the past hours.
//!
//! Kept by the kernel side for each remote address, fed when a connection closes and never by an
//! acknowledgement; read by the agent for suspects alone.

use bytemuck::{Pod, Zeroable};

/// Spans of time that are kept apart: the oldest is forgotten as a whole.
pub const SPANS: usize = 8;

/// How long each is: three hours, so that a night does not forget the day before.
pub const SPAN_NS: u64 = 3 * 3_600 * 1_000_000_000;

/// Addresses that are kept.
pub const ENTRIES_MAX: usize = 16_384;

/// One span of time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct HistorySpan {
    /// Which: nanoseconds of `CLOCK_MONOTONIC` divided by [`SPAN_NS`].
    pub number: u32,
    /// Connections that ended with all taken of what was sent, at least a byte.
    pub ended_well: u32,
    /// Connections that ended with something left to send.
    pub ended_early: u32,
}

/// What is kept of one address. Counts are lower bounds: two processors may count at once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct AddressHistory {
    /// Each at the place of its number modulo [`SPANS`].
    pub spans: [HistorySpan; SPANS],
}

const _: () = assert!(size_of::<AddressHistory>() == 12 * SPANS);

impl AddressHistory {
    /// Connections that ended well and early in the spans that are not over for too long at `now_ns`.
    #[must_use]
    pub fn ended(&self, now_ns: u64) -> (u64, u64) {
        let now = now_ns / SPAN_NS;
        let is_recent = |span: &&HistorySpan| {
            let number = u64::from(span.number);
            number <= now && now - number < SPANS as u64
        };
        let recent = self.spans.iter().filter(is_recent);
        recent.fold((0, 0), |(well, early), span| {
            (
                well + u64::from(span.ended_well),
                early + u64::from(span.ended_early),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressHistory, HistorySpan, SPAN_NS, SPANS};

    #[test]
    fn a_day_is_remembered_and_no_more() {
        let mut history = AddressHistory::default();
        for number in [5_u32, 6] {
            history.spans[number as usize % SPANS] = HistorySpan {
                number,
                ended_well: 10,
                ended_early: 1,
            };
        }
        assert_eq!(history.ended(6 * SPAN_NS), (20, 2));
        assert_eq!(history.ended(12 * SPAN_NS), (20, 2));
        assert_eq!(history.ended(13 * SPAN_NS), (10, 1));
        assert_eq!(history.ended(14 * SPAN_NS), (0, 0));
        assert_eq!(history.ended(4 * SPAN_NS), (0, 0));
    }
}
