//! Exact numbers of a peer or of the host: integers inside, seconds only where they are shown.
//!
//! Every amount is booked to a peer and to the host in one step, so the two cannot drift apart.

use crate::metrics::Ledger;
use crate::observe::observation::{ShrinkCounts, Totals};
use crate::time::MonotonicTime;
use detector_api::snapshot::{Retransmits, Shrinks};
use std::ops::{Add, AddAssign, Sub};

/// Amounts that only ever grow. Nanosecond sums over many connections do not fit 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) shrinks: ShrinkCounts,
    pub(crate) zero_window_episodes: u64,
    pub(crate) zero_window_ns: u128,
    pub(crate) retransmits_loss: u64,
    pub(crate) retransmits_window_probe: u64,
    pub(crate) pinned_byte_ns: u128,
}

/// Stops at the largest number instead of wrapping; no kernel counts that far.
impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.shrinks.polite, more.shrinks.polite);
        add(&mut self.shrinks.below_flight, more.shrinks.below_flight);
        add(&mut self.shrinks.treason, more.shrinks.treason);
        add(&mut self.zero_window_episodes, more.zero_window_episodes);
        add(&mut self.retransmits_loss, more.retransmits_loss);
        add(
            &mut self.retransmits_window_probe,
            more.retransmits_window_probe,
        );
        self.zero_window_ns = self.zero_window_ns.saturating_add(more.zero_window_ns);
        self.pinned_byte_ns = self.pinned_byte_ns.saturating_add(more.pinned_byte_ns);
    }
}

/// Never below zero: a part is at most the whole, and a surprise must not become a huge number.
impl Sub for Counts {
    type Output = Self;

    fn sub(self, part: Self) -> Self {
        Self {
            shrinks: ShrinkCounts {
                polite: self.shrinks.polite.saturating_sub(part.shrinks.polite),
                below_flight: self
                    .shrinks
                    .below_flight
                    .saturating_sub(part.shrinks.below_flight),
                treason: self.shrinks.treason.saturating_sub(part.shrinks.treason),
            },
            zero_window_episodes: self
                .zero_window_episodes
                .saturating_sub(part.zero_window_episodes),
            zero_window_ns: self.zero_window_ns.saturating_sub(part.zero_window_ns),
            retransmits_loss: self.retransmits_loss.saturating_sub(part.retransmits_loss),
            retransmits_window_probe: self
                .retransmits_window_probe
                .saturating_sub(part.retransmits_window_probe),
            pinned_byte_ns: self.pinned_byte_ns.saturating_sub(part.pinned_byte_ns),
        }
    }
}

/// What is held at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) stalled_connections: u64,
    pub(crate) pinned_bytes: u64,
}

impl Add for Held {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            stalled_connections: self.stalled_connections + more.stalled_connections,
            pinned_bytes: self.pinned_bytes + more.pinned_bytes,
        }
    }
}

impl Sub for Held {
    type Output = Self;

    fn sub(self, part: Self) -> Self {
        Self {
            stalled_connections: self
                .stalled_connections
                .saturating_sub(part.stalled_connections),
            pinned_bytes: self.pinned_bytes.saturating_sub(part.pinned_bytes),
        }
    }
}

/// Counts, what is held now, and how far the integrals over time have been drawn: of pinned bytes,
/// and of connections in zero window with data queued.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) counts: Counts,
    pub(crate) held: Held,
    /// Connections whose zero-window time goes on.
    ongoing: u64,
    settled_at: MonotonicTime,
}

impl Account {
    /// Draws the integrals up to `now`. Earlier moments change nothing.
    pub(crate) fn settle(&mut self, now: MonotonicTime) {
        let elapsed_ns = u128::from(now.since_ns(self.settled_at));
        self.counts.pinned_byte_ns += u128::from(self.held.pinned_bytes) * elapsed_ns;
        self.counts.zero_window_ns += u128::from(self.ongoing) * elapsed_ns;
        self.settled_at = self.settled_at.max(now);
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

    /// Changes what is held from `before` to `after`, from `now` on.
    pub(crate) fn change_held(&mut self, before: Held, after: Held, now: MonotonicTime) {
        self.settle(now);
        self.held = (self.held - before) + after;
    }
}

/// The published form of counts and what is held.
pub(crate) fn publish(counts: &Counts, held: Held) -> Ledger {
    Ledger {
        shrinks: publish_shrinks(counts.shrinks),
        zero_window_episodes: counts.zero_window_episodes,
        zero_window_seconds: seconds(counts.zero_window_ns),
        retransmits: Retransmits {
            loss: counts.retransmits_loss,
            window_probe: counts.retransmits_window_probe,
        },
        stalled_connections: held.stalled_connections,
        pinned_bytes: held.pinned_bytes,
        pinned_byte_seconds: seconds(counts.pinned_byte_ns),
    }
}

/// The published form of shrink counts.
pub(crate) const fn publish_shrinks(shrinks: ShrinkCounts) -> Shrinks {
    Shrinks {
        polite: shrinks.polite,
        below_flight: shrinks.below_flight,
        treason: shrinks.treason,
    }
}

/// Nanoseconds (or bytes times nanoseconds) as seconds.
#[allow(clippy::cast_precision_loss, reason = "shown, not compared")]
pub(crate) fn seconds(ns: u128) -> f64 {
    ns as f64 / 1e9
}

/// What of one generation of a connection has been booked already.
///
/// Totals come as running sums and may come late, twice or out of order; the highest ever seen
/// counts, and only what exceeds it is booked. Packed: the kernel side counts in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    zero_window_ns: u64,
    zero_window_booked_ns: u64,
    counts: [u32; COUNTED],
}

