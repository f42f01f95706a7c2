//! Exact numbers of a peer or of the host: integers inside, seconds only where they are shown.
//!
//! Every amount is booked to a peer and to the host in one step, so the two cannot drift apart.

mod booked;
mod counts;

pub(crate) use booked::{Baseline, Booked};
pub(crate) use counts::Counts;

use crate::metrics::Ledger;
use crate::rules::stall::{StallChange, Stalls, Usage};
use crate::time::MonotonicTime;

/// Counts, what stalled connections cost now, and how far the integrals over time have been drawn:
/// of pinned bytes, and of connections in zero window with data queued.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) counts: Counts,
    pub(crate) stalls: Stalls,
    /// Connections whose zero-window time goes on.
    ongoing: u64,
    settled_at: MonotonicTime,
}

impl Account {
    /// What all stalled connections cost now.
    pub(crate) const fn usage(&self) -> Usage {
        self.stalls.all()
    }

    /// Draws the integrals up to `now`. Earlier moments change nothing.
    pub(crate) fn settle(&mut self, now: MonotonicTime) {
        if now <= self.settled_at {
            return;
        }
        let elapsed_ns = u128::from(now.since_ns(self.settled_at));
        self.counts.pinned_byte_ns += u128::from(self.stalls.all().pinned_bytes) * elapsed_ns;
        self.counts.zero_window_ns += u128::from(self.ongoing) * elapsed_ns;
        self.settled_at = now;
    }

    /// Zero-window time up to `now`, drawn or not.
    pub(crate) fn zero_window_ns(&self, now: MonotonicTime) -> u128 {
        let elapsed_ns = u128::from(now.since_ns(self.settled_at));
        self.counts.zero_window_ns + u128::from(self.ongoing) * elapsed_ns
    }

    /// From `now` on, the zero-window time of one more connection goes on.
    pub(crate) fn begin_ongoing(&mut self, now: MonotonicTime) {
        self.settle(now);
        self.ongoing += 1;
    }

    /// From `now` on, of one less; the last `too_much_ns` that were drawn of it are taken back.
    pub(crate) fn end_ongoing(&mut self, now: MonotonicTime, too_much_ns: u64) {
        self.settle(now);
        self.ongoing -= 1;
        let drawn_ns = self.counts.zero_window_ns;
        self.counts.zero_window_ns = drawn_ns.saturating_sub(u128::from(too_much_ns));
    }

    /// Counts a connection otherwise from `now` on.
    pub(crate) fn change_stall(&mut self, change: &StallChange, now: MonotonicTime) {
        self.settle(now);
        self.stalls.change(change);
    }
}

/// The published form of counts and of what stalled connections cost.
pub(crate) fn publish(counts: &Counts, usage: Usage) -> Ledger {
    Ledger {
        shrinks: counts.shrinks,
        zero_window_episodes: counts.zero_window_episodes,
        zero_window_seconds: seconds(counts.zero_window_ns),
        retransmits: counts.retransmits,
        retransmits_needless: counts.retransmits_needless,
        stalled_connections: usage.stalled_connections,
        pinned_bytes: usage.pinned_bytes,
        pinned_byte_seconds: seconds(counts.pinned_byte_ns),
    }
}

/// Nanoseconds (or bytes times nanoseconds) as seconds.
#[allow(clippy::cast_precision_loss, reason = "shown, not compared")]
pub(crate) fn seconds(ns: u128) -> f64 {
    ns as f64 / 1e9
}
