//! Sets of flags, as they stand on a connection.

use detector_api::snapshot::FlagKind;

/// A set of kinds of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlagSet(u16);

const _: () = assert!(FlagKind::COUNT <= u16::BITS as usize);

impl FlagSet {
    pub(crate) const fn contains(self, kind: FlagKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    pub(crate) const fn insert(&mut self, kind: FlagKind) {
        self.0 |= Self::bit(kind);
    }

    pub(crate) const fn remove(&mut self, kind: FlagKind) {
        self.0 &= !Self::bit(kind);
    }

    /// Adds all of another set.
    pub(crate) const fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    const fn bit(kind: FlagKind) -> u16 {
        1 << kind as u16
    }
}

/// The flags of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionFlags {
    pub(crate) standing: FlagSet,
    /// Those whose event was written, so that their end is written too.
    pub(crate) announced: FlagSet,
}
