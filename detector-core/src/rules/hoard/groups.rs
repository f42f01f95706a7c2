//! Peers that hoard stalled connections together: those of one network, and those whose connections
//! have the same fingerprint.
//!
//! Each counts with at most a quarter of the thresholds, so that at least four take part and one
//! heavy peer does not accuse its neighbours. Bounded by the connection table: a group exists only
//! while a connection of it is blocked.

use crate::observe::peer_address::Network;
use crate::rules::stall::Usage;
use crate::settings::DetectSettings;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Part of the thresholds that one peer counts with at most.
const PEER_PART: u64 = 4;

/// So many peers that hold something are company of their network: as many as a hoard of it takes at least.
pub(crate) const PEERS_IN_COMPANY: u64 = PEER_PART;

/// Whether so many peers of one network that hold something may be customers of one provider, whatever they have in
/// common with others: as many as a hoard of the network takes at least.
///
/// Of IPv6 each may. A carrier has a few addresses of IPv4 for all its phones, so that those who pause share theirs
/// with others; of IPv6 it gives each phone a network of its own, and there are few who pause in each of ours.
pub(crate) fn are_company(network: Network, peers: u64) -> bool {
    let fewest = if network.is_without_nat() {
        1
    } else {
        PEERS_IN_COMPANY
    };
    peers >= fewest
}

/// One group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    /// All who take part: what the group costs, whoever they are.
    pub(crate) all: Tally,
    /// Those of them who are accused where they hoard: all but who is spared.
    pub(crate) accusable: Tally,
}

/// Peers of a group, added up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) peers: u64,
    /// What their blocked connections cost.
    pub(crate) usage: Usage,
    /// What of it counts.
    counted: Usage,
    /// Whether that reaches the thresholds.
    pub(crate) hoards: bool,
}

/// All groups of one sort, by what their members have in common.
#[derive(Debug)]
pub(crate) struct Groups<K> {
    groups: HashMap<K, Group>,
    /// Of each peer, what it costs in which.
    members: HashMap<u32, HashMap<K, Usage>>,
    /// Peers that have nobody accused.
    spared: HashSet<u32>,
    changes: u64,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            members: HashMap::new(),
            spared: HashSet::new(),
            changes: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Groups<K> {
    /// The group, if anything is blocked in it.
    pub(crate) fn get(&self, key: K) -> Option<&Group> {
        self.groups.get(&key)
    }

    /// How often a group has begun or ceased to hoard: whoever knows the number knows the groups.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Changes what a connection of the peer in slot `peer` costs in a group, from `before` to `after`.
    pub(crate) fn change(
        &mut self,
        (key, peer): (K, u32),
        before: Usage,
        after: Usage,
        settings: &DetectSettings,
    ) {
        let of_peer = self.members.entry(peer).or_default();
        let member = of_peer.entry(key).or_default();
        let usage_before = *member;
        *member = (usage_before - before) + after;
        let usage_after = *member;
        if usage_after == Usage::default() {
            of_peer.remove(&key);
            if of_peer.is_empty() {
                self.members.remove(&peer);
            }
        }
        let group = self.groups.entry(key).or_default();
        let mut has_changed = group.all.count(usage_before, usage_after, settings);
        if !self.spared.contains(&peer) {
            has_changed |= group.accusable.count(usage_before, usage_after, settings);
        }
        if group.all.peers == 0 {
            self.groups.remove(&key);
        }
        self.changes += u64::from(has_changed);
    }

    /// Has a peer accuse nobody from now on, or count as any other. What it costs counts either way.
    pub(crate) fn spare(&mut self, peer: u32, is_spared: bool, settings: &DetectSettings) {
        let is_new = if is_spared {
            self.spared.insert(peer)
        } else {
            !self.spared.is_empty() && self.spared.remove(&peer)
        };
        if !is_new {
            return;
        }
        for (key, &usage) in self.members.get(&peer).into_iter().flatten() {
            let (before, after) = match is_spared {
                true => (usage, Usage::default()),
                false => (Usage::default(), usage),
            };
            if let Some(group) = self.groups.get_mut(key) {
                let has_changed = group.accusable.count(before, after, settings);
                self.changes += u64::from(has_changed);
            }
        }
    }

    /// Counts anew with other thresholds; counts as a change.
    pub(crate) fn reconfigure(&mut self, settings: &DetectSettings) {
        for group in self.groups.values_mut() {
            group.all.counted = Usage::default();
            group.accusable.counted = Usage::default();
        }
        for (peer, of_peer) in &self.members {
            for (key, usage) in of_peer {
                let Some(group) = self.groups.get_mut(key) else {
                    continue;
                };
                let counted = counted_part(*usage, settings);
                group.all.counted = group.all.counted + counted;
                if !self.spared.contains(peer) {
                    group.accusable.counted = group.accusable.counted + counted;
                }
            }
        }
        for group in self.groups.values_mut() {
            group.all.judge(settings);
            group.accusable.judge(settings);
        }
        self.changes += 1;
    }
}

impl Tally {
    /// The peers, if they hoard together.
    pub(crate) const fn hoarding(&self) -> Option<&Self> {
        if self.hoards { Some(self) } else { None }
    }

