//! The ring of events: bounded, oldest forgotten first, numbered upwards; from 1, or from where the
//! agent before ended. And what was
//! flagged in all, whether an event was written of it or not.

use detector_api::snapshot::{Event, FlagKind};
use std::collections::VecDeque;

/// The ring.
#[derive(Debug)]
pub(crate) struct Events {
    ring: VecDeque<Event>,
    capacity: usize,
    next_id: u64,
    dropped: u64,
    /// Events not written because their peer had written too many.
    pub(crate) suppressed: u64,
    /// Flags raised, by kind.
    pub(crate) flags_raised: [u64; FlagKind::COUNT],
}

impl Events {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            capacity: capacity.max(1),
            next_id: 1,
            dropped: 0,
            suppressed: 0,
            flags_raised: [0; FlagKind::COUNT],
        }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        self.forget_excess();
    }

    /// Numbers go on after `id`.
    pub(crate) fn go_on_after(&mut self, id: u64) {
        self.next_id = self.next_id.max(id.saturating_add(1));
    }

    /// Shows events of an earlier agent, oldest first; those that are not older than all others are
    /// not shown.
    pub(crate) fn remember(&mut self, events: Vec<Event>) {
        for event in events.into_iter().rev() {
            let first = self.first_id();
            if event.id < first && self.ring.len() < self.capacity {
                self.ring.push_front(event);
            }
        }
    }

    /// Appends an event; its number is given here.
    pub(crate) fn push(&mut self, mut event: Event) {
        event.id = self.next_id;
        self.next_id += 1;
        self.ring.push_back(event);
        self.forget_excess();
    }

    /// Events with a number above `id`, oldest first.
    pub(crate) fn after(&self, id: u64) -> impl Iterator<Item = &Event> {
        self.ring
            .range(self.ring.partition_point(|event| event.id <= id)..)
    }

    /// Number of the oldest event kept; of the next one if none is kept.
    pub(crate) fn first_id(&self) -> u64 {
        self.ring.front().map_or(self.next_id, |event| event.id)
    }

    /// Number of the newest event; 0 before the first.
    pub(crate) const fn last_id(&self) -> u64 {
        self.next_id - 1
    }

    /// Events forgotten for lack of room.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn forget_excess(&mut self) {
        while self.ring.len() > self.capacity {
            self.ring.pop_front();
            self.dropped += 1;
        }
    }
}
