//! Window shrink: the right edge moved left by at least `2^shift` below the highest ever offered.
//!
//! The kernel side judges each segment (`detector_common::window::retreat`); here a flag is made
//! of the counts: one per connection, and one more for each step up in severity, so that a peer
//! that shrinks with every segment raises three flags at most.
//!
//! A receiver without memory shrinks, too: to zero under data in flight (`treason`), open again
//! within a second. So it is watched how soon such a window opens.

use super::QUIET_NS;
use crate::observe::observation::{Shrinks, join_shrinks};
use crate::observe::state::State;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::bounds::QUICK_REOPEN;
use detector_common::record::severity;
use detector_common::window;

/// A receiver without memory opens its window again within this time.
pub(crate) const QUICK_REOPEN_NS: u64 = QUICK_REOPEN.as_secs() * SECOND_NS;

/// The shrinks of one connection.
#[derive(Debug, Default)]
pub(crate) struct Shrink {
    /// Worst severity of a shrink flagged so far, an index of [`severity`].
    flagged: Option<usize>,
    /// The zero window under data in flight that is going on, while it is young.
    treason: Option<Treason>,
}

/// A window taken back to zero with data in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Treason {
    since: MonotonicTime,
    /// Zero-window time that was finished before.
    finished_ns: u64,
}

/// What an observation has shown of windows taken back to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reopened {
    /// Those that opened again at once.
    pub(crate) quick: u64,
    /// Whether the one that was young is open, or young no more.
    pub(crate) is_settled: bool,
}

impl Shrink {
    /// A connection of which `shrinks` were seen and flagged already.
    pub(crate) const fn seen(shrinks: &Shrinks) -> Self {
        Self {
            flagged: worst(shrinks),
            treason: None,
        }
    }

    /// Whether these totals are worth a flag: the first shrink and each step up in severity.
    #[inline]
    pub(crate) fn observe(&mut self, totals: &Shrinks) -> bool {
        let worst = worst(totals);
        let is_worse = worst > self.flagged;
        self.flagged = self.flagged.max(worst);
        is_worse
    }

    /// Whether a window taken back has been zero for less than a second, as far as is known.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.treason.is_some()
    }

    /// Watches no window any more.
    pub(crate) const fn clear(&mut self) {
        self.treason = None;
    }

    /// Takes the newest state, and how many windows the observation added that were taken back to
    /// zero, with so much zero-window time; says whether such a window opened again at once. One
    /// that does not is settled by the first record after that time.
    #[inline]
    pub(crate) fn reopen(&mut self, last: &State, treasons: u64, new_ns: u128) -> Reopened {
        let (closed_since, finished_ns) = (last.zero_window_since, last.zero_window_ns);
        let mut reopened = Reopened::default();
        let mut ended = 0;
        if let Some(treason) = self.treason {
            let is_open = closed_since != Some(treason.since);
            let mut closed_ns = last.at.since_ns(treason.since);
            if is_open || closed_ns > QUICK_REOPEN_NS {
                reopened.is_settled = true;
                self.treason = None;
            }
            // The record of the opening may come late, and says how long the window was closed.
            if finished_ns > treason.finished_ns {
                closed_ns = closed_ns.min(finished_ns - treason.finished_ns);
            }
            ended += u64::from(is_open);
            reopened.quick += u64::from(is_open && closed_ns <= QUICK_REOPEN_NS);
        }
        if treasons > 0 {
            // All but the last were over before this record was made.
            self.treason = closed_since.map(|since| Treason { since, finished_ns });
            // Several at once say only how long they took together, so they are quick together.
            let over = treasons - u64::from(closed_since.is_some());
            let quick_ns = u128::from(ended + over) * u128::from(QUICK_REOPEN_NS);
            if new_ns <= quick_ns {
                reopened.quick += over;
            }
        }
        reopened
    }
}

/// What is remembered of a peer's shrinks, until none has come for long enough.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShrinkHistory {
    /// Those that are forgotten by now.
    forgotten: Shrinks,
    /// When the last one was seen that is not.
    latest: Option<MonotonicTime>,
    /// Shrinks to zero, among those, that opened again within a second.
    pub(crate) quick_reopens: u64,
    /// Connections whose window was taken back to zero less than a second ago, and is zero still.
    pub(crate) fresh: u32,
}

impl ShrinkHistory {
    /// Notes a shrink at that moment.
    pub(crate) fn note(&mut self, at: MonotonicTime) {
        self.latest = self.latest.max(Some(at));
    }

    pub(crate) const fn note_quick(&mut self, reopens: u64) {
        self.quick_reopens = self.quick_reopens.saturating_add(reopens);
    }

    /// A connection that was fresh or not is so or not now.
    #[inline]
    pub(crate) fn count_fresh(&mut self, was: bool, is: bool) {
        self.fresh -= u32::from(was);
        self.fresh += u32::from(is);
    }

    /// Lets them all go if the last of them is old; `all` is what was counted so far.
    pub(crate) fn forget_old(&mut self, all: Shrinks, now: MonotonicTime) {
        if self.forgets_at().is_some_and(|at| at <= now) {
            self.forget(all);
        }
    }

    /// Lets them all go.
    pub(crate) fn forget(&mut self, all: Shrinks) {
        *self = Self {
            forgotten: all,
            fresh: self.fresh,
            ..Self::default()
        };
    }

    /// When they are forgotten, unless another one comes.
    pub(crate) fn forgets_at(&self) -> Option<MonotonicTime> {
        self.latest.map(|latest| latest.plus_ns(QUIET_NS))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.latest.is_none()
    }

    /// Those of `all` that are not forgotten.
    pub(crate) fn recent(&self, all: &Shrinks) -> Shrinks {
        join_shrinks(all, &self.forgotten, u64::saturating_sub)
    }
}

/// The worst severity in the counts, as an index of [`severity`].
const fn worst(shrinks: &Shrinks) -> Option<usize> {
    if shrinks.treason > 0 {
        Some(severity::TREASON)
    } else if shrinks.below_flight > 0 {
        Some(severity::BELOW_FLIGHT)
    } else if shrinks.polite > 0 {
        Some(severity::POLITE)
    } else {
        None
    }
}

/// How far the right edge lies below its maximum now, in bytes.
pub(crate) fn retracted_bytes(state: &State) -> u32 {
    state.edge_max().map_or(0, |edge_max| {
        let edge = window::edge(state.snd_una, state.window_bytes);
        window::retracted_bytes(edge_max, edge)
    })
}

/// Whether the offer is back at its highest, honest rounding aside.
pub(crate) fn is_over(state: &State) -> bool {
    retracted_bytes(state) >> state.window_shift == 0
}
