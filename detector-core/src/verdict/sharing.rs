//! Whether an address is shared by many: a balancer, a proxy, a CDN's edge, a carrier's NAT.
//!
//! In: what the kernel says of all its connections. Nobody is accused before it has been asked.

use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_common::history::PAST_LEAST;

/// A suspect is asked for again after so long: others may have come.
pub(super) const RENEW_NS: u64 = 60 * SECOND_NS;

/// Whoever holds less than a hoard cannot be accused of it: after each answer like the one before he is asked for
/// after twice as long, so many times.
const DOUBLINGS: u32 = 2;

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

/// At least so many connections were well over the past hours where only the past speaks.
pub(super) const PAST: u64 = PAST_LEAST;

/// What depends on the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stake {
    /// It holds less than a hoard, alone and with others.
    Little,
    /// It holds a part of one.
    Share,
    /// It hoards and is not accused yet.
    Accusation,
    /// It is accused since then: the sooner others are seen, the shorter is a mistake.
    Accused(MonotonicTime),
}

impl Stake {
    /// After how long others may have come, as long as none are known; `None` if only in due time.
    fn again_ns(self, now: MonotonicTime) -> Option<u64> {
        match self {
            Self::Little | Self::Share => None,
            Self::Accusation => Some(RENEW_BEFORE_ACCUSING_NS),
            Self::Accused(since) => {
                let again_ns = now.since_ns(since) / 2;
                Some(again_ns.clamp(RENEW_BEFORE_ACCUSING_NS, RENEW_NS))
            }
        }
    }
}