    /// One member costs something else now. Returns whether the judgement has changed.
    fn count(&mut self, before: Usage, after: Usage, settings: &DetectSettings) -> bool {
        self.peers += u64::from(after != Usage::default());
        self.peers -= u64::from(before != Usage::default());
        self.usage = (self.usage - before) + after;
        self.counted =
            (self.counted - counted_part(before, settings)) + counted_part(after, settings);
        self.judge(settings)
    }

    /// Returns whether the judgement has changed.
    fn judge(&mut self, settings: &DetectSettings) -> bool {
        let hoarded = self.hoards;
        self.hoards = super::is_hoarding(self.counted, hoarded, settings)
            && self.usage.stalled_connections >= super::fewest_accused(hoarded, settings);
        self.hoards != hoarded
    }
}

/// What one peer of a group counts with.
pub(crate) fn counted_part(usage: Usage, settings: &DetectSettings) -> Usage {
    let part = |threshold: u64| (threshold / PEER_PART).max(1);
    Usage {
        stalled_connections: usage
            .stalled_connections
            .min(part(settings.hoard_connections)),
        pinned_bytes: usage.pinned_bytes.min(part(settings.hoard_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;
    use crate::rules::stall::Usage;
    use crate::settings::DetectSettings;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn usage(stalled_connections: u64) -> Usage {
        Usage {
            stalled_connections,
            pinned_bytes: stalled_connections * 1_000,
        }
    }

    #[test]
    fn at_least_four_take_part() {
        let detect = DetectSettings::default();
        let mut groups = Groups::default();
        groups.change(('a', 0), usage(0), usage(5_000), &detect);
        groups.change(('a', 1), usage(0), usage(19), &detect);
        groups.change(('a', 2), usage(0), usage(5), &detect);
        assert!(!groups.get('a').unwrap().all.hoards);
        groups.change(('a', 3), usage(0), usage(5), &detect);
        let all = groups.get('a').unwrap().all;
        assert!(all.hoards);
        assert_eq!((all.peers, all.usage), (4, usage(5_029)));
        groups.change(('a', 0), usage(5_000), usage(0), &detect);
        let all = groups.get('a').unwrap().all;
        assert!(all.hoards, "three quarters are enough");
        groups.change(('a', 3), usage(5), usage(4), &detect);
        assert!(!groups.get('a').unwrap().all.hoards);
        for (peer, left) in [(1, 19), (2, 5), (3, 4)] {
            groups.change(('a', peer), usage(left), usage(0), &detect);
        }
        assert!(groups.get('a').is_none());
        assert!(groups.members.is_empty());
    }

    #[test]
    fn who_is_spared_costs_as_much_and_has_nobody_accused() {
        let detect = DetectSettings::default();
        let mut groups = Groups::default();
        let hoard = |groups: &Groups<char>| {
            let group = groups.get('a').unwrap();
            (group.all.hoards, group.accusable.hoards)
        };
        for peer in 0..4 {
            groups.change(('a', peer), usage(0), usage(5), &detect);
        }
        groups.change(('a', 4), usage(0), usage(1), &detect);
        assert_eq!(hoard(&groups), (true, true));
        for peer in 0..4 {
            groups.spare(peer, true, &detect);
            groups.spare(peer, true, &detect);
        }
        let accusable = groups.get('a').unwrap().accusable;
        assert_eq!(hoard(&groups), (true, false));
        assert_eq!((accusable.peers, accusable.usage), (1, usage(1)));
        groups.change(('a', 0), usage(5), usage(7), &detect);
        groups.reconfigure(&detect);
        assert_eq!(hoard(&groups), (true, false));
        for peer in 0..4 {
            groups.spare(peer, false, &detect);
        }
        assert_eq!(hoard(&groups), (true, true));
        assert_eq!(groups.get('a').unwrap().accusable.usage, usage(23));
        groups.spare(4, true, &detect);
        for (peer, held) in [(0, 7), (1, 5), (2, 5), (3, 5), (4, 1)] {
            groups.change(('a', peer), usage(held), usage(0), &detect);
        }
        assert!(groups.get('a').is_none() && groups.members.is_empty());
    }

    proptest! {
        /// Against a plain model that adds everything up anew.
        #[test]
        fn groups_are_the_sums_of_their_members(
            changes in prop::collection::vec(
                (0u8..3, 0u32..6, 0u64..12, any::<bool>(), any::<bool>()),
                1..60,
            ),
        ) {
            let mut detect = DetectSettings::default();
            let mut groups = Groups::default();
            let mut members: BTreeMap<(u8, u32), u64> = BTreeMap::new();
            let mut spared: BTreeSet<u32> = BTreeSet::new();
            for (key, peer, connections, is_reconfigured, is_spared) in changes {
                let before = members.insert((key, peer), connections).unwrap_or(0);
                groups.change((key, peer), usage(before), usage(connections), &detect);
                if is_spared {
                    spared.insert(peer);
                } else {
                    spared.remove(&peer);
                }
                groups.spare(peer, is_spared, &detect);
                if is_reconfigured {
                    detect.hoard_connections = 8 + connections;
                    groups.reconfigure(&detect);
                }
                for key in 0..3 {
                    let group = groups.get(key).copied().unwrap_or_default();
                    for (tally, without) in [(group.all, &BTreeSet::new()), (group.accusable, &spared)] {
                        let counts = |of: u8, peer: &u32| of == key && !without.contains(peer);
                        let of_key = || members.iter()
                            .filter(|((other, peer), usage)| counts(*other, peer) && **usage > 0);
                        let sum: u64 = of_key().map(|(_, connections)| connections).sum();
                        let part = detect.hoard_connections / 4;
                        let counted: u64 = of_key().map(|(_, &connections)| connections.min(part)).sum();
                        prop_assert_eq!(tally.usage, usage(sum));
                        prop_assert_eq!(tally.peers, of_key().count() as u64);
                        prop_assert_eq!(tally.counted.stalled_connections, counted);
                        if counted >= detect.hoard_connections {
                            prop_assert!(tally.hoards);
                        } else if counted < detect.hoard_connections - detect.hoard_connections / 4 {
                            prop_assert!(!tally.hoards);
                        }
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
            groups.change(('a', peer), usage(0), usage(1), &DetectSettings::default());
        }
        assert!(!groups.get('a').unwrap().all.hoards);
        groups.reconfigure(&strict);
        assert!(groups.get('a').unwrap().all.hoards);
    }
}
