//! Whether an address is shared by many: a balancer, a proxy, a CDN's edge, a carrier's NAT.
//!
//! In: what the kernel says of all its connections. Nobody is accused before it has been asked.

use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_common::history::PAST_LEAST;

/// A suspect is asked for again after so long: others may have come.
pub(super) const RENEW_NS: u64 = 60 * SECOND_NS;

/// The same where there was no answer.
pub(super) const RETRY_NS: u64 = 5 * SECOND_NS;

/// Who hoards and is not accused yet is asked for so soon again: others that came meanwhile count.
pub(super) const RENEW_BEFORE_ACCUSING_NS: u64 = 8 * SECOND_NS;

/// Nobody is accused on an answer older than this: the wait before, the looks and what may delay them.
pub(super) const FRESH_NS: u64 = 15 * SECOND_NS;

/// So many connections that behave beside those that are held, and the address has others. One may
/// be an attacker's own look at whether the server still answers.
const OTHERS: u64 = 2;

/// And so great a part of all: of a thousand connections that stop reading some do so late.
const OTHERS_PART: u64 = 100;

/// At least so many connections ended well over the past hours where only the past speaks.
pub(super) const PAST: u64 = PAST_LEAST;

/// What is known of the other connections of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharing {
    /// When the kernel is to be asked again; `None` before it was asked.
    ask_at: Option<MonotonicTime>,
    counted: Option<(Census, MonotonicTime)>,
    has_others: bool,
    /// Whether the last answer had no others, though that before it had.
    is_doubtful: bool,
    /// How many connections had ended well, and when: what ended since then ended lately.
    ended_well_before: Option<(u64, MonotonicTime)>,
}

impl Sharing {
    /// Takes an answer; `None` if there was none. Whether it was taken: connections that are well
    /// once may be in their first burst, which fills the buffers of whoever never reads, so that a
    /// second pair of looks is to show the same ones well.
    pub(crate) fn observe(&mut self, census: Option<Census>, now: MonotonicTime) -> bool {
        let Some(census) = census else {
            self.ask_at = Some(now.plus_ns(RETRY_NS));
            return true;
        };
        let ended_lately = census
            .ended_well
            .saturating_sub(self.ended_before(&census, now));
        let suffice = |well: u64| {
            let others = well.saturating_add(ended_lately);
            others >= OTHERS.max(census.connections / OTHERS_PART)
        };
        let has_others = suffice(census.well_before.unwrap_or(0));
        if !has_others && census.well_before.is_none() && suffice(census.well) {
            return false;
        }
        // Those that pause for a moment are asked for once more before they pass for gone.
        self.is_doubtful = self.has_others && !has_others && !self.is_doubtful;
        self.has_others = has_others || self.is_doubtful;
        let wait_ns = if self.is_doubtful { RETRY_NS } else { RENEW_NS };
        self.ask_at = Some(now.plus_ns(wait_ns));
        self.counted = Some((census, now));
        true
    }

    /// How many connections had ended well before those that did lately.
    fn ended_before(&mut self, census: &Census, now: MonotonicTime) -> u64 {
        let at_first = census
            .ended_well
            .saturating_sub(census.ended_well_meanwhile);
        let last = self.counted.map(|(last, at)| (last.ended_well, at));
        let (before, at) = match self.ended_well_before {
            None => (at_first, now),
            Some((_, at)) if now.since_ns(at) >= QUIET_NS => last.unwrap_or((at_first, now)),
            Some(before) => before,
        };
        // The kernel side forgets what was long ago.
        let before = before.min(at_first);
        self.ended_well_before = Some((before, at));
        before
    }

    /// Whether the kernel is to be asked, if the peer is a suspect: after a while, sooner if it
    /// `may_be_accused`, and once so many of its connections are stalled that some of those must be that
    /// were well.
    pub(crate) fn is_due(
        &self,
        stalled_connections: u64,
        may_be_accused: bool,
        now: MonotonicTime,
    ) -> bool {
        let is_old = self
            .counted
            .is_some_and(|(_, at)| now.since_ns(at) >= RENEW_BEFORE_ACCUSING_NS);
        if may_be_accused && is_old && !self.has_others {
            return true;
        }
        let is_outdated = self.counted.is_some_and(|(census, at)| {
            let others = census.well_before.unwrap_or(0);
            stalled_connections > census.connections.saturating_sub(others)
                && now.since_ns(at) >= RETRY_NS
        });
        self.ask_at.is_none_or(|at| at <= now) || (self.has_others && is_outdated)
    }

    /// The last answer that still counts.
    pub(crate) fn census(&self, now: MonotonicTime) -> Option<Census> {
        let fresh = self.counted.filter(|(_, at)| now.since_ns(*at) < QUIET_NS);
        fresh.map(|(census, _)| census)
    }

    /// The last answer, if it was due no longer ago than an answer takes: of a peer that comes back others
    /// may have come, too.
    pub(crate) fn census_lately(&self, now: MonotonicTime) -> Option<Census> {
        let lately = self
            .counted
            .filter(|(_, at)| now.since_ns(*at) < RENEW_NS + FRESH_NS);
        lately.map(|(census, _)| census)
    }

