//! Recovery: what is remembered of a peer's stalls that have ended: above all of those that ended
//! because it read on, and of those that ended with their connections.

use super::QUIET_NS;
use super::stall::{StallChange, Stalled};
use crate::settings::DetectSettings;
use crate::time::MonotonicTime;

/// For how long a recovery may be remembered.
const REMEMBERED_NS: u64 = 2 * QUIET_NS;

/// The ended stalls of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StallHistory {
    /// Those that ended because the peer read on.
    pub(crate) recoveries: LateCount,
    /// Those that ended with their connections, unread.
    pub(crate) abandoned: LateCount,
    /// Silences that ended with an answer.
    pub(crate) silences_ended: u64,
    /// When a stall last ended while its connection lived on: one byte is enough.
    pub(crate) relieved_at: Option<MonotonicTime>,
    /// When one last ended because the peer read on: at the drain floor, or everything.
    pub(crate) read_on_at: Option<MonotonicTime>,
    /// When a silence last ended with an answer, or a stall with everything taken, before that is proven.
    pub(crate) resumed_at: Option<MonotonicTime>,
    /// The longest stall of one connection that has ended or changed.
    pub(crate) longest_ns: u64,
}

impl StallHistory {
    /// Takes a stall that has changed.
    pub(crate) fn observe(&mut self, change: &StallChange) {
        self.longest_ns = self.longest_ns.max(change.lasted_ns);
    }

    /// A stall has ended and its connection lives on, whether or not the peer `has_taken_all`.
    pub(crate) fn note_relief(&mut self, ended: Stalled, has_taken_all: bool, now: MonotonicTime) {
        self.relieved_at = Some(now);
        let was_silent = ended.class.is_silent();
        if was_silent || has_taken_all {
            self.resumed_at = Some(now);
        }
        self.silences_ended = self.silences_ended.saturating_add(u64::from(was_silent));
    }

    /// The peer has read on after a stall of a connection of which one had ended so `before`, if any had.
    pub(crate) fn note_recovery(&mut self, before: Option<MonotonicTime>, now: MonotonicTime) {
        self.read_on_at = Some(now);
        self.recoveries.note(now, before);
    }

    /// A connection has ended that was stalled as this, whoever ended it.
    pub(crate) fn note_end(&mut self, stalled: Stalled, now: MonotonicTime) {
        if stalled.class.is_unread() {
            self.abandoned.note(now, None);
        }
    }

    /// Whether the peer keeps a hoard by opening anew what was closed: each of its connections stalls for less than
    /// the span over which a pace is measured, all of them together for as long as it likes.
    pub(crate) const fn renews(&self, settings: &DetectSettings) -> bool {
        let abandoned = self.abandoned.count();
        abandoned >= settings.hoard_connections && abandoned > self.recoveries.count()
    }

    /// Lets go what is too old by now.
    pub(crate) fn forget_old(&mut self, now: MonotonicTime) {
        self.recoveries.forget(now);
        self.abandoned.forget(now);
    }

    /// When something is next too old.
    pub(crate) fn forgets_at(&self) -> Option<MonotonicTime> {
        let both = [&self.recoveries, &self.abandoned];
        both.into_iter().filter_map(LateCount::forgets_at).min()
    }

    /// Forgets all but the longest.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            longest_ns: self.longest_ns,
            ..Self::default()
        };
    }
}

/// A count that forgets: what is older than ten to twenty minutes has left it, so that what somebody did
/// once says nothing of him for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LateCount {
    latest: u64,
    earlier: u64,
    /// When `latest` began.
    began: Option<MonotonicTime>,
    /// When `earlier` did; what came before is forgotten.
    earlier_began: Option<MonotonicTime>,
}

impl LateCount {
    /// Notes one of a connection that was noted `before` already, if it was. Each counts once while it is
    /// remembered: one that stalls again and again speaks for itself, not for others.
    pub(crate) fn note(&mut self, now: MonotonicTime, before: Option<MonotonicTime>) {
        self.forget(now);
        let began = *self.began.get_or_insert(now);
        if before.is_some_and(|before| before >= began) {
            return;
        }
        let is_counted = |earlier| before.is_some_and(|before| before >= earlier);
        if self.earlier_began.is_some_and(is_counted) {
            self.earlier = self.earlier.saturating_sub(1);
        }
        self.latest = self.latest.saturating_add(1);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.latest.saturating_add(self.earlier)
    }

    /// Lets go what is too old by now.
    pub(crate) fn forget(&mut self, now: MonotonicTime) {
        let Some(age_ns) = self.began.map(|began| now.since_ns(began)) else {
            return;
        };
        if age_ns < QUIET_NS {
            return;
        }
        self.earlier = if age_ns < REMEMBERED_NS {
            self.latest
        } else {
            0
        };
        self.latest = 0;
        self.earlier_began = self.began.filter(|_| self.earlier > 0);
        self.began = (self.earlier > 0).then_some(now);
    }

    /// When the next ones are forgotten.
    pub(crate) fn forgets_at(&self) -> Option<MonotonicTime> {
        let began = self.began?;
        Some(began.plus_ns(QUIET_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND_NS;

    #[test]
    fn what_is_old_is_forgotten() {
        let at = |seconds: u64| MonotonicTime::from_ns(seconds * SECOND_NS);
        let mut recoveries = LateCount::default();
        assert_eq!(recoveries.forgets_at(), None);
        recoveries.note(at(5_000), None);
        recoveries.note(at(5_599), None);
        assert_eq!(recoveries.count(), 2);
        assert_eq!(recoveries.forgets_at(), Some(at(5_600)));
        recoveries.forget(at(5_600));
        recoveries.note(at(5_700), None);
        assert_eq!(recoveries.count(), 3);
        recoveries.forget(at(6_200));
        assert_eq!(recoveries.count(), 1);
        recoveries.forget(at(6_799));
        assert_eq!(recoveries.count(), 1);
        recoveries.forget(at(6_800));
        assert_eq!((recoveries.count(), recoveries.forgets_at()), (0, None));
    }

    #[test]
    fn a_long_pause_forgets_all_at_once() {
        let at = |seconds: u64| MonotonicTime::from_ns(seconds * SECOND_NS);
        let mut recoveries = LateCount::default();
        recoveries.note(at(1_000), None);
        recoveries.note(at(2_200), None);
        assert_eq!(recoveries.count(), 1);
    }

    #[test]
    fn a_connection_counts_once_and_is_remembered_since_it_last_read_on() {
        let at = |seconds: u64| MonotonicTime::from_ns(seconds * SECOND_NS);
        let mut recoveries = LateCount::default();
        let mut before = None;
        for seconds in (1_060..9_000).step_by(360) {
            recoveries.note(at(seconds), before);
            before = Some(at(seconds));
            assert_eq!(recoveries.count(), 1, "{seconds}");
            recoveries.forget(at(seconds + 359));
            assert_eq!(recoveries.count(), 1, "{seconds}");
        }
        recoveries.forget(at(9_600));
        recoveries.forget(at(10_300));
        assert_eq!(recoveries.count(), 0);
    }
}
