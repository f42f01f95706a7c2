//! What the clients of the socket may have at the same time, and no more of it: some is kept for those who
//! may act, and of the rest nobody has all.

use super::may_act;
use crate::http::Client;
use crate::lock::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// How many each user has; those whom the kernel does not know are one.
type Taken = HashMap<Option<u32>, usize>;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    /// So many, of which a quarter is kept.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// Those that users have who may only look, all together.
    const fn of_others(&self) -> usize {
        self.most - self.most.div_ceil(4)
    }

    /// Those that one of them has.
    pub(super) const fn of_one(&self) -> usize {
        self.of_others() / 2
    }

    /// One for this client, until it is dropped; `None` while it has as many as it may, or too many are taken.
    pub(super) fn take(&self, client: Option<Client>) -> Option<Slot> {
        let user = client.and_then(Client::uid);
        let is_trusted = |user: &Option<u32>| user.is_some_and(may_act);
        let mut taken = lock(&self.taken);
        let all: usize = taken.values().sum();
        let others = taken.iter().filter(|(user, _)| !is_trusted(user));
        let others: usize = others.map(|(_, count)| count).sum();
        let own = taken.get(&user).copied().unwrap_or(0);
        let is_free = all < self.most;
        let is_for_it = is_trusted(&user) || (others < self.of_others() && own < self.of_one());
        (is_free && is_for_it).then(|| {
            taken.insert(user, own + 1);
            let taken = Arc::clone(&self.taken);
            Slot { taken, user }
        })
    }
}

/// One that is taken.
#[derive(Debug)]
pub(super) struct Slot {
    taken: Arc<Mutex<Taken>>,
    user: Option<u32>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        let left = taken.get(&self.user).map_or(0, |count| count - 1);
        if left == 0 {
            taken.remove(&self.user);
        } else {
            taken.insert(self.user, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Slot, Slots, lock};
    use crate::http::Client;

    /// As many as this user gets.
    fn all_for(slots: &Slots, uid: Option<u32>) -> Vec<Slot> {
        let client = uid.map(|uid| Client::User(Some(uid)));
        std::iter::from_fn(|| slots.take(client)).collect()
    }

    #[test]
    fn nobody_has_all_and_some_are_kept_for_those_who_may_act() {
        for most in [4, 6, 16, 24] {
            let slots = Slots::new(most);
            let greedy = all_for(&slots, Some(1_001));
            assert_eq!(greedy.len(), slots.of_one());
            assert!(!greedy.is_empty() && greedy.len() < most);
            let second = all_for(&slots, None);
            assert_eq!(second.len(), slots.of_one());
            assert_eq!(all_for(&slots, Some(1_003)).len(), slots.of_others() % 2);
            let kept = most - slots.of_others();
            let root = all_for(&slots, Some(0));
            assert!(kept > 0 && root.len() >= kept, "{most}: {kept}");
            assert_eq!(all_for(&slots, Some(0)).len(), 0);
            drop(greedy);
            // They are free for anybody again, for whoever may act to the last.
            assert_eq!(all_for(&slots, Some(1_002)).len(), slots.of_one());
            let own = rustix::process::geteuid().as_raw();
            drop(second);
            assert_eq!(all_for(&slots, Some(own)).len() + root.len(), most);
            drop(root);
            assert!(lock(&slots.taken).is_empty());
        }
    }
}