    /// Whether the kernel was asked so lately that somebody may be accused on what it said.
    pub(crate) fn is_fresh(&self, now: MonotonicTime) -> bool {
        self.counted
            .is_some_and(|(_, at)| now.since_ns(at) < FRESH_NS)
    }

    /// Whether others behaved lately.
    pub(crate) fn has_others(&self, now: MonotonicTime) -> bool {
        self.has_others && self.census(now).is_some()
    }
}

/// Whether so many connections ended well over the past hours that `holding` may be others' pauses.
pub(super) fn is_shared_by_past(census: &Census, holding: u64) -> bool {
    census.ended_well >= PAST.max(holding / 2)
}

#[cfg(test)]
mod tests {
    use super::{FRESH_NS, RENEW_BEFORE_ACCUSING_NS, RENEW_NS, RETRY_NS, Sharing};
    use crate::observe::census::Census;
    use crate::rules::QUIET_NS;
    use crate::time::{MonotonicTime, SECOND_NS};

    const START: MonotonicTime = MonotonicTime::from_ns(1_000 * SECOND_NS);

    const fn census(connections: u64, well: u64, well_before: Option<u64>) -> Census {
        Census {
            connections,
            well,
            well_before,
            came: 0,
            went: 0,
            ended_well_meanwhile: 0,
            ended_well: 0,
            ended_early: 0,
            would_be_cut: None,
        }
    }

    fn answer(sharing: &mut Sharing, census: Census, now: MonotonicTime) -> bool {
        sharing.observe(Some(census), now)
    }

    #[test]
    fn others_are_well_at_two_pairs_of_looks() {
        let mut sharing = Sharing::default();
        assert!(!answer(&mut sharing, census(31, 7, None), START));
        assert!(sharing.is_due(24, false, START) && sharing.census(START).is_none());
        assert!(answer(&mut sharing, census(31, 7, Some(1)), START));
        assert!(!sharing.has_others(START));
        assert!(answer(&mut sharing, census(31, 7, Some(2)), START));
        assert!(sharing.has_others(START) && !sharing.is_due(24, false, START));
        let few = census(1_000, 12, Some(9));
        assert!(answer(&mut sharing, few, START) && answer(&mut sharing, few, START));
        assert!(!sharing.has_others(START));
    }

    #[test]
    fn one_answer_without_others_is_doubted() {
        let mut sharing = Sharing::default();
        answer(&mut sharing, census(31, 7, Some(7)), START);
        let later = START.plus_ns(RENEW_NS);
        assert!(sharing.is_due(24, false, later));
        answer(&mut sharing, census(31, 0, None), later);
        assert!(sharing.has_others(later) && !sharing.is_due(24, false, later));
        let again = later.plus_ns(RETRY_NS);
        assert!(sharing.is_due(24, false, again));
        answer(&mut sharing, census(31, 0, None), again);
        assert!(!sharing.has_others(again));
    }

    #[test]
    fn those_that_stall_later_are_asked_for_again() {
        let mut sharing = Sharing::default();
        answer(&mut sharing, census(1_000, 60, Some(48)), START);
        let later = START.plus_ns(RETRY_NS);
        assert!(!sharing.is_due(952, false, later));
        assert!(sharing.is_due(953, false, later));
        assert!(!sharing.is_due(953, false, START));
    }

    #[test]
    fn those_that_ended_well_lately_are_others() {
        let mut sharing = Sharing::default();
        let ended = |ended_well: u64, ended_well_meanwhile: u64| Census {
            ended_well,
            ended_well_meanwhile,
            ..census(30, 0, None)
        };
        answer(&mut sharing, ended(5, 1), START);
        assert!(!sharing.has_others(START));
        let later = START.plus_ns(RENEW_NS);
        answer(&mut sharing, ended(6, 0), later);
        assert!(sharing.has_others(later));
        let mut now = later;
        for _ in 0..2 * QUIET_NS / RENEW_NS {
            now = now.plus_ns(RENEW_NS);
            answer(&mut sharing, ended(6, 0), now);
        }
        assert!(!sharing.has_others(now));
        // A span of the past is over.
        answer(&mut sharing, ended(0, 0), now);
        answer(&mut sharing, ended(2, 0), now);
        assert!(sharing.has_others(now));
    }

    #[test]
    fn who_may_be_accused_is_asked_for_until_it_is() {
        let mut sharing = Sharing::default();
        assert!(!sharing.is_fresh(START));
        answer(&mut sharing, census(30, 0, None), START);
        let later = START.plus_ns(RENEW_BEFORE_ACCUSING_NS);
        assert!(!sharing.is_due(30, false, later) && sharing.is_due(30, true, later));
        assert!(!sharing.is_due(30, true, START) && sharing.is_fresh(later));
        assert!(!sharing.is_fresh(START.plus_ns(FRESH_NS)));
        answer(&mut sharing, census(33, 3, None), later);
        answer(&mut sharing, census(33, 3, Some(3)), later);
        let last = later.plus_ns(RENEW_BEFORE_ACCUSING_NS);
        assert!(!sharing.is_due(30, true, last), "others are known");
    }
}
