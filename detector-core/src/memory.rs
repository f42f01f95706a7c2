//! A bounded memory of what has left the tables: the oldest entry goes first.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map that forgets its oldest entries when it is full.
#[derive(Debug)]
pub(crate) struct Memory<K, V> {
    entries: HashMap<K, (u64, V)>,
    // Entries taken out leave their place here; the number tells a stale place from a fresh one.
    order: VecDeque<(u64, K)>,
    next_number: u64,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> Memory<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            next_number: 0,
            capacity: capacity.max(1),
        }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        self.forget_excess();
    }

    /// Keeps `value`; what was kept under `key` is replaced and counts as new.
    pub(crate) fn keep(&mut self, key: K, value: V) {
        let number = self.next_number;
        self.next_number += 1;
        self.entries.insert(key, (number, value));
        self.order.push_back((number, key));
        self.forget_excess();
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn take(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    fn forget_excess(&mut self) {
        while self.order.len() > self.capacity {
            let Some((number, key)) = self.order.pop_front() else {
                return;
            };
            if self
                .entries
                .get(&key)
                .is_some_and(|(kept, _)| *kept == number)
            {
                self.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn the_oldest_is_forgotten_first_and_a_renewed_one_is_young() {
        let mut memory = Memory::new(2);
        memory.keep(1, "a");
        memory.keep(2, "b");
        memory.keep(3, "c");
        assert_eq!(memory.take(&1), None);
        memory.keep(2, "b again");
        memory.keep(4, "d");
        assert_eq!(memory.get(&2).copied(), Some("b again"));
        assert_eq!(memory.take(&3), None);
        assert_eq!(memory.take(&4), Some("d"));
    }
}
