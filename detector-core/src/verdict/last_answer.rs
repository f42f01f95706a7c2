//! The last answer to the question how all connections of a suspect behave, and when to ask again.

use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::{MonotonicTime, SECOND_NS};

/// A suspect is asked for again after so long: others may have come.
pub(super) const RENEW_NS: u64 = 60 * SECOND_NS;

/// The same where there was no answer.
pub(super) const RETRY_NS: u64 = 5 * SECOND_NS;

/// Who hoards and is not accused yet is asked for so soon again: others that came meanwhile count.
pub(super) const RENEW_BEFORE_ACCUSING_NS: u64 = 8 * SECOND_NS;

/// Nobody is accused on an answer older than this: the wait before, the looks and what may delay them.
pub(super) const FRESH_NS: u64 = 15 * SECOND_NS;

/// What the kernel said of one peer or network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastAnswer {
    /// When the kernel is to be asked again; `None` before it was asked.
    ask_at: Option<MonotonicTime>,
    counted: Option<(Census, MonotonicTime)>,
    /// Whether there was none when it was asked last.
    has_failed: bool,
    /// Whether the first of two pairs of looks has shown connections that are well: what was counted before
    /// accuses nobody any more.
    awaits_second_pair: bool,
}

impl LastAnswer {
    /// The kernel was asked, and could not tell.
    pub(super) fn fail(&mut self, now: MonotonicTime) {
        self.ask_at = Some(now.plus_ns(RETRY_NS));
        self.has_failed = true;
        // Of other connections than those that were asked for now.
        self.counted = self.counted.filter(|(before, _)| !before.is_elsewhere);
    }

    /// Whether another pair of looks is to show the same connections well.
    pub(super) const fn await_second_pair(&mut self, awaits: bool) {
        self.awaits_second_pair = awaits;
    }

    /// Takes an answer, which stands for so long.
    pub(super) fn take(&mut self, census: Census, wait_ns: u64, now: MonotonicTime) {
        self.ask_at = Some(now.plus_ns(wait_ns));
        self.counted = Some((census, now));
        self.has_failed = false;
    }

    pub(super) const fn counted(&self) -> Option<(Census, MonotonicTime)> {
        self.counted
    }

    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) const fn awaits_second_pair(&self) -> bool {
        self.awaits_second_pair
    }

    pub(super) const fn ask_at(&self) -> Option<MonotonicTime> {
        self.ask_at
    }

    /// Whether it has stood for its time, or there is none.
    pub(super) fn is_due(&self, now: MonotonicTime) -> bool {
        self.ask_at.is_none_or(|at| at <= now)
    }

    /// Whether it is so new that somebody may be accused on it.
    pub(super) fn is_fresh(&self, now: MonotonicTime) -> bool {
        !self.awaits_second_pair && self.within(FRESH_NS, now).is_some()
    }

    /// It, if it still counts.
    pub(super) fn census(&self, now: MonotonicTime) -> Option<Census> {
        self.within(QUIET_NS, now)
    }

    /// It, if it is not as old as that.
    pub(super) fn within(&self, age_ns: u64, now: MonotonicTime) -> Option<Census> {
        let young = self.counted.filter(|(_, at)| now.since_ns(*at) < age_ns);
        young.map(|(census, _)| census)
    }
}
