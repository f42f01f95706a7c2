//! Verdicts that have changed, until somebody takes them: bounded, and what did not fit is counted.

use crate::observe::peer_address::PeerAddress;
use crate::time::MonotonicTime;
use detector_api::snapshot::Verdict;

/// Kept at most; the rest is counted.
const CAPACITY: usize = 1_024;

/// A peer is taken for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictChange {
    /// Who.
    pub peer: PeerAddress,
    /// For what; `None` for nothing any more.
    pub verdict: Option<Verdict>,
    /// Since when.
    pub at: MonotonicTime,
}

/// Changes since they were taken last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerdictChanges {
    /// In the order in which they came.
    pub changes: Vec<VerdictChange>,
    /// More for which there was no room.
    pub missed: u64,
}

impl VerdictChanges {
    pub(crate) fn note(&mut self, change: VerdictChange) {
        if self.changes.len() < CAPACITY {
            self.changes.push(change);
        } else {
            self.missed = self.missed.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, VerdictChange, VerdictChanges};
    use crate::observe::peer_address::PeerAddress;
    use crate::time::MonotonicTime;

    #[test]
    fn what_has_no_room_is_counted() {
        let mut changes = VerdictChanges::default();
        for _ in 0..CAPACITY + 3 {
            changes.note(VerdictChange {
                peer: PeerAddress::of([192, 0, 2, 1].into(), 64),
                verdict: None,
                at: MonotonicTime::default(),
            });
        }
        assert_eq!((changes.changes.len(), changes.missed), (CAPACITY, 3));
    }
}
