//! The row under the cursor, followed through refreshes.

use crate::top::keys::Step;

/// A place in a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cursor<K> {
    /// Row.
    pub(crate) index: usize,
    /// What the row is; `None` while the cursor rests at the top, whatever is there.
    key: Option<K>,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self {
            index: 0,
            key: None,
        }
    }
}

impl<K> Cursor<K> {
    /// At this row, whatever is there.
    pub(super) const fn at(index: usize) -> Self {
        Self { index, key: None }
    }

    /// Moves among `length` rows of which `page` fit the screen.
    pub(super) fn step(&mut self, step: Step, length: usize, page: usize) {
        let half = (page / 2).max(1);
        let target = match step {
            Step::Up => self.index.saturating_sub(1),
            Step::Down => self.index.saturating_add(1),
            Step::PageUp => self.index.saturating_sub(page.max(1)),
            Step::PageDown => self.index.saturating_add(page.max(1)),
            Step::HalfPageUp => self.index.saturating_sub(half),
            Step::HalfPageDown => self.index.saturating_add(half),
            Step::First => 0,
            Step::Last => usize::MAX,
        };
        self.index = target.min(length.saturating_sub(1));
    }

    /// Remembers what is under the cursor.
    pub(super) fn hold(&mut self, key: impl FnOnce(usize) -> Option<K>) {
        self.key = if self.index == 0 {
            None
        } else {
            key(self.index)
        };
    }

    /// Goes where the row is now; stays where it was if the row is gone.
    pub(super) fn follow(&mut self, length: usize, mut is_at: impl FnMut(usize, &K) -> bool) {
        if let Some(key) = &self.key {
            let found = (0..length).find(|index| is_at(*index, key));
            self.index = found.unwrap_or(self.index);
        }
        self.index = self.index.min(length.saturating_sub(1));
    }

    /// First row shown when `height` rows fit: the cursor stays off the edges where it can.
    pub(crate) fn offset(&self, length: usize, height: usize) -> usize {
        let middle = self.index.saturating_sub(height / 2);
        middle.min(length.saturating_sub(height))
    }
}
