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

pub(crate) use class::StallClass;
pub(crate) use usage::{Stalls, Usage};

use crate::observe::state::State;
use crate::rules::pace::Pace;
use crate::rules::progress::Progress;
use crate::time::MonotonicTime;
use detector_api::bounds::{FRUITLESS_TIMEOUTS, SILENT_PROBES, SILENT_TIMEOUTS};
use detector_api::snapshot::StallCause;
use detector_common::window;

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

    /// The peer has read on: what stall there was, was a pause. Returns whether that counts for the
    /// peer: once while it is remembered, for `counts_for_ns`. A connection that stalls again and
    /// again speaks for itself, not for others.
    pub(crate) fn recover(&mut self, now: MonotonicTime, counts_for_ns: u64) -> bool {
        let was_open = std::mem::take(&mut self.is_open);
        let is_counted = |at: MonotonicTime| now.since_ns(at) < counts_for_ns;
        let counts = was_open && !self.recovered_at.is_some_and(is_counted);
        if counts {
            self.recovered_at = Some(now);
        }
        counts
    }
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

/// What holds up the queued data of this connection, if anything does.
///
/// A peer that answers probes and segments sent again but takes nothing stalls by its window; one that
/// does not even answer is silent, whatever window it offered last. One that offers a window and
/// acknowledges nothing of what is sent into it leaves the data as unanswered.
#[inline]
pub(crate) fn held_up_by(state: &State) -> Option<StallCause> {
    if state.queued_bytes() == 0 {
        return None;
    }
    if is_silent(state) {
        return Some(StallCause::Unanswered);
    }
    if state.window_bytes == 0 || state.zero_window_since.is_some() {
        return Some(StallCause::ZeroWindow);
    }
    if is_window_too_small(state) {
        return Some(StallCause::SmallWindow);
    }
    (state.timeouts >= FRUITLESS_TIMEOUTS).then_some(StallCause::Unanswered)
}

/// Whether nothing at all comes from the peer.
///
/// Many segments may be sent again within one round trip when some were lost, so with an open
/// window only timeouts tell that there was time for an answer. Into a closed window the kernel
/// sends one at a time, each after its timeout, and does not count those (`tcp_retransmit_timer`).
#[inline]
fn is_silent(state: &State) -> bool {
    let has_had_time = if state.window_bytes == 0 || is_window_too_small(state) {
        state.retransmits_unanswered >= u32::from(SILENT_PROBES)
    } else {
        let silent_timeouts = u32::from(SILENT_TIMEOUTS);
        state.timeouts >= SILENT_TIMEOUTS && state.retransmits_unanswered >= silent_timeouts
    };
    has_had_time || state.probes_unanswered >= SILENT_PROBES
}

/// Whether the window, open as it is, keeps the head segment back: the sender's own avoidance of
/// silly windows.
///
/// Segments in flight do not speak against it. Into such a window the kernel sends nothing of its
/// own accord; what is in flight then is below an edge that was taken back, or the cut-down segment
/// of a probe (`tcp_write_wakeup`), whose timeouts a peer that answers but takes nothing draws too.
/// So they are not looked at before.
fn is_window_too_small(state: &State) -> bool {
    window::episode_continues(
        state.snd_una,
        state.window_bytes,
        state.write_seq,
        state.mss_bytes,
    )
}
