//! The ring of events: bounded, oldest forgotten first, numbered without gaps from 1. And what was
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

    /// Appends an event; its number is given here.
    pub(crate) fn push(&mut self, mut event: Event) {
        event.id = self.next_id;
        self.next_id += 1;
        self.ring.push_back(event);
        self.forget_excess();
    }

    /// Events with a number above `id`, oldest first.
    pub(crate) fn after(&self, id: u64) -> impl Iterator<Item = &Event> {
        let passed = id.saturating_add(1).saturating_sub(self.first_id());
        let passed = usize::try_from(passed).unwrap_or(usize::MAX);
        self.ring.iter().skip(passed)
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
