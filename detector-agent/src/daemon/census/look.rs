//! What the kernel has of suspects at one moment, and what two such looks show together.
//!
//! A suspect may have any number of connections. So many are kept of all suspects of a look, and the same
//! ones at both: where there are more, whoever has most keeps half of his, drawn by lot, and so on.

use crate::clock;
use crate::kernel::History;
use crate::namespace;
use crate::netlink::sock_diag::{Namespaces, Seen};
use crate::state::AgentState;
use detector_core::engine::{CensusWanted, Counted};
use detector_core::observe::census::{Census, Ends, Suspect};
use detector_core::observe::peer_address::{Network, PeerAddress};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

/// Connections kept of all suspects of a look. With all that is made of four looks, some 30 MB.
const KEPT: usize = 16_384;

/// A connection: its network namespace and its cookie.
type Key = (u32, [u8; 8]);

/// Draws which connections are kept: the same ones at each look, and nobody can foresee which.
#[derive(Clone, Debug, Default)]
pub(super) struct Lot(RandomState);

impl Lot {
    /// Whether this one is left after so many halvings.
    fn keeps(&self, key: &Key, halvings: u32) -> bool {
        halvings == 0 || self.0.hash_one(key).trailing_zeros() >= halvings
    }
}

/// For how many so many stand of which the others were left out.
fn times(count: usize, halvings: u32) -> u64 {
    let each = 1_u64.checked_shl(halvings).unwrap_or(u64::MAX);
    (count as u64).saturating_mul(each)
}

/// See the module.
pub(super) struct Look {
    lot: Lot,
    at: Instant,
    peers: HashMap<Suspect, Found>,
    /// Connections of all of them.
    kept: usize,
    /// How often the connections of each were halved at the look before.
    halvings: HashMap<Suspect, u32>,
}

/// What it has of one.
#[derive(Default)]
struct Found {
    connections: HashMap<Key, Seen>,
    halvings: u32,
    /// Connections that have ended over the past hours, well and early.
    ended: (u64, u64),
}

impl Look {
    /// The first of a pair.
    pub(super) fn new(lot: &Lot) -> Self {
        Self {
            lot: lot.clone(),
            at: Instant::now(),
            peers: HashMap::new(),
            kept: 0,
            halvings: HashMap::new(),
        }
    }

    /// The second, which keeps none that the first has left out.
    pub(super) fn after(first: &Self) -> Self {
        let halvings = first.peers.iter();
        Self {
            halvings: halvings
                .map(|(suspect, found)| (*suspect, found.halvings))
                .collect(),
            ..Self::new(&first.lot)
        }
    }

    /// How many suspects could be looked at.
    pub(super) fn suspects(&self) -> usize {
        self.peers.len()
    }

    /// Asks in each namespace in which a suspect has connections. One of which not everything could
    /// be asked is left out.
    pub(super) fn take(
        mut self,
        state: &AgentState,
        wanted: &[CensusWanted],
        known: &Namespaces,
    ) -> Self {
        let mut by_namespace: BTreeMap<u32, Vec<Suspect>> = BTreeMap::new();
        let history = state.history();
        for CensusWanted {
            suspect,
            namespaces,
        } in wanted
        {
            let of_suspect = |history: &Arc<History>| history.of(*suspect, clock::now());
            let Some(ended) = history.as_ref().and_then(of_suspect) else {
                continue;
            };
            self.expect(*suspect, ended);
            for netns in namespaces {
                by_namespace.entry(*netns).or_default().push(*suspect);
            }
        }
        self.at = Instant::now();
        for (netns, suspects) in by_namespace {
            if let Err(reason) = self.look_in(known, netns, &suspects) {
                tracing::debug!("suspects in network namespace {netns} not counted: {reason}");
                suspects.iter().for_each(|suspect| self.leave_out(suspect));
            }
        }
        // A thread keeps the namespace alive in which it is.
        if let Some(Err(error)) = namespace::home().map(|home| namespace::enter(&home)) {
            tracing::debug!("the census cannot go home: {error}");
        }
        self
    }

    fn expect(&mut self, suspect: Suspect, ended: (u64, u64)) {
        let found = Found {
            ended,
            halvings: self.halvings.get(&suspect).copied().unwrap_or(0),
            ..Found::default()
        };
        self.peers.insert(suspect, found);
    }

    fn leave_out(&mut self, suspect: &Suspect) {
        let found = self.peers.remove(suspect);
        self.kept -= found.map_or(0, |found| found.connections.len());
    }

    /// Adds what this namespace has of `suspects`.
    fn look_in(
        &mut self,
        namespaces: &Namespaces,
        netns: u32,
        suspects: &[Suspect],
    ) -> Result<(), String> {
        let ranges: Vec<PeerAddress> = suspects.iter().map(|suspect| suspect.range()).collect();
        let of_peers = suspects.iter().filter_map(|suspect| match suspect {
            Suspect::Peer(peer) => Some(peer.prefix_length()),
            Suspect::Network(_) => None,
        });
        // Addresses of IPv4 are whole, whatever the prefix.
        let prefixes: HashSet<u8> = of_peers.collect();
        let has_networks = suspects
            .iter()
            .any(|suspect| matches!(suspect, Suspect::Network(_)));
        let mut diagnosis = namespaces.enter(netns)?;
        let asked = diagnosis.look(&ranges, |seen| {
            let remote = seen.ends.remote.ip();
            let of_peers = prefixes
                .iter()
                .map(|prefix| Suspect::Peer(PeerAddress::of(remote, *prefix)));
            let network = has_networks.then(|| Suspect::Network(Network::of(remote)));
            for suspect in of_peers.chain(network) {
                self.add(suspect, (netns, seen.cookie), seen);
            }
        });
        asked.map_err(|error| error.to_string())
    }

