//! When entries of a table want to be looked at again without a new observation.

use crate::time::MonotonicTime;
use std::collections::BTreeSet;

/// Slots by deadline; each entry keeps its own beside it.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(MonotonicTime, u32)>);

impl Deadlines {
    /// Moves the deadline `kept` with the entry in `slot` to `deadline`.
    #[inline]
    pub(crate) fn set(
        &mut self,
        kept: &mut Option<MonotonicTime>,
        slot: u32,
        deadline: Option<MonotonicTime>,
    ) {
        if *kept == deadline {
            return;
        }
        if let Some(before) = std::mem::replace(kept, deadline) {
            self.0.remove(&(before, slot));
        }
        if let Some(after) = deadline {
            self.0.insert((after, slot));
        }
    }

    /// The next one.
    pub(crate) fn next(&self) -> Option<MonotonicTime> {
        self.0.first().map(|&(deadline, _)| deadline)
    }

    /// Slot of the next entry whose deadline has come.
    pub(crate) fn due(&self, now: MonotonicTime) -> Option<u32> {
        let &(deadline, slot) = self.0.first()?;
        (deadline <= now).then_some(slot)
    }
}
