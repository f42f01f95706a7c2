//! Under which label scrapes have shown a peer's counts: its own, or `other`.

use crate::ledger::Counts;
use crate::time::MonotonicTime;
use std::num::NonZeroU64;

/// The label of one peer.
#[derive(Debug)]
pub(crate) struct Label {
    /// What of the counts `other` has shown. Of a peer with its own label: what stays there. Of
    /// any other: what the scrape of this number showed, if the counts changed after it.
    in_other: Option<Box<Counts>>,
    in_other_as_of: Option<NonZeroU64>,
    pub(crate) is_exported: bool,
    pub(crate) last_in_top: Option<MonotonicTime>,
}

impl Label {
    /// Of a peer that is new since the scrape of this number.
    pub(super) fn new(scrape: u64) -> Self {
        Self {
            in_other: None,
            in_other_as_of: place(scrape),
            is_exported: false,
            last_in_top: None,
        }
    }

    /// Whether what the scrape of this number showed is still to be kept.
    pub(super) fn wants_shown(&self, scrape: u64) -> bool {
        !self.is_exported && self.in_other_as_of != place(scrape)
    }

    /// Keeps what it showed.
    pub(super) fn keep_shown(&mut self, scrape: u64, counts: Counts) {
        // In place where there is a box already: a scrape may do this for every peer.
        match &mut self.in_other {
            Some(kept) => **kept = counts,
            None => self.in_other = Some(Box::new(counts)),
        }
        self.in_other_as_of = place(scrape);
    }

    /// Takes the label away: from now on `other` shows everything.
    pub(crate) fn end_export(&mut self) {
        self.is_exported = false;
        self.in_other = None;
        self.in_other_as_of = None;
    }

    /// What of the counts stays in `other`.
    pub(super) fn in_other(&self) -> Counts {
        self.in_other.as_deref().copied().unwrap_or_default()
    }
}

/// The place of a scrape in their order, from 1: there are many peers, and nothing takes no room beside it.
fn place(scrape: u64) -> Option<NonZeroU64> {
    NonZeroU64::MIN.checked_add(scrape)
}