    /// Keeps a connection, if it is a suspect's, and by lot where there are many.
    fn add(&mut self, suspect: Suspect, key: Key, seen: Seen) {
        let Some(found) = self.peers.get_mut(&suspect) else {
            return;
        };
        if self.lot.keeps(&key, found.halvings) && found.connections.insert(key, seen).is_none() {
            self.kept += 1;
        }
        while self.kept > KEPT {
            self.halve();
        }
    }

    /// Whoever has most keeps half of his.
    fn halve(&mut self) {
        let all = self.peers.values_mut();
        let Some(largest) = all.max_by_key(|found| found.connections.len()) else {
            return;
        };
        largest.halvings += 1;
        let (lot, halvings) = (&self.lot, largest.halvings);
        let before = largest.connections.len();
        largest
            .connections
            .retain(|key, _| lot.keeps(key, halvings));
        largest.connections.shrink_to_fit();
        self.kept -= before - largest.connections.len();
    }

    /// What both looks say together, of those that are in both.
    pub(super) fn compare(
        &self,
        later: &Self,
        floor_bytes_per_second: u64,
    ) -> HashMap<Suspect, Compared> {
        let milliseconds = later.at.duration_since(self.at).as_millis();
        let least = u128::from(floor_bytes_per_second) * milliseconds / 1_000;
        let least = u64::try_from(least).unwrap_or(u64::MAX);
        let both = self.peers.iter().filter_map(|(peer, first)| {
            let second = later.peers.get(peer)?;
            Some((*peer, compare(first, second, least, &self.lot)))
        });
        both.collect()
    }
}

/// What a pair of looks shows of one suspect.
pub(super) struct Compared {
    lot: Lot,
    halvings: u32,
    connections: u64,
    came: u64,
    went: u64,
    /// Connections that are well, those of them that are kept.
    well: HashMap<Key, Ends>,
    ended_at_first: (u64, u64),
    ended: (u64, u64),
}

impl Compared {
    /// With what an earlier pair showed.
    pub(super) fn counted(&self, before: Option<&Self>) -> Counted {
        let halvings = self
            .halvings
            .max(before.map_or(0, |before| before.halvings));
        let was_well = |key| before.is_some_and(|before| before.well.contains_key(key));
        let kept = self.well.iter();
        let kept = kept.filter(|(key, _)| self.lot.keeps(key, halvings));
        let well: HashMap<Ends, bool> = kept.map(|(key, ends)| (*ends, was_well(key))).collect();
        let well_before = well.values().filter(|was_well| **was_well).count();
        // Nobody knows that there is none among those that were left out.
        let unseen = if halvings > 0 { times(1, halvings) } else { 0 };
        let all_well = times(well.len(), halvings).saturating_add(unseen);
        let (ended_well_at_first, _) = before.unwrap_or(self).ended_at_first;
        let (ended_well, ended_early) = self.ended;
        Counted {
            census: Census {
                connections: self.connections.max(all_well),
                well: all_well,
                well_before: before.map(|_| times(well_before, halvings)),
                came: self.came,
                went: self.went,
                ended_well_meanwhile: ended_well.saturating_sub(ended_well_at_first),
                ended_well,
                ended_early,
            },
            well,
            halvings,
        }
    }
}

fn compare(first: &Found, second: &Found, least_bytes: u64, lot: &Lot) -> Compared {
    let halvings = first.halvings.max(second.halvings);
    let (earlier, later) = (&first.connections, &second.connections);
    let both_keep = |key: &Key| lot.keeps(key, halvings);
    let well = later.iter().filter(|(key, now)| {
        let then = earlier.get(*key).filter(|_| both_keep(key));
        then.is_some_and(|then| is_well(then, now, least_bytes.max(1)))
    });
    let well = well.map(|((netns, cookie), seen)| {
        let ends = Ends {
            netns: *netns,
            local: seen.ends.local,
            remote: seen.ends.remote,
        };
        ((*netns, *cookie), ends)
    });
    let missing_in = |these: &HashMap<Key, Seen>, others: &HashMap<Key, Seen>| {
        let these = these.keys().filter(|key| both_keep(key));
        these.filter(|key| !others.contains_key(*key)).count()
    };
    let connections = later.keys().filter(|key| both_keep(key)).count();
    Compared {
        lot: lot.clone(),
        halvings,
        connections: times(connections, halvings),
        came: times(missing_in(later, earlier), halvings),
        went: times(missing_in(earlier, later), halvings),
        well: well.collect(),
        ended_at_first: first.ended,
        ended: second.ended,
    }
}

/// Whoever does not read takes bytes as long as its buffers have room, but offers no more of it.
fn is_well(then: &Seen, now: &Seen, least_bytes: u64) -> bool {
    // Our SYN counts as one byte.
    let has_taken_all = now.queued_bytes == 0 && now.bytes_acked > 1;
    let taken = now.bytes_acked.saturating_sub(then.bytes_acked);
    let read = match (then.edge, now.edge) {
        (Some(then), Some(now)) => now.saturating_sub(then),
        _ => taken,
    };
    has_taken_all || taken.min(read) >= least_bytes
}

#[cfg(test)]
mod tests;
