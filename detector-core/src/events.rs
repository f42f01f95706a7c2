//! The ring of events: bounded, oldest forgotten first, numbered upwards; from 1, or from where the
//! agent before ended. And what was
//! flagged in all, whether an event was written of it or not.

use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::snapshot::{Event, FlagKind};
use std::collections::VecDeque;

/// Events that all may cause in a burst who do not come by our way in: fewer than the agent logs lines at once, so that
/// whoever comes by our way meanwhile is told of.
const ELSEWHERE_EVENTS: u32 = 32;

/// The ring.
#[derive(Debug)]
pub(crate) struct Events {
    ring: VecDeque<Event>,
    capacity: usize,
    next_id: u64,
    dropped: u64,
    elsewhere: Allowance,
    /// Events not written because their peer had written too many, or all those elsewhere.
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
            elsewhere: Allowance::new(ELSEWHERE_EVENTS, MonotonicTime::default()),
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

    /// Whether one more may be caused now by what its peer has allowed: anybody may play any number of peers in a
    /// network of his own, and of all together that are not on our way few events are written.
    pub(crate) fn allow(&mut self, is_on_our_way: bool, now: MonotonicTime) -> bool {
        is_on_our_way || self.elsewhere.spend(now)
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

/// Events that may be caused: a burst, then one a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    left: u32,
    burst: u32,
    from: MonotonicTime,
}

impl Allowance {
    pub(crate) const fn new(burst: u32, now: MonotonicTime) -> Self {
        Self {
            left: burst,
            burst,
            from: now,
        }
    }

    /// Whether one more event may be caused now.
    pub(crate) fn spend(&mut self, now: MonotonicTime) -> bool {
        let refill = now.since_ns(self.from) / SECOND_NS;
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refill).min(self.burst);
            self.from = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}
