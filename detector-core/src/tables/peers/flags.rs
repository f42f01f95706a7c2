//! Flags that stand on a peer and on its connections.

use crate::time::MonotonicTime;
use detector_api::snapshot::FlagKind;

/// The flags of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerFlags {
    standing: [u32; FlagKind::COUNT],
    /// Since when each kind has stood; meaningful while it does.
    since: [MonotonicTime; FlagKind::COUNT],
    /// Since when nothing has been flagged; meaningful while nothing is.
    pub(crate) quiet_since: MonotonicTime,
    /// Of the last incident that they took part in.
    pub(crate) incident_mark: u32,
}

impl PeerFlags {
    pub(super) const fn new(now: MonotonicTime) -> Self {
        Self {
            standing: [0; FlagKind::COUNT],
            since: [now; FlagKind::COUNT],
            quiet_since: now,
            incident_mark: 0,
        }
    }

    /// One more flag of this kind stands on the peer or on a connection of it.
    pub(crate) const fn add(&mut self, kind: FlagKind, now: MonotonicTime) {
        if self.count(kind) == 0 {
            self.since[kind as usize] = now;
        }
        self.standing[kind as usize] += 1;
    }

    /// One less.
    pub(crate) fn remove(&mut self, kind: FlagKind, now: MonotonicTime) {
        self.standing[kind as usize] -= 1;
        if !self.is_any() {
            self.quiet_since = now;
        }
    }

    pub(crate) fn is_any(&self) -> bool {
        self.standing.iter().any(|&count| count > 0)
    }

    /// How many of this kind stand.
    pub(crate) const fn count(&self, kind: FlagKind) -> u32 {
        self.standing[kind as usize]
    }

    /// Kinds that stand, each with since when.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (FlagKind, MonotonicTime)> {
        let kinds = FlagKind::ALL.into_iter();
        kinds
            .filter(|&kind| self.count(kind) > 0)
            .map(|kind| (kind, self.since[kind as usize]))
    }
}
