//! Zero-window episodes: reported once they have ended, if they lasted as long as a stall. Shorter ones
//! are counted only: a busy server has thousands a second.

use crate::observe::observation::{Observation, Reason};
use crate::observe::state::State;
use crate::settings::DetectSettings;
use crate::time::MonotonicTime;

/// Whether the observation, which follows `last`, ends the episode that was going on.
#[inline]
pub(crate) fn is_ended_by(observation: &Observation, last: &State) -> bool {
    last.zero_window_since != observation.zero_window_since || observation.reason == Reason::Closed
}

/// How long the episode that was going on had lasted when it ended at `at`, if that was long.
///
/// `end` is the observation that shows the end, if one does.
#[inline]
pub(crate) fn lasted_long(
    last: &State,
    at: MonotonicTime,
    end: Option<&Observation>,
    settings: &DetectSettings,
) -> Option<u64> {
    let since = last.harmful_since?;
    let is_same_generation =
        |end: &&Observation| end.generation.is_some() && end.generation == last.generation;
    // What the kernel says of the whole episode is exact.
    let finished_ns = end.filter(is_same_generation).map_or(0, |end| {
        let before_ns = last.zero_window_ns;
        end.totals.zero_window_ns.saturating_sub(before_ns)
    });
    let lasted_ns = if finished_ns > 0 {
        finished_ns
    } else {
        at.since_ns(since)
    };
    (lasted_ns >= settings.stall_after_ns.max(1)).then_some(lasted_ns)
}
