//! Doubly linked lists threaded through the connection table: constant-time moves, no allocation.

use crate::connections::Connection;
use slab::Slab;

/// No slot.
const NOWHERE: u32 = u32::MAX;

/// The lists every connection is threaded on, and the index of its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    /// Connections of one eviction class, least recently seen first.
    Class = 0,
    /// Connections of one peer.
    Peer = 1,
    /// Connections of one network namespace, least recently seen first.
    Netns = 2,
}

/// Neighbours of a connection on one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    previous: u32,
    next: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            previous: NOWHERE,
            next: NOWHERE,
        }
    }
}

/// Both ends of a list and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    head: u32,
    tail: u32,
    length: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            head: NOWHERE,
            tail: NOWHERE,
            length: 0,
        }
    }
}

impl Chain {
    pub(crate) const fn len(&self) -> u32 {
        self.length
    }

    pub(crate) fn first(&self) -> Option<u32> {
        Some(self.head).filter(|&slot| slot != NOWHERE)
    }

    /// Appends a connection that is on no list of this thread.
    pub(crate) fn push_back(&mut self, slab: &mut Slab<Connection>, thread: Thread, slot: u32) {
        *links(slab, thread, slot) = Links {
            previous: self.tail,
            next: NOWHERE,
        };
        if self.tail == NOWHERE {
            self.head = slot;
        } else {
            links(slab, thread, self.tail).next = slot;
        }
        self.tail = slot;
        self.length += 1;
    }

    /// Takes out a connection that is on this list.
    pub(crate) fn unlink(&mut self, slab: &mut Slab<Connection>, thread: Thread, slot: u32) {
        let Links { previous, next } = std::mem::take(links(slab, thread, slot));
        if previous == NOWHERE {
            self.head = next;
        } else {
            links(slab, thread, previous).next = next;
        }
        if next == NOWHERE {
            self.tail = previous;
        } else {
            links(slab, thread, next).previous = previous;
        }
        self.length -= 1;
    }

    /// Slots from the front.
    pub(crate) fn iter(self, slab: &Slab<Connection>, thread: Thread) -> Iter<'_> {
        Iter {
            slab,
            thread,
            next: self.head,
        }
    }
}

/// Iterator over a [`Chain`].
pub(crate) struct Iter<'a> {
    slab: &'a Slab<Connection>,
    thread: Thread,
    next: u32,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (u32, &'a Connection);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.next;
        let connection = self.slab.get(slot as usize)?;
        self.next = connection.links[self.thread as usize].next;
        Some((slot, connection))
    }
}

fn links(slab: &mut Slab<Connection>, thread: Thread, slot: u32) -> &mut Links {
    &mut slab[slot as usize].links[thread as usize]
}
