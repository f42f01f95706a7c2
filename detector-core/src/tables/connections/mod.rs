//! The table of connections that misbehaved at some time and still live.
//!
//! Bounded. When it is full, connections leave in this order: healthy ones, then those that do not come by our way
//! in, of which anybody may lay out any number, then those with queued data that is not moving, then
//! stalled ones; within a class the least recently seen first. So a stalled connection never leaves before
//! a healthy one, and none of ours before one that somebody plays for himself. Before one that is held up or
//! stalled, though, leaves the newest of the peer that has most, if those are many: whoever fills the table from one
//! address loses what he adds, and nobody loses what he has while another peer has more.

mod connection;
mod crowds;

pub(crate) use connection::Connection;

use crate::observe::observation::ConnectionId;
use crate::observe::state::PackedId;
use crate::tables::deadlines::Deadlines;
use crate::tables::intrusive_list::{IntrusiveList, Links, Thread};
use crate::time::MonotonicTime;
use crowds::Crowds;
use hashbrown::HashTable;
use slab::Slab;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Eviction class, first to go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Nothing queued, or moving.
    #[default]
    Healthy = 0,
    /// Held up or stalled, in a network that somebody may have laid out for himself.
    Elsewhere = 1,
    /// Held up, not yet for long enough to be a stall.
    HeldUp = 2,
    /// Stalled.
    Stalled = 3,
}

/// Most room reserved at once. Memory that is reserved but not used costs nothing; growing by
/// doubling would cost up to twice the table.
pub(crate) const RESERVED_MAX: usize = 1 << 20;