/// Numbers in [`Baseline::counts`], in the order of [`pack`].
const COUNTED: usize = 10;

const fn pack(totals: &Totals) -> [u64; COUNTED] {
    [
        totals.shrinks.polite,
        totals.shrinks.below_flight,
        totals.shrinks.treason,
        totals.granularity_retreats,
        totals.ambiguous_windows,
        totals.ignored_segments,
        totals.zero_window_episodes,
        totals.retransmits_loss,
        totals.retransmits_window_probe,
        totals.records_suppressed,
    ]
}

fn unpack(counts: [u32; COUNTED], zero_window_ns: u64) -> Totals {
    let [
        polite,
        below_flight,
        treason,
        granularity_retreats,
        ambiguous_windows,
        ignored_segments,
        zero_window_episodes,
        retransmits_loss,
        retransmits_window_probe,
        records_suppressed,
    ] = counts.map(u64::from);
    Totals {
        shrinks: ShrinkCounts {
            polite,
            below_flight,
            treason,
        },
        granularity_retreats,
        ambiguous_windows,
        ignored_segments,
        zero_window_episodes,
        zero_window_ns,
        retransmits_loss,
        retransmits_window_probe,
        records_suppressed,
    }
}

impl Baseline {
    /// The highest totals seen.
    pub(crate) fn totals(&self) -> Totals {
        unpack(self.counts, self.zero_window_ns)
    }

    /// Raises the baseline to `totals` and returns what is new.
    pub(crate) fn take(&mut self, totals: &Totals) -> Counts {
        let mut new = [0; COUNTED];
        let highest = self.counts.iter_mut().zip(&mut new);
        for ((highest, new), told) in highest.zip(pack(totals)) {
            let told = u32::try_from(told).unwrap_or(u32::MAX);
            *new = told.saturating_sub(*highest);
            *highest += *new;
        }
        self.zero_window_ns = self.zero_window_ns.max(totals.zero_window_ns);
        let new = unpack(new, 0);
        Counts {
            shrinks: new.shrinks,
            zero_window_episodes: new.zero_window_episodes,
            zero_window_ns: self.book_zero_window(self.zero_window_ns),
            retransmits_loss: new.retransmits_loss,
            retransmits_window_probe: new.retransmits_window_probe,
            pinned_byte_ns: 0,
        }
    }

    /// Books the span that is going on since `harmful_since`, up to `now`.
    ///
    /// The finished total that the kernel sends later includes this span; booking only what
    /// exceeds the highest value so far counts it once and never goes backwards.
    pub(crate) fn take_ongoing(
        &mut self,
        harmful_since: MonotonicTime,
        now: MonotonicTime,
    ) -> Counts {
        let ns = self.with_ongoing(Some(harmful_since), now);
        Counts {
            zero_window_ns: self.book_zero_window(ns),
            ..Counts::default()
        }
    }

    /// Zero-window nanoseconds of this generation up to `now`, without booking them.
    pub(crate) fn zero_window_until(
        &self,
        harmful_since: Option<MonotonicTime>,
        now: MonotonicTime,
    ) -> u64 {
        self.with_ongoing(harmful_since, now)
            .max(self.zero_window_booked_ns)
    }

    /// Zero-window time up to `now` that is still to be booked; `None` where more was booked
    /// already.
    pub(crate) fn unbooked_ns(
        &self,
        harmful_since: MonotonicTime,
        now: MonotonicTime,
    ) -> Option<u64> {
        self.with_ongoing(Some(harmful_since), now)
            .checked_sub(self.zero_window_booked_ns)
    }

    /// Books nanoseconds that went into an account's integral.
    pub(crate) const fn add_booked(&mut self, ns: u64) {
        self.zero_window_booked_ns = self.zero_window_booked_ns.saturating_add(ns);
    }

    fn with_ongoing(&self, harmful_since: Option<MonotonicTime>, now: MonotonicTime) -> u64 {
        let ongoing_ns = harmful_since.map_or(0, |since| now.since_ns(since));
        self.zero_window_ns.saturating_add(ongoing_ns)
    }

    fn book_zero_window(&mut self, ns: u64) -> u128 {
        let new_ns = ns.saturating_sub(self.zero_window_booked_ns);
        self.zero_window_booked_ns += new_ns;
        u128::from(new_ns)
    }
}
