//! Where the engine's time stands.

use crate::time::{MonotonicTime, SECOND_NS, WallClock};

/// An observation or a sweep's end this far ahead of the clock is garbage: the agent advances the clock many
/// times a second, and a wrong moment would shut out the true ones that follow.
const MAX_AHEAD_NS: u64 = 300 * SECOND_NS;

/// The clock of the engine; it never goes back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    pub(super) now: MonotonicTime,
    /// Whoever brings observations is sure that nothing up to here is from the future.
    admitted_until: MonotonicTime,
    pub(super) wall: WallClock,
}

impl Clock {
    pub(super) fn move_to(&mut self, now: MonotonicTime) {
        self.now = self.now.max(now);
    }

    /// Nothing up to `now` is from the future.
    pub(super) fn admit_until(&mut self, now: MonotonicTime) {
        self.admitted_until = self.admitted_until.max(now);
    }

    /// Whether a moment is so far ahead that it must be garbage.
    pub(super) fn is_too_far_ahead(&self, at: MonotonicTime) -> bool {
        let is_started = self.now != MonotonicTime::default();
        is_started && at.since_ns(self.now.max(self.admitted_until)) > MAX_AHEAD_NS
    }

    /// A moment in words, as the wall clock stands now.
    pub(super) fn rfc3339(&self, moment: MonotonicTime) -> String {
        self.wall.rfc3339(moment)
    }
}
