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
    changes: u64,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            members: HashMap::new(),
            changes: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Groups<K> {
    /// The group, if anything is held in it.
    pub(crate) fn get(&self, key: K) -> Option<&Group> {
        self.groups.get(&key)
    }

    /// How often a group has begun or ceased to hoard: whoever knows the number knows the groups.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
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
        self.changes += u64::from(group.judge(detect));
        if group.peers == 0 {
            self.groups.remove(&key);
        }
    }

    /// Counts anew with other thresholds; counts as a change.
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
        self.changes += 1;
    }
}

impl Group {
    /// Returns whether the judgement has changed.
    fn judge(&mut self, detect: &DetectSettings) -> bool {
        let Held {
            stalled_connections,
            pinned_bytes,
        } = self.counted;
        let hoarded = self.hoards;
        self.hoards = hoard::is_hoarding(stalled_connections, pinned_bytes, hoarded, detect);
        self.hoards != hoarded
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
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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

    proptest! {
        /// Against a plain model that adds everything up anew.
        #[test]
        fn groups_are_the_sums_of_their_members(
            changes in prop::collection::vec((0u8..3, 0u32..6, 0u64..12, any::<bool>()), 1..60),
        ) {
            let mut detect = DetectSettings::default();
            let mut groups = Groups::default();
            let mut members: BTreeMap<(u8, u32), u64> = BTreeMap::new();
            for (key, peer, connections, is_reconfigured) in changes {
                let before = members.insert((key, peer), connections).unwrap_or(0);
                groups.change(key, peer, held(before), held(connections), &detect);
                if is_reconfigured {
                    detect.hoard_connections = 8 + connections;
                    groups.reconfigure(&detect);
                }
                for key in 0..3 {
                    let of_key = || members.iter().filter(|((other, _), held)| *other == key && **held > 0);
                    let sum: u64 = of_key().map(|(_, connections)| connections).sum();
                    let part = detect.hoard_connections / 4;
                    let counted: u64 = of_key().map(|(_, &connections)| connections.min(part)).sum();
                    let group = groups.get(key).copied().unwrap_or_default();
                    prop_assert_eq!(group.held, held(sum));
                    prop_assert_eq!(group.peers, of_key().count() as u64);
                    prop_assert_eq!(group.counted.stalled_connections, counted);
                    if counted >= detect.hoard_connections {
                        prop_assert!(group.hoards);
                    } else if counted < detect.hoard_connections - detect.hoard_connections / 4 {
                        prop_assert!(!group.hoards);
                    }
                }
            }
        }
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
