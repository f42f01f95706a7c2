//! Stalls of a peer that ended because it read on, while they are remembered.

use crate::time::MonotonicTime;
use crate::verdict::QUIET_NS;

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
        self.earlier = if age_ns < 2 * QUIET_NS {
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
        Some(MonotonicTime::from_ns(
            began.as_ns().saturating_add(QUIET_NS),
        ))
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
