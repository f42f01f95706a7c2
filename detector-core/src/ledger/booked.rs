//! What of a connection has been booked.

use super::Counts;
use crate::observe::observation::{Retransmits, Shrinks, Totals};
use crate::time::MonotonicTime;

/// The generation of kernel state that a connection is in, and what of it has been booked.
#[derive(Debug, Default)]
pub(crate) struct Booked {
    pub(crate) generation: Option<MonotonicTime>,
    pub(crate) baseline: Baseline,
    /// Totals of generations before this one; most connections have none.
    earlier: Option<Box<Totals>>,
    /// From when zero-window time is drawn in the accounts, while it is.
    pub(crate) drawn_from: Option<MonotonicTime>,
}

impl Booked {
    /// Totals of all generations together.
    pub(crate) fn totals(&self) -> Totals {
        let now = self.baseline.totals();
        self.earlier
            .as_ref()
            .map_or(now, |earlier| earlier.plus(&now))
    }

    /// Goes on to a newer generation, of which `baseline` was booked already; returns the one
    /// before.
    #[inline]
    pub(crate) fn begin_generation(
        &mut self,
        generation: MonotonicTime,
        baseline: Baseline,
    ) -> Option<(MonotonicTime, Baseline)> {
        let left = self.last();
        if left.is_some() {
            self.earlier = Some(Box::new(self.totals()));
        }
        self.generation = Some(generation);
        self.baseline = baseline;
        left
    }

    /// What is to be remembered of the newest generation.
    pub(crate) fn last(&self) -> Option<(MonotonicTime, Baseline)> {
        self.generation
            .map(|generation| (generation, self.baseline))
    }
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
const COUNTED: usize = 11;

const fn pack(totals: &Totals) -> [u64; COUNTED] {
    [
        totals.shrinks.polite,
        totals.shrinks.below_flight,
        totals.shrinks.treason,
        totals.granularity_retreats,
        totals.ambiguous_windows,
        totals.ignored_segments,
        totals.zero_window_episodes,
        totals.retransmits.loss,
        totals.retransmits.tail_probe,
        totals.retransmits.window_probe,
        totals.retransmits_needless,
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
        loss,
        tail_probe,
        window_probe,
        retransmits_needless,
    ] = counts.map(u64::from);
    Totals {
        shrinks: Shrinks {
            polite,
            below_flight,
            treason,
        },
        granularity_retreats,
        ambiguous_windows,
        ignored_segments,
        zero_window_episodes,
        zero_window_ns,
        retransmits: Retransmits {
            loss,
            tail_probe,
            window_probe,
        },
        retransmits_needless,
    }
}

impl Baseline {
    /// The highest totals seen.
    pub(crate) fn totals(&self) -> Totals {
        unpack(self.counts, self.zero_window_ns)
    }

    /// Zero-window time of finished episodes.
    pub(crate) const fn finished_ns(&self) -> u64 {
        self.zero_window_ns
    }

    /// Raises the baseline to `totals` and returns what is new.
    #[inline]
    pub(crate) fn raise_to(&mut self, totals: &Totals) -> Counts {
        let mut new = [0; COUNTED];
        let highest = self.counts.iter_mut().zip(&mut new);
        for ((highest, new), total) in highest.zip(pack(totals)) {
            let total = u32::try_from(total).unwrap_or(u32::MAX);
            *new = total.saturating_sub(*highest);
            *highest += *new;
        }
        self.zero_window_ns = self.zero_window_ns.max(totals.zero_window_ns);
        let new = unpack(new, 0);
        Counts {
            shrinks: new.shrinks,
            zero_window_episodes: new.zero_window_episodes,
            zero_window_ns: self.book_zero_window(self.zero_window_ns),
            retransmits: new.retransmits,
            retransmits_needless: new.retransmits_needless,
            pinned_byte_ns: 0,
        }
    }

    /// Books the span that is going on since `harmful_since`, up to `now`.
    ///
    /// The finished total that the kernel sends later includes this span; booking only what
    /// exceeds the highest value so far counts it once and never goes backwards.
    pub(crate) fn book_ongoing(
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