/// Connections of one network namespace that are not idle.
#[derive(Debug, Default)]
struct Namespace {
    list: IntrusiveList,
    sweeps_ended: u64,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Connections {
    slab: Slab<Connection>,
    links: Links,
    index: HashTable<u32>,
    // Random keys: the remote end chooses ports and addresses.
    hasher: RandomState,
    classes: [IntrusiveList; 4],
    netns: HashMap<u32, Namespace>,
    crowds: Crowds,
    deadlines: Deadlines,
}

impl Connections {
    /// A table for `capacity` connections, and one more while room is made.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slab: Slab::with_capacity(capacity.min(RESERVED_MAX) + 1),
            links: Links::default(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            classes: [IntrusiveList::default(); 4],
            netns: HashMap::new(),
            crowds: Crowds::default(),
            deadlines: Deadlines::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn find(&self, id: &ConnectionId) -> Option<u32> {
        self.find_packed(&PackedId::of(id))
    }

    pub(crate) fn find_packed(&self, wanted: &PackedId) -> Option<u32> {
        let slab = &self.slab;
        self.index
            .find(self.hasher.hash_one(wanted), |&slot| {
                slab[slot as usize].last.id == *wanted
            })
            .copied()
    }

    pub(crate) fn get(&self, slot: u32) -> &Connection {
        &self.slab[slot as usize]
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.slab[slot as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slab.iter().map(|(_, connection)| connection)
    }

    pub(crate) fn slots(&self) -> Vec<u32> {
        self.slab.iter().map(|(key, _)| slot_of(key)).collect()
    }

    /// Adds a connection that is not in the table, and threads it on its peer's list.
    pub(crate) fn insert(&mut self, connection: Connection, of_peer: &mut IntrusiveList) -> u32 {
        let id = connection.last.id;
        let (class, peer) = (connection.entry.class, connection.peer);
        let slot = slot_of(self.slab.insert(connection));
        self.links.cover(slot);
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.index
            .insert_unique(hasher.hash_one(id), slot, |&other| {
                hasher.hash_one(slab[other as usize].last.id)
            });
        self.classes[class as usize].push_back(&mut self.links, Thread::Class, slot);
        of_peer.push_back(&mut self.links, Thread::Peer, slot);
        self.crowds.note_more(peer, of_peer.len());
        self.netns.entry(id.netns()).or_default().list.push_back(
            &mut self.links,
            Thread::Netns,
            slot,
        );
        slot
    }

    /// Takes a connection out of the table and off its peer's list.
    pub(crate) fn remove(&mut self, slot: u32, of_peer: &mut IntrusiveList) -> Connection {
        self.set_deadline(slot, None);
        let connection = &self.slab[slot as usize];
        let (id, peer) = (connection.last.id, connection.peer);
        let (class, is_idle) = (connection.entry.class, connection.entry.is_idle);
        if let Ok(entry) = self
            .index
            .find_entry(self.hasher.hash_one(id), |&other| other == slot)
        {
            entry.remove();
        }
        self.classes[class as usize].unlink(&mut self.links, Thread::Class, slot);
        of_peer.unlink(&mut self.links, Thread::Peer, slot);
        self.crowds.note_fewer(peer, of_peer.len());
        if !is_idle {
            self.unlink_netns(id.netns(), slot);
        }
        self.slab.remove(slot as usize)
    }

    /// Marks a connection as seen just now.
    #[inline]
    pub(crate) fn touch(&mut self, slot: u32) {
        let connection = &mut self.slab[slot as usize];
        let was_idle = std::mem::take(&mut connection.entry.is_idle);
        let (class, netns) = (connection.entry.class, connection.last.id.netns());
        let class = &mut self.classes[class as usize];
        class.move_to_back(&mut self.links, Thread::Class, slot);
        let list = &mut self.netns.entry(netns).or_default().list;
        if was_idle {
            list.push_back(&mut self.links, Thread::Netns, slot);
        } else {
            list.move_to_back(&mut self.links, Thread::Netns, slot);
        }
    }

    /// Moves a connection to another eviction class, as its most recently seen.
    #[inline]
    pub(crate) fn set_class(&mut self, slot: u32, class: Class) {
        let connection = &mut self.slab[slot as usize];
        let before = std::mem::replace(&mut connection.entry.class, class);
        if before != class {
            self.classes[before as usize].unlink(&mut self.links, Thread::Class, slot);
            self.classes[class as usize].push_back(&mut self.links, Thread::Class, slot);
        }
    }

    /// Marks a connection as mentioned by the sweep that is going on in its namespace.
    ///
    /// The row may be older than the sweep: where a hook has just seen the socket, the sweep
    /// hands on what the hook saw.
    pub(crate) fn note_swept(&mut self, slot: u32) {
        let connection = &mut self.slab[slot as usize];
        let namespace = self.netns.get(&connection.last.id.netns());
        connection.entry.swept_in = Some(namespace.map_or(0, |namespace| namespace.sweeps_ended));
    }

    /// The next connection that a complete sweep of its namespace, begun at `began`, did not
    /// mention, and that nothing else has shown since; it is marked idle.
    pub(crate) fn next_unseen(&mut self, netns: u32, began: MonotonicTime) -> Option<u32> {
        let namespace = self.netns.get(&netns)?;
        let slot = namespace.list.first()?;
        let connection = &mut self.slab[slot as usize];
        let is_mentioned = connection.entry.swept_in == Some(namespace.sweeps_ended);
        if is_mentioned || connection.last.at >= began {
            return None;
        }
        connection.entry.is_idle = true;
        connection.entry.swept_in = None;
        self.unlink_netns(netns, slot);
        Some(slot)
    }

    /// Ends the sweep of a namespace: later rows belong to the next one.
    pub(crate) fn end_sweep(&mut self, netns: u32) {
        if let Some(namespace) = self.netns.get_mut(&netns) {
            namespace.sweeps_ended += 1;
        }
    }

    /// The connection that leaves first when the table is full; `of_peer` says which a peer has.
    pub(crate) fn first_to_leave(&self, of_peer: impl Fn(u32) -> IntrusiveList) -> Option<u32> {
        let (spare, wanted) = self.classes.split_at(Class::HeldUp as usize);
        let first = |classes: &[IntrusiveList]| classes.iter().find_map(IntrusiveList::first);
        let of_most = || of_peer(self.crowds.largest()?).last();
        first(spare).or_else(of_most).or_else(|| first(wanted))
    }

    /// Connections of one peer.
    pub(crate) fn of_peer(&self, list: IntrusiveList) -> impl Iterator<Item = &Connection> {
        let slots = list.iter(&self.links, Thread::Peer);
        slots.map(|slot| &self.slab[slot as usize])
    }

    /// When this connection wants to be looked at again without a new observation.
    #[inline]
    pub(crate) fn set_deadline(&mut self, slot: u32, deadline: Option<MonotonicTime>) {
        let kept = &mut self.slab[slot as usize].entry.deadline;
        self.deadlines.set(kept, slot, deadline);
    }

    pub(crate) fn next_deadline(&self) -> Option<MonotonicTime> {
        self.deadlines.next()
    }

    /// The next connection whose deadline has come; the deadline is then gone.
    pub(crate) fn next_due(&mut self, now: MonotonicTime) -> Option<u32> {
        let slot = self.deadlines.due(now)?;
        self.set_deadline(slot, None);
        Some(slot)
    }

    fn unlink_netns(&mut self, netns: u32, slot: u32) {
        if let Some(Namespace { list, .. }) = self.netns.get_mut(&netns) {
            list.unlink(&mut self.links, Thread::Netns, slot);
            if list.len() == 0 {
                self.netns.remove(&netns);
            }
        }
    }
}

/// Tables are bounded far below 2^32.
fn slot_of(key: usize) -> u32 {
    u32::try_from(key).unwrap_or(u32::MAX)
}
