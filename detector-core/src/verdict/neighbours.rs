//! Whether others of a network behave, while peers of it hold connections together.
//!
//! In: what the kernel says of all connections of the network. Readers on pause at many addresses of
//! one provider hold as much as attackers do, but others beside them are served.

use super::last_answer::{LastAnswer, RENEW_BEFORE_ACCUSING_NS, RENEW_NS};
use super::sharing::PAST;
use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::MonotonicTime;

/// What is known of one network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Neighbours {
    answer: LastAnswer,
}

impl Neighbours {
    /// Takes an answer; `None` if there was none. Whether it was taken: a second pair of looks is to
    /// show the same connections well.
    pub(crate) fn observe(&mut self, census: Option<Census>, now: MonotonicTime) -> bool {
        let Some(census) = census else {
            self.answer.fail(now);
            return true;
        };
        let is_first_pair = census.well > 0 && census.well_before.is_none();
        self.answer.await_second_pair(is_first_pair);
        if is_first_pair {
            return false;
        }
        self.answer.take(census, RENEW_NS, now);
        true
    }

    /// Whether the kernel could not tell when it was asked last.
    pub(crate) const fn has_failed(&self) -> bool {
        self.answer.has_failed()
    }

    /// Whether the kernel is to be asked, if peers of the network hold so many connections together:
    /// after a while, sooner if nobody is accused yet and they `may_be_accused`.
    pub(crate) fn is_due(&self, holding: u64, may_be_accused: bool, now: MonotonicTime) -> bool {
        let is_old = self.answer.counted().is_some_and(|(census, at)| {
            now.since_ns(at) >= RENEW_BEFORE_ACCUSING_NS && !behave(&census, holding)
        });
        self.answer.is_due(now) || (may_be_accused && is_old)
    }

    /// Whether the kernel was asked so lately that somebody may be accused on what it said.
    pub(crate) fn is_fresh(&self, now: MonotonicTime) -> bool {
        self.answer.is_fresh(now)
    }

    /// The last answer that still counts.
    pub(crate) fn census(&self, now: MonotonicTime) -> Option<Census> {
        self.answer.census(now)
    }

    /// When the kernel is to be asked again, the longest ago first.
    pub(crate) const fn ask_at(&self) -> Option<MonotonicTime> {
        self.answer.ask_at()
    }

    /// Whether nothing of it counts any more.
    pub(crate) fn is_forgotten(&self, now: MonotonicTime) -> bool {
        let asked_at = self.answer.ask_at();
        let asked_long_ago = asked_at.is_some_and(|at| now.since_ns(at) >= QUIET_NS);
        asked_long_ago && self.census(now).is_none()
    }
}

/// Whether at least as many connections of a network behave, now or over the past hours, as are held.
pub(super) fn behave(census: &Census, holding: u64) -> bool {
    // What is well now was seen well, too.
    let well = census.well_twice().saturating_add(census.ended_well);
    well.max(census.seen_well) >= PAST.max(holding)
}

#[cfg(test)]
mod tests {
    use super::{Neighbours, behave};
    use crate::observe::census::Census;
    use crate::rules::QUIET_NS;
    use crate::time::{MonotonicTime, SECOND_NS};
    use crate::verdict::last_answer::{FRESH_NS, RENEW_BEFORE_ACCUSING_NS, RENEW_NS, RETRY_NS};

    const START: MonotonicTime = MonotonicTime::from_ns(1_000 * SECOND_NS);

    fn census(well: u64, well_before: Option<u64>, ended_well: u64) -> Census {
        Census {
            connections: 60,
            well,
            well_before,
            ended_well,
            ..Census::default()
        }
    }

    #[test]
    fn as_many_are_well_at_two_pairs_of_looks_as_are_held() {
        let mut neighbours = Neighbours::default();
        assert!(!neighbours.observe(Some(census(30, None, 0)), START));
        assert!(neighbours.is_due(24, true, START) && neighbours.census(START).is_none());
        assert!(neighbours.observe(Some(census(30, Some(23), 0)), START));
        let counted = neighbours.census(START).unwrap();
        assert!(behave(&counted, 23) && !behave(&counted, 24));
        assert!(!neighbours.is_due(24, true, START));
        let soon = START.plus_ns(RENEW_BEFORE_ACCUSING_NS);
        assert!(neighbours.is_due(24, true, soon) && neighbours.is_fresh(soon));
        assert!(!neighbours.is_due(23, true, soon), "others behave");
        assert!(!neighbours.is_due(24, false, soon), "it is accused");
        assert!(neighbours.is_due(23, false, START.plus_ns(RENEW_NS)));
        assert!(!neighbours.is_fresh(START.plus_ns(FRESH_NS)));
    }

    #[test]
    fn the_past_speaks_where_nobody_is_there_now() {
        assert!(behave(&census(0, None, 24), 24) && behave(&census(9, Some(4), 20), 24));
        assert!(!behave(&census(24, None, 23), 24));
        assert!(!behave(&census(0, None, 9), 5), "of so few nothing is said");
        let seen = |well, well_before| Census {
            seen_well: 24,
            ..census(well, well_before, 0)
        };
        assert!(behave(&seen(0, None), 24) && !behave(&seen(0, None), 25));
        assert!(!behave(&seen(24, Some(24)), 25), "they are the same ones");
    }

    #[test]
    fn who_did_not_answer_is_asked_again_and_forgotten_at_last() {
        let mut neighbours = Neighbours::default();
        assert!(neighbours.observe(None, START));
        let later = START.plus_ns(RETRY_NS);
        assert!(!neighbours.is_due(24, true, START) && neighbours.is_due(24, true, later));
        assert!(!neighbours.is_forgotten(START.plus_ns(RETRY_NS)));
        assert!(neighbours.is_forgotten(START.plus_ns(RETRY_NS + QUIET_NS)));
        assert!(neighbours.observe(Some(census(0, None, 0)), START));
        let late = START.plus_ns(QUIET_NS);
        assert!(neighbours.census(late).is_none() && !neighbours.is_forgotten(late));
    }
}
