//! Stall: data queued and `snd_una` not moving for `stall_after`, with its cause read from the
//! state of the socket. A dribble and a crawl are stalls too.
//!
//! Held up is not yet stalled: an honest reader closes its window for moments, so only after
//! `stall_after` does the connection count, with its memory.
//!
//! Never from `rwnd_limited`, which shows 6 % where the truth is 100 % (window zero with data in
//! flight).

mod class;
mod usage;

pub(crate) use class::{Before, StallClass};
pub(crate) use usage::{Stalls, Usage};

use crate::observe::state::State;
use crate::rules::pace::Pace;
use crate::rules::progress::Progress;
use crate::time::MonotonicTime;
use detector_api::snapshot::StallCause;

/// A stalled connection, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stalled {
    pub(crate) cause: StallCause,
    pub(crate) class: StallClass,
    pub(crate) pinned_bytes: u64,
}

impl Stalled {
    pub(crate) const fn usage(self) -> Usage {
        Usage {
            stalled_connections: 1,
            pinned_bytes: self.pinned_bytes,
        }
    }

    /// What the peer keeps of a hoard with it.
    fn blocked_usage(self) -> Usage {
        if self.class.is_blocked_by_peer() {
            self.usage()
        } else {
            Usage::default()
        }
    }
}

/// A connection that is counted otherwise from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StallChange {
    pub(crate) before: Option<Stalled>,
    pub(crate) after: Option<Stalled>,
    /// How long the stall before had lasted.
    pub(crate) lasted_ns: u64,
}

impl StallChange {
    /// Whether the stall has another cause, has begun or has ended.
    pub(crate) fn is_of_cause(&self) -> bool {
        let cause = |stalled: Option<Stalled>| stalled.map(|stalled| stalled.cause);
        cause(self.before) != cause(self.after)
    }

    /// What counts for a hoard, before and after; `None` where it is the same.
    pub(crate) fn blocked_usage(&self) -> Option<(Usage, Usage)> {
        let usage =
            |stalled: Option<Stalled>| stalled.map_or_else(Usage::default, Stalled::blocked_usage);
        let (before, after) = (usage(self.before), usage(self.after));
        (before != after).then_some((before, after))
    }
}

/// The stall of one connection.
#[derive(Debug)]
pub(crate) struct Stall {
    /// As it is counted for its peer and the host, while there is one.
    pub(crate) counted: Option<Stalled>,
    /// Start of the stall; meaningful while there is one.
    pub(crate) since: MonotonicTime,
    /// A stall has not been made good yet.
    is_open: bool,
    /// When one made good was last counted for the peer.
    recovered_at: Option<MonotonicTime>,
}

impl Stall {
    pub(crate) const fn new(at: MonotonicTime) -> Self {
        Self {
            counted: None,
            since: at,
            is_open: false,
            recovered_at: None,
        }
    }

    #[inline]
    pub(crate) fn cause(&self) -> Option<StallCause> {
        self.counted.map(|stalled| stalled.cause)
    }

    pub(crate) fn class(&self) -> Option<StallClass> {
        self.counted.map(|stalled| stalled.class)
    }

    /// How long the stall has lasted, if there is one.
    pub(crate) fn lasted_ns(&self, now: MonotonicTime) -> Option<u64> {
        self.counted.map(|_| now.since_ns(self.since))
    }

    /// Counts the connection as `after`; `None` where it is counted so already.
    #[inline]
    pub(crate) fn count_as(
        &mut self,
        after: Option<Stalled>,
        progress: &Progress,
        pace: &Pace,
        now: MonotonicTime,
    ) -> Option<StallChange> {
        if self.counted == after {
            return None;
        }
        let lasted_ns = self.lasted_ns(now).unwrap_or(0);
        let before = std::mem::replace(&mut self.counted, after);
        if before.is_none() {
            let since = match after.map(|stalled| stalled.cause) {
                Some(StallCause::Dribble) => pace.dribbling_since,
                _ => progress.held_up_since.or(pace.crawling_since),
            };
            self.since = since.unwrap_or(now);
        }
        self.is_open |= after.is_some();
        Some(StallChange {
            before,
            after,
            lasted_ns,
        })
    }

    /// The peer has read on: what stall there was, was a pause. `None` if there was none.
    pub(crate) fn recover(&mut self, now: MonotonicTime) -> Option<ReadOn> {
        std::mem::take(&mut self.is_open).then(|| ReadOn {
            before: self.recovered_at.replace(now),
        })
    }
}

/// A stall that ended because the peer read on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadOn {
    /// When one of this connection last ended so.
    pub(crate) before: Option<MonotonicTime>,
}

/// Why the connection is stalled now, if it is; `held_up_by` is what holds it up.
pub(crate) fn cause(
    last: &State,
    held_up_by: Option<StallCause>,
    pace: &Pace,
    is_due: bool,
) -> Option<StallCause> {
    let has_data = last.queued_bytes() > 0;
    let dribbles = has_data && pace.dribbling_since.is_some();
    let crawls = has_data && pace.crawling_since.is_some();
    held_up_by
        .filter(|_| is_due)
        .or_else(|| dribbles.then_some(StallCause::Dribble))
        .or_else(|| crawls.then_some(StallCause::Unanswered))
}
