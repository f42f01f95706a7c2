//! When entries of a table want to be looked at again without a new observation.

use crate::time::MonotonicTime;

/// A binary heap that knows the place of each slot, so that a deadline moves where it is: nothing is
/// allocated once the table has its size.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// None is later than the two below it, at twice its place and one, and at that and one more.
    heap: Vec<(MonotonicTime, u32)>,
    /// By slot; [`NOWHERE`] without a deadline.
    places: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Deadlines {
    /// Moves the deadline `kept` with the entry in `slot` to `deadline`.
    #[inline]
    pub(crate) fn set(
        &mut self,
        kept: &mut Option<MonotonicTime>,
        slot: u32,
        deadline: Option<MonotonicTime>,
    ) {
        if *kept == deadline {
            return;
        }
        *kept = deadline;
        match deadline {
            Some(deadline) => self.put(slot, deadline),
            None => self.take_out(slot),
        }
    }

    /// The next one.
    pub(crate) fn next(&self) -> Option<MonotonicTime> {
        self.heap.first().map(|&(deadline, _)| deadline)
    }

    /// Slot of the next entry whose deadline has come.
    pub(crate) fn due(&self, now: MonotonicTime) -> Option<u32> {
        let &(deadline, slot) = self.heap.first()?;
        (deadline <= now).then_some(slot)
    }

    fn put(&mut self, slot: u32, deadline: MonotonicTime) {
        let index = slot as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, NOWHERE);
        }
        let mut place = self.places[index] as usize;
        if self.places[index] == NOWHERE {
            place = self.heap.len();
            self.heap.push((deadline, slot));
        }
        self.settle(place, (deadline, slot));
    }

    fn take_out(&mut self, slot: u32) {
        let Some(place) = self.places.get_mut(slot as usize) else {
            return;
        };
        let place = std::mem::replace(place, NOWHERE) as usize;
        let Some(last) = self.heap.pop() else {
            return;
        };
        if place < self.heap.len() {
            self.settle(place, last);
        }
    }

    /// Puts an entry where it belongs, given a place that is free for it, and moves those between.
    fn settle(&mut self, mut place: usize, entry: (MonotonicTime, u32)) {
        while let Some(above) = place.checked_sub(1).map(|below| below / 2)
            && entry < self.heap[above]
        {
            self.keep(place, self.heap[above]);
            place = above;
        }
        while let Some(sooner) = self.sooner_below(place)
            && self.heap[sooner] < entry
        {
            self.keep(place, self.heap[sooner]);
            place = sooner;
        }
        self.keep(place, entry);
    }

    /// Place of the sooner of the two below.
    fn sooner_below(&self, place: usize) -> Option<usize> {
        let below = 2 * place + 1;
        let first = self.heap.get(below)?;
        let second = self.heap.get(below + 1);
        Some(below + usize::from(second.is_some_and(|second| second < first)))
    }

    fn keep(&mut self, place: usize, entry: (MonotonicTime, u32)) {
        self.heap[place] = entry;
        // No more entries than slots, which are numbered by 32 bits.
        self.places[entry.1 as usize] = u32::try_from(place).unwrap_or(NOWHERE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn deadlines_come_in_the_order_of_a_sorted_set(
            changes in proptest::collection::vec((0..24_u32, proptest::option::of(0..16_u64)), 1..400),
        ) {
            let mut deadlines = Deadlines::default();
            let mut kept = [None; 24];
            for (slot, deadline) in changes {
                let deadline = deadline.map(MonotonicTime::from_ns);
                deadlines.set(&mut kept[slot as usize], slot, deadline);
                prop_assert_eq!(kept[slot as usize], deadline);
                let sorted: BTreeSet<_> = (0..)
                    .zip(kept)
                    .filter_map(|(slot, deadline)| Some((deadline?, slot)))
                    .collect();
                prop_assert_eq!(deadlines.next(), sorted.first().map(|&(at, _)| at));
                for now in 0..16 {
                    let now = MonotonicTime::from_ns(now);
                    let due = sorted.first().filter(|&&(at, _)| at <= now);
                    prop_assert_eq!(deadlines.due(now), due.map(|&(_, slot)| slot));
                }
            }
            // All of them, one after the other.
            let mut sorted: Vec<_> = (0..)
                .zip(kept)
                .filter_map(|(slot, deadline)| Some((deadline?, slot)))
                .collect();
            sorted.sort_unstable();
            for (at, slot) in sorted {
                prop_assert_eq!(deadlines.next(), Some(at));
                prop_assert_eq!(deadlines.due(at), Some(slot));
                deadlines.set(&mut kept[slot as usize], slot, None);
            }
            prop_assert_eq!(deadlines.next(), None);
        }
    }
}
