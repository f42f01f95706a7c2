//! Whether an address is shared by many: a balancer, a proxy, a CDN's edge, a carrier's NAT.
//!
//! In: what the kernel says of all its connections. Nobody is accused before it has been asked.

use super::last_answer::{FRESH_NS, LastAnswer, RENEW_BEFORE_ACCUSING_NS, RENEW_NS, RETRY_NS};
use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::MonotonicTime;
use detector_common::history::PAST_LEAST;

/// Whoever holds less than a hoard cannot be accused of it: after each answer like the one before he is asked for
/// after twice as long, so many times.
const DOUBLINGS: u32 = 2;

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
#[derive(Clone, Debug, Default)]
pub(crate) struct Sharing {
    answer: LastAnswer,
    /// When the kernel was last asked everywhere, whether it had an answer or not.
    asked_everywhere_at: Option<MonotonicTime>,
    has_others: bool,
    /// While the last answer, which had no others, is in doubt: that before it, which had. There is room in a row of
    /// each peer, and few are ever in doubt.
    doubted: Option<Box<Census>>,
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
            self.answer.fail(now);
            self.asked_everywhere_at = Some(now);
            return true;
        };
        let ended_lately = census
            .ended_well
            .saturating_sub(self.ended_before(&census, now));
        let suffice = |well: u64| {
            let others = well.saturating_add(ended_lately);
            others >= OTHERS.max(census.connections / OTHERS_PART)
        };
        let has_others = suffice(census.well_twice());
        let is_first_pair = !has_others && census.well_before.is_none() && suffice(census.well);
        self.answer.await_second_pair(is_first_pair);
        if is_first_pair {
            return false;
        }
        // Those that pause for a moment are asked for once more before they pass for gone.
        let is_alike = self.answer.counted().is_some() && self.has_others == has_others;
        self.alike = if is_alike { self.alike + 1 } else { 0 };
        let is_doubtful = self.has_others && !has_others && self.doubted.is_none();
        let before = self.answer.counted().map_or(census, |(before, _)| before);
        self.doubted = is_doubtful.then(|| Box::new(before));
        self.has_others = has_others || is_doubtful;
        let wait_ns = if is_doubtful { RETRY_NS } else { RENEW_NS };
        if census.was_asked_everywhere {
            self.asked_everywhere_at = Some(now);
        }
        self.answer.take(census, wait_ns, now);
        true
    }

    /// How many connections had ended well before those that did lately.
    fn ended_before(&mut self, census: &Census, now: MonotonicTime) -> u64 {
        let at_first = census
            .ended_well
            .saturating_sub(census.ended_well_meanwhile);
        let last = self
            .answer
            .counted()
            .map(|(last, at)| (last.ended_well, at));
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
        let age_ns = self.answer.counted().map(|(_, at)| now.since_ns(at));
        let is_old = stake.again_ns(now).zip(age_ns);
        if is_old.is_some_and(|(again_ns, age_ns)| age_ns >= again_ns) && !self.has_others {
            return true;
        }
        let is_outdated = self.answer.counted().is_some_and(|(census, at)| {
            // Those that read on are stalled themselves now and then.
            let others = census.well_before.unwrap_or(0);
            stalled_connections > census.connections.saturating_sub(others)
                && now.since_ns(at) >= RETRY_NS
        });
        if self.has_others && is_outdated {
            return true;
        }
        let is_time = self.answer.is_due(now);
        let waits_longer = stake == Stake::Little && self.doubted.is_none();
        let least_ns = RENEW_NS << self.alike.min(DOUBLINGS);
        is_time && (!waits_longer || age_ns.is_none_or(|age_ns| age_ns >= least_ns))
    }

    /// Whether the kernel is to be asked at once what a limit or a block would cut, of a peer that may have to be
    /// limited or blocked since then: the pressure under which that is done may be short.
    pub(crate) fn is_cut_due(&self, since: MonotonicTime) -> bool {
        self.asked_everywhere_at.is_none_or(|asked| asked < since)
    }

    /// Whether the kernel could not tell when it was asked last.
    pub(crate) const fn has_failed(&self) -> bool {
        self.answer.has_failed()
    }

    /// The last answer that still counts.
    pub(crate) fn census(&self, now: MonotonicTime) -> Option<Census> {
        self.answer.census(now)
    }

    /// What is told of its other connections: the last answer, or that before it while it is in doubt.
    pub(crate) fn told(&self, now: MonotonicTime) -> Option<Census> {
        let last = self.census(now)?;
        Some(self.doubted.as_deref().copied().unwrap_or(last))
    }

    /// The last answer, if it was due no longer ago than an answer takes: of a peer that comes back others
    /// may have come, too.
    pub(crate) fn census_lately(&self, now: MonotonicTime) -> Option<Census> {
        self.answer.within(RENEW_NS + FRESH_NS, now)
    }

    /// Whether the kernel was asked so lately that somebody may be accused on what it said.
    pub(crate) fn is_fresh(&self, now: MonotonicTime) -> bool {
        self.answer.is_fresh(now)
    }

    /// Whether the kernel has told of all connections, and nobody else uses the address who behaves or has.
    pub(crate) fn stands_alone(&self, stalled_connections: u64, now: MonotonicTime) -> bool {
        let is_alone = |census: Census| !is_shared_by_past(&census, stalled_connections);
        let may_have_others = self.has_others || self.answer.awaits_second_pair();
        !may_have_others && self.census(now).is_some_and(is_alone)
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
mod tests;