/// What is known of the other connections of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharing {
    /// When the kernel is to be asked again; `None` before it was asked.
    ask_at: Option<MonotonicTime>,
    /// When it was last asked, whether it had an answer or not.
    asked_at: Option<MonotonicTime>,
    counted: Option<(Census, MonotonicTime)>,
    has_others: bool,
    /// Whether the last answer had no others, though that before it had.
    is_doubtful: bool,
    /// How many answers in a row said the same as that before them.
    alike: u32,
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
            self.asked_at = Some(now);
            // Of other connections than those that were asked for now.
            self.counted = self.counted.filter(|(before, _)| !before.is_elsewhere);
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
        let is_alike = self.counted.is_some() && self.has_others == has_others;
        self.alike = if is_alike { self.alike + 1 } else { 0 };
        self.is_doubtful = self.has_others && !has_others && !self.is_doubtful;
        self.has_others = has_others || self.is_doubtful;
        let wait_ns = if self.is_doubtful { RETRY_NS } else { RENEW_NS };
        self.ask_at = Some(now.plus_ns(wait_ns));
        self.asked_at = Some(now);
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

    /// Whether the kernel is to be asked, if the peer is a suspect: after a while, sooner or later by what is at
    /// `stake`, and once so many of its connections are stalled that some of those must be that were well.
    pub(crate) fn is_due(
        &self,
        stalled_connections: u64,
        stake: Stake,
        now: MonotonicTime,
    ) -> bool {
        let age_ns = self.counted.map(|(_, at)| now.since_ns(at));
        let is_old = stake.again_ns(now).zip(age_ns);
        if is_old.is_some_and(|(again_ns, age_ns)| age_ns >= again_ns) && !self.has_others {
            return true;
        }
        let is_outdated = self.counted.is_some_and(|(census, at)| {
            let others = census.well_before.unwrap_or(0);
            stalled_connections > census.connections.saturating_sub(others)
                && now.since_ns(at) >= RETRY_NS
        });
        if self.has_others && is_outdated {
            return true;
        }
        let is_time = self.ask_at.is_none_or(|at| at <= now);
        let waits_longer = stake == Stake::Little && !self.is_doubtful;
        let least_ns = RENEW_NS << self.alike.min(DOUBLINGS);
        is_time && (!waits_longer || age_ns.is_none_or(|age_ns| age_ns >= least_ns))
    }

    /// Whether the kernel is to be asked what a limit or a block would cut, of a peer that may have to be limited or
    /// blocked since then: at once, for the pressure under which that is done may be short, and before long where
    /// the answer has not told it.
    pub(crate) fn is_cut_due(&self, since: MonotonicTime, now: MonotonicTime) -> bool {
        let was_asked = self.asked_at.is_some_and(|asked| asked >= since);
        let has_not_told = self.counted.is_some_and(|(census, at)| {
            census.would_be_cut.is_none() && now.since_ns(at) >= RENEW_BEFORE_ACCUSING_NS
        });
        !was_asked || has_not_told
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

/// Whether so many connections were well over the past hours that `holding` may be others' pauses.
pub(super) fn is_shared_by_past(census: &Census, holding: u64) -> bool {
    census.past() >= PAST.max(holding / 2)
}

#[cfg(test)]
mod tests {
    use super::{
        FRESH_NS, RENEW_BEFORE_ACCUSING_NS, RENEW_NS, RETRY_NS, Sharing, Stake, is_shared_by_past,
    };
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
            seen_well: 0,
            is_elsewhere: false,
        }
    }

    fn answer(sharing: &mut Sharing, census: Census, now: MonotonicTime) -> bool {
        sharing.observe(Some(census), now)
    }

    #[test]
    fn others_are_well_at_two_pairs_of_looks() {
        let mut sharing = Sharing::default();
        assert!(!answer(&mut sharing, census(31, 7, None), START));
        assert!(sharing.is_due(24, Stake::Little, START) && sharing.census(START).is_none());
        assert!(answer(&mut sharing, census(31, 7, Some(1)), START));
        assert!(!sharing.has_others(START));
        assert!(answer(&mut sharing, census(31, 7, Some(2)), START));
        assert!(sharing.has_others(START) && !sharing.is_due(24, Stake::Little, START));
        let few = census(1_000, 12, Some(9));
        assert!(answer(&mut sharing, few, START) && answer(&mut sharing, few, START));
        assert!(!sharing.has_others(START));
    }

    #[test]
    fn one_answer_without_others_is_doubted() {
        let mut sharing = Sharing::default();
        answer(&mut sharing, census(31, 7, Some(7)), START);
        let later = START.plus_ns(RENEW_NS);
        assert!(sharing.is_due(24, Stake::Little, later));
        answer(&mut sharing, census(31, 0, None), later);
        assert!(sharing.has_others(later) && !sharing.is_due(24, Stake::Little, later));
        let again = later.plus_ns(RETRY_NS);
        assert!(sharing.is_due(24, Stake::Little, again));
        answer(&mut sharing, census(31, 0, None), again);
        assert!(!sharing.has_others(again));
    }

    #[test]
    fn those_that_stall_later_are_asked_for_again() {
        let mut sharing = Sharing::default();
        answer(&mut sharing, census(1_000, 60, Some(48)), START);
        let later = START.plus_ns(RETRY_NS);
        assert!(!sharing.is_due(952, Stake::Little, later));
        assert!(sharing.is_due(953, Stake::Little, later));
        assert!(!sharing.is_due(953, Stake::Little, START));
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
    fn what_was_seen_well_is_a_past_as_what_ended_well_is() {
        let seen = |seen_well: u64, ended_well: u64| Census {
            seen_well,
            ended_well,
            ..census(24, 0, None)
        };
        for (seen_well, ended_well, holding, is_shared) in [
            (24, 0, 24, true),
            (10, 0, 20, true),
            (10, 0, 22, false),
            (9, 0, 9, false),
            // They may be the same.
            (9, 9, 9, false),
            (9, 10, 20, true),
        ] {
            let census = seen(seen_well, ended_well);
            assert_eq!(is_shared_by_past(&census, holding), is_shared, "{census:?}");
        }
    }

    #[test]
    fn others_who_come_after_an_accusation_are_seen_within_its_first_minute() {
        let mut sharing = Sharing::default();
        answer(&mut sharing, census(30, 0, None), START);
        let mut asked = Vec::new();
        for second in 1..=240 {
            let now = START.plus_ns(second * SECOND_NS);
            if sharing.is_due(30, Stake::Accused(START), now) {
                asked.push(second);
                answer(&mut sharing, census(30, 0, None), now);
            }
        }
        assert_eq!(asked, [8, 16, 32, 64, 124, 184]);
        answer(&mut sharing, census(33, 3, Some(3)), START);
        let soon = START.plus_ns(RENEW_NS / 2);
        assert!(
            !sharing.is_due(30, Stake::Accused(START), soon),
            "others are known"
        );
    }

    #[test]
    fn who_cannot_be_accused_alone_is_asked_for_less_often_while_nothing_changes() {
        let mut sharing = Sharing::default();
        let mut now = START;
        let mut asked_after = |sharing: &mut Sharing, stake: Stake, census: Census| {
            let before = now;
            while !sharing.is_due(4, stake, now) {
                now = now.plus_ns(SECOND_NS);
            }
            answer(sharing, census, now);
            now.since_ns(before) / SECOND_NS
        };
        let alone = census(4, 0, None);
        let mut after = |sharing: &mut Sharing, census| asked_after(sharing, Stake::Little, census);
        let waits: Vec<_> = (0..5).map(|_| after(&mut sharing, alone)).collect();
        assert_eq!(waits, [0, 60, 120, 240, 240]);
        // Others come, and go.
        assert_eq!(after(&mut sharing, census(9, 5, Some(5))), 240);
        assert_eq!(after(&mut sharing, alone), 60);
        assert_eq!(after(&mut sharing, alone), 5, "one answer is doubted");
        assert_eq!(after(&mut sharing, alone), 60);
        assert_eq!(after(&mut sharing, alone), 120);
        assert_eq!(asked_after(&mut sharing, Stake::Share, alone), 60);
        assert_eq!(asked_after(&mut sharing, Stake::Accusation, alone), 8);
    }

    #[test]
    fn who_may_be_accused_is_asked_for_until_it_is() {
        let mut sharing = Sharing::default();
        assert!(!sharing.is_fresh(START));
        answer(&mut sharing, census(30, 0, None), START);
        let later = START.plus_ns(RENEW_BEFORE_ACCUSING_NS);
        assert!(
            !sharing.is_due(30, Stake::Little, later)
                && sharing.is_due(30, Stake::Accusation, later)
        );
        assert!(!sharing.is_due(30, Stake::Accusation, START) && sharing.is_fresh(later));
        assert!(!sharing.is_fresh(START.plus_ns(FRESH_NS)));
        answer(&mut sharing, census(33, 3, None), later);
        answer(&mut sharing, census(33, 3, Some(3)), later);
        let last = later.plus_ns(RENEW_BEFORE_ACCUSING_NS);
        assert!(
            !sharing.is_due(30, Stake::Accusation, last),
            "others are known"
        );
    }
}
