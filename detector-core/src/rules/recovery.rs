//! Recovery: what is remembered of a peer's stalls that have ended, above all of those that ended
//! because it read on.

use super::QUIET_NS;
use super::stall::{StallChange, StallClass, Stalled};
use crate::time::MonotonicTime;

/// For how long a recovery may be remembered.
pub(crate) const REMEMBERED_NS: u64 = 2 * QUIET_NS;

/// The ended stalls of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StallHistory {
    /// Those that ended because the peer read on.
    pub(crate) recoveries: Recoveries,
    /// Silences that ended with an answer.
    pub(crate) silences_ended: u64,
    /// When a stall last ended while its connection lived on.
    pub(crate) relieved_at: Option<MonotonicTime>,
    /// The longest stall of one connection that has ended or changed.
    pub(crate) longest_ns: u64,
}

impl StallHistory {
    /// Takes a stall that has changed.
    pub(crate) fn observe(&mut self, change: &StallChange) {
        self.longest_ns = self.longest_ns.max(change.lasted_ns);
    }

    /// A stall has ended and its connection lives on.
    pub(crate) fn note_relief(&mut self, ended: Stalled, now: MonotonicTime) {
        self.relieved_at = Some(now);
        let was_silent = ended.class == StallClass::Unresponsive;
        self.silences_ended = self.silences_ended.saturating_add(u64::from(was_silent));
    }

    /// Forgets all but the longest.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            longest_ns: self.longest_ns,
            ..Self::default()
        };
    }
}

/// A count that forgets: what is older than ten to twenty minutes has left it, so that who read on
/// once is not believed for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recoveries {
    latest: u64,
    earlier: u64,
    /// When `latest` began.
    began: Option<MonotonicTime>,
}

impl Recoveries {
    pub(crate) fn note(&mut self, now: MonotonicTime) {
        self.forget(now);
        self.began.get_or_insert(now);
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
        let mut recoveries = Recoveries::default();
        assert_eq!(recoveries.forgets_at(), None);
        recoveries.note(at(5_000));
        recoveries.note(at(5_599));
        assert_eq!(recoveries.count(), 2);
        assert_eq!(recoveries.forgets_at(), Some(at(5_600)));
        recoveries.forget(at(5_600));
        recoveries.note(at(5_700));
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
        let mut recoveries = Recoveries::default();
        recoveries.note(at(1_000));
        recoveries.note(at(2_200));
        assert_eq!(recoveries.count(), 1);
    }
}
