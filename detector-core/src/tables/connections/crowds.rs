//! The peers that have many connections in the table, in the order of how many.

use std::collections::BTreeSet;

/// Whoever has no more than these is none of them: a hoard that many have a part in is not for one of them to
/// make room for.
const FEW: u32 = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Crowds(BTreeSet<(u32, u32)>);

impl Crowds {
    /// A peer has one connection more, so many now.
    pub(super) fn note_more(&mut self, peer: u32, connections: u32) {
        self.change(peer, connections - 1, connections);
    }

    /// A peer has one connection less, so many now.
    pub(super) fn note_fewer(&mut self, peer: u32, connections: u32) {
        self.change(peer, connections + 1, connections);
    }

    /// The peer with most, if those are many.
    pub(super) fn largest(&self) -> Option<u32> {
        self.0.last().map(|(_, peer)| *peer)
    }

    fn change(&mut self, peer: u32, before: u32, now: u32) {
        if before > FEW {
            self.0.remove(&(before, peer));
        }
        if now > FEW {
            self.0.insert((now, peer));
        }
    }
}
