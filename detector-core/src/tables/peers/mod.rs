//! The table of peers.
//!
//! Bounded. When it is full, peers leave in this order: those without connections in the table,
//! then those without stalled ones on our way, then the rest; within each the cheapest first (zero-window
//! time so far, for the last the pinned bytes), then the one not seen for
//! longest. The host's totals keep the numbers of those that left.

mod events;
mod flags;
mod label;
mod peer;
mod services;

pub(crate) use peer::{Peer, Scrape};

use crate::observe::peer_address::PeerAddress;
use crate::tables::connections::RESERVED_MAX;
use crate::tables::deadlines::Deadlines;
use crate::time::MonotonicTime;
use hashbrown::HashTable;
use slab::Slab;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// Place in the order of leaving.
type Rank = (u8, u64, MonotonicTime, u32);

/// The table.
#[derive(Debug)]
pub(crate) struct Peers {
    slab: Slab<Peer>,
    index: HashTable<u32>,
    // Random keys: the remote end chooses its address.
    hasher: RandomState,
    // Holds each peer once, at a rank that may be lower than its true one; see `first_to_leave`.
    ranks: BTreeSet<Rank>,
    deadlines: Deadlines,
}

impl Peers {
    /// A table for `capacity` peers, and one more while room is made.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slab: Slab::with_capacity(capacity.min(RESERVED_MAX) + 1),
            index: HashTable::new(),
            hasher: RandomState::new(),
            ranks: BTreeSet::new(),
            deadlines: Deadlines::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn find(&self, address: &PeerAddress) -> Option<u32> {
        let slab = &self.slab;
        self.index
            .find(self.hasher.hash_one(address), |&slot| {
                slab[slot as usize].address == *address
            })
            .copied()
    }

    pub(crate) fn find_or_insert(
        &mut self,
        address: PeerAddress,
        now: MonotonicTime,
        scrape: Scrape,
    ) -> u32 {
        if let Some(slot) = self.find(&address) {
            return slot;
        }
        let key = self.slab.insert(Peer::new(address, now, scrape));
        let slot = u32::try_from(key).unwrap_or(u32::MAX);
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.index
            .insert_unique(hasher.hash_one(address), slot, |&other| {
                hasher.hash_one(slab[other as usize].address)
            });
        let rank = self.slab[key].rank(slot);
        self.slab[key].entry.rank = rank;
        self.ranks.insert(rank);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Peer {
        self.set_deadline(slot, None);
        let peer = self.slab.remove(slot as usize);
        self.ranks.remove(&peer.entry.rank);
        if let Ok(entry) = self
            .index
            .find_entry(self.hasher.hash_one(peer.address), |&other| other == slot)
        {
            entry.remove();
        }
        peer
    }

    pub(crate) fn get(&self, slot: u32) -> &Peer {
        &self.slab[slot as usize]
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Peer {
        &mut self.slab[slot as usize]
    }

    /// A peer whose counts or stalls are about to change; `last` is the scrape before.
    #[inline]
    pub(crate) fn change(&mut self, slot: u32, last: Scrape) -> &mut Peer {
        let peer = &mut self.slab[slot as usize];
        peer.keep_shown(last);
        peer
    }

    /// Whether there is a peer in this slot that has its own label.
    pub(crate) fn is_exported(&self, slot: u32) -> bool {
        let peer = self.slab.get(slot as usize);
        peer.is_some_and(|peer| peer.label.is_exported)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Peer)> {
        self.slab
            .iter()
            .map(|(key, peer)| (u32::try_from(key).unwrap_or(u32::MAX), peer))
    }

    /// When this peer wants to be judged again without a new observation.
    #[inline]
    pub(crate) fn set_deadline(&mut self, slot: u32, deadline: Option<MonotonicTime>) {
        let kept = &mut self.slab[slot as usize].entry.deadline;
        self.deadlines.set(kept, slot, deadline);
    }

    pub(crate) fn next_deadline(&self) -> Option<MonotonicTime> {
        self.deadlines.next()
    }

    /// The next peer whose deadline has come; the deadline is then gone.
    pub(crate) fn next_due(&mut self, now: MonotonicTime) -> Option<u32> {
        let slot = self.deadlines.due(now)?;
        self.set_deadline(slot, None);
        Some(slot)
    }

    /// To be called when a peer may have become cheaper. Becoming dearer needs no call.
    pub(crate) fn lower_rank(&mut self, slot: u32) {
        let peer = &mut self.slab[slot as usize];
        let rank = peer.rank(slot);
        if rank < peer.entry.rank {
            self.ranks.remove(&peer.entry.rank);
            peer.entry.rank = rank;
            self.ranks.insert(rank);
        }
    }

    /// The peer that leaves first when the table is full.
    ///
    /// Ranks mostly rise, so a kept rank is only a lower bound: the lowest is renewed until it
    /// is true. Each renewal is paid for by a change since the last one.
    pub(crate) fn first_to_leave(&mut self) -> Option<u32> {
        loop {
            let &kept = self.ranks.first()?;
            let slot = kept.3;
            let peer = &mut self.slab[slot as usize];
            let rank = peer.rank(slot);
            if rank == kept {
                return Some(slot);
            }
            self.ranks.remove(&kept);
            peer.entry.rank = rank;
            self.ranks.insert(rank);
        }
    }
}
