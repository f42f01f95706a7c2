//! Peers that hold connections together: those of one network, and those that are alike.
//!
//! Each counts with at most a quarter of the thresholds, so that at least four take part and one
//! heavy peer does not accuse its neighbours. Bounded by the connection table: a group exists only
//! while a connection of it holds.

use crate::ledger::Held;
use crate::rules::hoard;
use crate::settings::DetectSettings;
use std::collections::HashMap;
use std::hash::Hash;

/// Part of the thresholds that one peer counts with at most.
const PEER_PART: u64 = 4;

/// One group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    /// Peers in it.
    pub(crate) peers: u64,
    /// What they hold.
    pub(crate) held: Held,
    /// What of it counts.
    counted: Held,
    /// Whether that reaches the thresholds.
    pub(crate) hoards: bool,
}

/// All groups of one sort, by what their members have in common.
#[derive(Debug)]
pub(crate) struct Groups<K> {
    groups: HashMap<K, Group>,
    members: HashMap<(K, u32), Held>,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            members: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Groups<K> {
    /// The group, if anything is held in it.
    pub(crate) fn get(&self, key: K) -> Option<&Group> {
        self.groups.get(&key)
    }

    /// Changes what the peer in slot `peer` holds in a group, from `before` to `after`.
    pub(crate) fn change(
        &mut self,
        key: K,
        peer: u32,
        before: Held,
        after: Held,
        detect: &DetectSettings,
    ) {
        let member = self.members.entry((key, peer)).or_default();
        let held_before = *member;
        *member = (held_before - before) + after;
        let held_after = *member;
        if held_after == Held::default() {
            self.members.remove(&(key, peer));
        }
        let group = self.groups.entry(key).or_default();
        group.peers += u64::from(held_after != Held::default());
        group.peers -= u64::from(held_before != Held::default());
        group.held = (group.held - held_before) + held_after;
        group.counted = (group.counted - capped(held_before, detect)) + capped(held_after, detect);
        group.judge(detect);
        if group.peers == 0 {
            self.groups.remove(&key);
        }
    }

    /// Counts anew with other thresholds.
    pub(crate) fn reconfigure(&mut self, detect: &DetectSettings) {
        for group in self.groups.values_mut() {
            group.counted = Held::default();
        }
        for ((key, _), held) in &self.members {
            if let Some(group) = self.groups.get_mut(key) {
                group.counted = group.counted + capped(*held, detect);
            }
        }
        for group in self.groups.values_mut() {
            group.judge(detect);
        }
    }
}

impl Group {
    fn judge(&mut self, detect: &DetectSettings) {
        let Held {
            stalled_connections,
            pinned_bytes,
        } = self.counted;
        self.hoards = hoard::is_hoarding(stalled_connections, pinned_bytes, self.hoards, detect);
    }
}

fn capped(held: Held, detect: &DetectSettings) -> Held {
    let part = |threshold: u64| (threshold / PEER_PART).max(1);
    Held {
        stalled_connections: held.stalled_connections.min(part(detect.hoard_connections)),
        pinned_bytes: held.pinned_bytes.min(part(detect.hoard_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;
    use crate::ledger::Held;
    use crate::settings::DetectSettings;

    fn held(stalled_connections: u64) -> Held {
        Held {
            stalled_connections,
            pinned_bytes: stalled_connections * 1_000,
        }
    }

    #[test]
    fn at_least_four_take_part() {
        let detect = DetectSettings::default();
        let mut groups = Groups::default();
        groups.change('a', 0, held(0), held(5_000), &detect);
        groups.change('a', 1, held(0), held(19), &detect);
        groups.change('a', 2, held(0), held(5), &detect);
        assert!(!groups.get('a').unwrap().hoards);
        groups.change('a', 3, held(0), held(5), &detect);
        let group = groups.get('a').unwrap();
        assert!(group.hoards);
        assert_eq!((group.peers, group.held), (4, held(5_029)));
        groups.change('a', 0, held(5_000), held(0), &detect);
        assert!(groups.get('a').unwrap().hoards, "three quarters are enough");
        groups.change('a', 3, held(5), held(4), &detect);
        assert!(!groups.get('a').unwrap().hoards);
        for (peer, left) in [(1, 19), (2, 5), (3, 4)] {
            groups.change('a', peer, held(left), held(0), &detect);
        }
        assert!(groups.get('a').is_none());
        assert!(groups.members.is_empty());
    }

    #[test]
    fn thresholds_can_change() {
        let mut groups = Groups::default();
        let strict = DetectSettings {
            hoard_connections: 4,
            ..DetectSettings::default()
        };
        for peer in 0..4 {
            groups.change('a', peer, held(0), held(1), &DetectSettings::default());
        }
        assert!(!groups.get('a').unwrap().hoards);
        groups.reconfigure(&strict);
        assert!(groups.get('a').unwrap().hoards);
    }
}
