//! Drain: how much a connection acknowledges in a second, measured between observations at least
//! one second apart.

use crate::observe::observation::Observation;
use crate::observe::state::State;
use crate::time::{MonotonicTime, SECOND_NS};

/// Least span over which it is measured.
const SPAN_NS: u64 = SECOND_NS;

/// The drain rate of one connection.
#[derive(Debug)]
pub(crate) struct Drain {
    from: MonotonicTime,
    bytes_acked: u64,
    pub(crate) bytes_per_second: u64,
}

/// A rate that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainChange {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl Drain {
    pub(crate) const fn new(first: &Observation) -> Self {
        Self {
            from: first.at,
            bytes_acked: first.bytes_acked,
            bytes_per_second: 0,
        }
    }

    /// Measures anew where the span is long enough.
    #[inline]
    pub(crate) fn observe(&mut self, last: &State) -> Option<DrainChange> {
        let span_ns = last.at.since_ns(self.from);
        if span_ns < SPAN_NS {
            return None;
        }
        let bytes = last.bytes_acked.saturating_sub(self.bytes_acked);
        let rate = u128::from(bytes) * u128::from(SECOND_NS) / u128::from(span_ns);
        self.from = last.at;
        self.bytes_acked = last.bytes_acked;
        Some(self.change(u64::try_from(rate).unwrap_or(u64::MAX)))
    }

    /// Nothing is known to drain any more.
    pub(crate) const fn clear(&mut self) -> DrainChange {
        self.change(0)
    }

    const fn change(&mut self, after: u64) -> DrainChange {
        let before = std::mem::replace(&mut self.bytes_per_second, after);
        DrainChange { before, after }
    }
}
