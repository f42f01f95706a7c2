//! Doubly linked lists over the slots of the connection table: constant-time moves.
//!
//! The links lie apart from the connections, packed: a move touches its neighbours, and those
//! should be in the cache.

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

const THREADS: usize = 3;

/// Neighbours of a connection on one list.
#[derive(Clone, Copy, Debug)]
struct Neighbours {
    previous: u32,
    next: u32,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self {
            previous: NOWHERE,
            next: NOWHERE,
        }
    }
}

/// The links of all slots.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<[Neighbours; THREADS]>);

impl Links {
    /// Makes room for a slot.
    pub(crate) fn cover(&mut self, slot: u32) {
        let needed = slot as usize + 1;
        if self.0.len() < needed {
            self.0.resize(needed, [Neighbours::default(); THREADS]);
        }
    }

    fn of(&mut self, thread: Thread, slot: u32) -> &mut Neighbours {
        &mut self.0[slot as usize][thread as usize]
    }
}

/// Both ends of a list and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntrusiveList {
    head: u32,
    tail: u32,
    length: u32,
}

impl Default for IntrusiveList {
    fn default() -> Self {
        Self {
            head: NOWHERE,
            tail: NOWHERE,
            length: 0,
        }
    }
}

impl IntrusiveList {
    pub(crate) const fn len(&self) -> u32 {
        self.length
    }

    pub(crate) fn first(&self) -> Option<u32> {
        Some(self.head).filter(|&slot| slot != NOWHERE)
    }

    pub(crate) fn last(&self) -> Option<u32> {
        Some(self.tail).filter(|&slot| slot != NOWHERE)
    }

    /// Appends a slot that is on no list of this thread.
    pub(crate) fn push_back(&mut self, links: &mut Links, thread: Thread, slot: u32) {
        *links.of(thread, slot) = Neighbours {
            previous: self.tail,
            next: NOWHERE,
        };
        if self.tail == NOWHERE {
            self.head = slot;
        } else {
            links.of(thread, self.tail).next = slot;
        }
        self.tail = slot;
        self.length += 1;
    }

    /// Takes out a slot that is on this list.
    pub(crate) fn unlink(&mut self, links: &mut Links, thread: Thread, slot: u32) {
        let Neighbours { previous, next } = std::mem::take(links.of(thread, slot));
        if previous == NOWHERE {
            self.head = next;
        } else {
            links.of(thread, previous).next = next;
        }
        if next == NOWHERE {
            self.tail = previous;
        } else {
            links.of(thread, next).previous = previous;
        }
        self.length -= 1;
    }

    /// Moves a slot that is on this list to its end.
    pub(crate) fn move_to_back(&mut self, links: &mut Links, thread: Thread, slot: u32) {
        if self.tail != slot {
            self.unlink(links, thread, slot);
            self.push_back(links, thread, slot);
        }
    }

    /// Slots from the front.
    pub(crate) fn iter(self, links: &Links, thread: Thread) -> impl Iterator<Item = u32> {
        let next = move |&slot: &u32| {
            let neighbours = links.0.get(slot as usize)?;
            Some(neighbours[thread as usize].next).filter(|&next| next != NOWHERE)
        };
        std::iter::successors(self.first(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::{IntrusiveList, Links, Thread};

    #[test]
    fn slots_keep_their_order_through_moves() {
        let (mut list, mut links) = (IntrusiveList::default(), Links::default());
        for slot in 0..4 {
            links.cover(slot);
            list.push_back(&mut links, Thread::Class, slot);
        }
        list.move_to_back(&mut links, Thread::Class, 1);
        list.unlink(&mut links, Thread::Class, 0);
        let order: Vec<u32> = list.iter(&links, Thread::Class).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!((list.first(), list.len()), (Some(2), 3));
    }
}
