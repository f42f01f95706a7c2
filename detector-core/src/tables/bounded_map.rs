//! A bounded memory of what has left the tables: the oldest entry goes first.
//!
//! Keys are kept as fingerprints of 128 bits under random hash keys. That two keys share one is
//! as unlikely as it is that the hardware errs, and nobody outside can look for such a pair.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::marker::PhantomData;

/// A map that forgets its oldest entries when it is full.
#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    entries: HashMap<u128, Entry<V>>,
    // Entries taken out leave their place here; the number tells a stale place from a fresh one.
    order: VecDeque<(u64, u128)>,
    hashers: [RandomState; 2],
    next_number: u64,
    capacity: usize,
    keys: PhantomData<K>,
}

#[derive(Debug)]
struct Entry<V> {
    number: u64,
    value: V,
}

impl<K: Hash, V> BoundedMap<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            hashers: [RandomState::new(), RandomState::new()],
            next_number: 0,
            capacity: capacity.max(1),
            keys: PhantomData,
        }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        self.forget_excess();
    }

    /// Keeps `value`, which counts as new; returns what was kept under `key` before.
    pub(crate) fn insert(&mut self, key: &K, value: V) -> Option<V> {
        let key = self.fingerprint(key);
        let number = self.next_number;
        self.next_number += 1;
        let before = self.entries.insert(key, Entry { number, value });
        self.order.push_back((number, key));
        self.forget_excess();
        before.map(|entry| entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let key = self.fingerprint(key);
        self.entries.get_mut(&key).map(|entry| &mut entry.value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let key = self.fingerprint(key);
        self.entries.remove(&key).map(|entry| entry.value)
    }

    fn fingerprint(&self, key: &K) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        u128::from(high) << 64 | u128::from(low)
    }

    fn forget_excess(&mut self) {
        while self.entries.len() > self.capacity {
            let Some((number, key)) = self.order.pop_front() else {
                return;
            };
            if self
                .entries
                .get(&key)
                .is_some_and(|kept| kept.number == number)
            {
                self.entries.remove(&key);
            }
        }
        // Places of what was taken out must not add up; seldom enough to cost nothing.
        if self.order.len() > 2 * self.capacity {
            let entries = &self.entries;
            self.order.retain(|(number, key)| {
                entries.get(key).is_some_and(|kept| kept.number == *number)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BoundedMap;

    #[test]
    fn the_oldest_is_forgotten_first_and_a_renewed_one_is_young() {
        let mut memory = BoundedMap::new(2);
        memory.insert(&1, "a");
        memory.insert(&2, "b");
        memory.insert(&3, "c");
        assert_eq!(memory.remove(&1), None);
        assert_eq!(memory.insert(&2, "b again"), Some("b"));
        memory.insert(&4, "d");
        assert_eq!(memory.get_mut(&2).copied(), Some("b again"));
        assert_eq!(memory.remove(&3), None);
        assert_eq!(memory.remove(&4), Some("d"));
    }

    #[test]
    fn what_is_taken_out_pushes_nothing_out() {
        let mut memory = BoundedMap::new(2);
        memory.insert(&0, "stays");
        for key in 1..100 {
            memory.insert(&key, "goes");
            assert_eq!(memory.remove(&key), Some("goes"));
            assert!(memory.order.len() <= 5);
        }
        assert_eq!(memory.remove(&0), Some("stays"));
    }
}
