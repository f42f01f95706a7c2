//! What the kernel has of suspects at one moment, and what two such looks show together.
//!
//! A suspect may have any number of connections. So many are kept of all suspects of a look, and the same
//! ones at the next: where there are more, whoever has most keeps half of his, drawn by lot, and so on.

mod progress;

use super::places::{OurWay, Place, SuspectPlaces};
use crate::clock;
use crate::kernel::History;
use crate::namespace;
use crate::netlink::sock_diag::{Namespaces, NoAnswer, Seen};
use crate::state::AgentState;
use detector_common::history::Summary;
use detector_core::engine::Counted;
use detector_core::observe::census::{Census, Ends, Suspect};
use detector_core::observe::peer_address::{Network, PeerAddress};
use progress::{Progress, has_sent_more_than_a_request};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections kept of all suspects of a look: some 3 MB, and as much again where each suspect has one.
const KEPT: usize = 32_768;

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
    suspects: HashMap<Suspect, Looked>,
    /// Connections of all of them.
    kept: usize,
    /// What a connection that reads takes at least in a second.
    floor_bytes_per_second: u64,
}

/// A suspect, and what has been found of it.
struct Looked {
    /// The look before, if one is to be compared.
    before: Option<(Found, Instant)>,
    /// What a connection that reads has taken since then.
    least_bytes: u64,
    now: Found,
    /// Connections that are well since then.
    well: HashMap<Key, Ends>,
    /// Others that a block would cut though they behave.
    idle_senders: u64,
}

/// What a look has of one suspect.
#[derive(Default)]
pub(super) struct Found {
    connections: HashMap<Key, Progress>,
    halvings: u32,
    past: Summary,
    /// Whether it was to be looked for wherever a block would cut its connections, and was.
    is_asked_everywhere: bool,
    is_whole: bool,
    /// Whether it was looked for where none would be.
    is_elsewhere: bool,
}

impl Look {
    /// Nobody is looked at yet.
    pub(super) fn new(lot: &Lot, floor_bytes_per_second: u64) -> Self {
        Self {
            lot: lot.clone(),
            at: Instant::now(),
            suspects: HashMap::new(),
            kept: 0,
            floor_bytes_per_second,
        }
    }

    /// When it was.
    pub(super) const fn at(&self) -> Instant {
        self.at
    }

    /// This suspect is to be looked at; what is found is compared with a look before, if there was one.
    pub(super) fn expect(&mut self, suspect: Suspect, before: Option<(Found, Instant)>) {
        let halvings = before.as_ref().map_or(0, |(found, _)| found.halvings);
        let looked = Looked {
            before,
            least_bytes: 1,
            now: Found {
                halvings,
                ..Found::default()
            },
            well: HashMap::new(),
            idle_senders: 0,
        };
        self.suspects.insert(suspect, looked);
    }

    /// Asks in each namespace in which a suspect is to be looked for. One of which not everything could
    /// be asked is left out.
    pub(super) fn take(
        &mut self,
        state: &AgentState,
        places: &SuspectPlaces,
        known: &Namespaces,
        our_way: &OurWay,
    ) {
        let mut by_namespace: BTreeMap<u32, Vec<Suspect>> = BTreeMap::new();
        let history = state.history();
        let of_suspects = |history: Arc<History>| {
            history.of_suspects(places.values().map(Place::wanted), clock::now())
        };
        let past = history.map(of_suspects).unwrap_or_default();
        for (suspect, place) in places {
            let Some(past) = past.get(suspect) else {
                self.leave_out(suspect);
                continue;
            };
            if let Some(looked) = self.suspects.get_mut(suspect) {
                looked.now.past = *past;
                looked.now.is_asked_everywhere = place.is_asked_everywhere(our_way);
                looked.now.is_whole = place.is_whole(our_way);
                looked.now.is_elsewhere = place.is_elsewhere();
            }
            for netns in place.namespaces(our_way) {
                by_namespace.entry(netns).or_default().push(*suspect);
            }
        }
        self.begin(Instant::now());
        for (netns, suspects) in by_namespace {
            let Err(reason) = self.look_in(known, netns, &suspects) else {
                continue;
            };
            tracing::debug!("suspects in network namespace {netns} not counted: {reason}");
            // Others than those in which it was seen may go, with all that could be cut there. Where they are there
            // and say nothing, the verdict does without, and nobody knows what a block would cut.
            let is_gone = matches!(reason, NoAnswer::Gone);
            for suspect in &suspects {
                if places[suspect].is_tracked_in(netns) {
                    self.leave_out(suspect);
                } else if let Some(looked) = self.suspects.get_mut(suspect) {
                    looked.now.is_whole &= is_gone;
                }
            }
        }
        // A thread keeps the namespace alive in which it is.
        if let Some(Err(error)) = namespace::home().map(|home| namespace::enter(&home)) {
            tracing::debug!("the census cannot go home: {error}");
        }
    }

    fn begin(&mut self, now: Instant) {
        self.at = now;
        for looked in self.suspects.values_mut() {
            let passed = looked
                .before
                .as_ref()
                .map(|(_, at)| now.duration_since(*at));
            looked.least_bytes = least_bytes(self.floor_bytes_per_second, passed);
        }
    }

    fn leave_out(&mut self, suspect: &Suspect) {
        let looked = self.suspects.remove(suspect);
        self.kept -= looked.map_or(0, |looked| looked.now.connections.len());
    }

    /// Adds what this namespace has of `suspects`.
    fn look_in(
        &mut self,
        namespaces: &Namespaces,
        netns: u32,
        suspects: &[Suspect],
    ) -> Result<(), NoAnswer> {
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
        // A pass goes over the sockets of all namespaces, whoever asks.
        if !namespace::has_sockets() {
            return Ok(());
        }
        let asked = diagnosis.look(&ranges, |seen| {
            let remote = seen.ends.remote.ip();
            let of_peers = prefixes
                .iter()
                .map(|prefix| Suspect::Peer(PeerAddress::of(remote, *prefix)));
            let network = has_networks.then(|| Suspect::Network(Network::of(remote)));
            for suspect in of_peers.chain(network) {
                self.add(suspect, netns, &seen);
            }
        });
        asked.map_err(NoAnswer::NoQuery)
    }

    /// Keeps a connection, if it is a suspect's, and by lot where there are many.
    pub(super) fn add(&mut self, suspect: Suspect, netns: u32, seen: &Seen) {
        let Some(looked) = self.suspects.get_mut(&suspect) else {
            return;
        };
        let key = (netns, seen.cookie);
        if !self.lot.keeps(&key, looked.now.halvings) {
            return;
        }
        let is_new = looked
            .now
            .connections
            .insert(key, Progress::of(seen))
            .is_none();
        self.kept += usize::from(is_new);
        let then = looked.before.as_ref();
        let then = then.and_then(|(found, _)| found.connections.get(&key));
        let is_well = then.is_some_and(|then| then.is_well_at(seen, looked.least_bytes));
        if is_new && !is_well && then.is_some() && has_sent_more_than_a_request(seen) {
            looked.idle_senders += 1;
        }
        if is_well {
            let ends = Ends {
                netns,
                local: seen.ends.local,
                remote: seen.ends.remote,
            };
            looked.well.insert(key, ends);
        }
        while self.kept > KEPT {
            self.halve();
        }
    }

    /// Whoever has most, or more than half as many, keeps half of his.
    fn halve(&mut self) {
        let all = self.suspects.values();
        let most = all.map(|looked| looked.now.connections.len()).max();
        let most = most.unwrap_or(0);
        for looked in self.suspects.values_mut() {
            let before = looked.now.connections.len();
            if 2 * before > most {
                looked.halve(&self.lot);
                self.kept -= before - looked.now.connections.len();
            }
        }
    }

    /// What it shows of each suspect with the look before, and what it has found for the next one.
    pub(super) fn compared(self) -> impl Iterator<Item = (Suspect, (Option<Compared>, Found))> {
        let lot = self.lot;
        let suspects = self.suspects.into_iter();
        suspects.map(move |(suspect, looked)| (suspect, looked.compared(&lot)))
    }
}

impl Looked {
    fn halve(&mut self, lot: &Lot) {
        self.now.halvings += 1;
        let halvings = self.now.halvings;
        let is_kept = |key: &Key| lot.keeps(key, halvings);
        self.now.connections.retain(|key, _| is_kept(key));
        self.now.connections.shrink_to_fit();
        self.well.retain(|key, _| is_kept(key));
    }

    fn compared(self, lot: &Lot) -> (Option<Compared>, Found) {
        let Self {
            before,
            now,
            well,
            idle_senders,
            ..
        } = self;
        let compared = before.map(|(before, _)| Compared {
            idle_senders,
            ..compare(&before, &now, well, lot)
        });
        (compared, now)
    }
}

/// What a connection that reads takes in a time.
fn least_bytes(floor_bytes_per_second: u64, time: Option<Duration>) -> u64 {
    let milliseconds = time.unwrap_or_default().as_millis();
    let least = u128::from(floor_bytes_per_second) * milliseconds / 1_000;
    u64::try_from(least).unwrap_or(u64::MAX).max(1)
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
    /// See [`Looked`], as far as they are kept.
    idle_senders: u64,
    /// Whether both looked, or were to, wherever a block would cut its connections.
    is_whole: bool,
    is_asked_everywhere: bool,
    is_elsewhere: bool,
    ended_at_first: u64,
    past: Summary,
}

impl Compared {
    /// With what an earlier pair showed.
    pub(super) fn counted(&self, before: Option<&Self>) -> Counted {
        let halvings_before = before.map_or(0, |before| before.halvings);
        let halvings = self.halvings.max(halvings_before);
        let was_well = |key| before.is_some_and(|before| before.well.contains_key(key));
        let kept = self.well.iter();
        let kept = kept.filter(|(key, _)| self.lot.keeps(key, halvings));
        let well: HashMap<Ends, bool> = kept.map(|(key, ends)| (*ends, was_well(key))).collect();
        let well_before = well.values().filter(|was_well| **was_well).count();
        // Nobody knows that there is none among those that were left out.
        let unseen = if halvings > 0 { times(1, halvings) } else { 0 };
        let all_well = times(well.len(), halvings).saturating_add(unseen);
        // On an estimate nobody is cut.
        let are_all_seen = halvings == 0 && self.is_whole;
        let ended_well_at_first = before.unwrap_or(self).ended_at_first;
        let Summary {
            ended_well,
            ended_early,
            seen_well,
        } = self.past;
        Counted {
            census: Census {
                connections: self.connections.max(all_well),
                well: all_well,
                well_before: before.map(|_| times(well_before, halvings)),
                read_on: 0,
                came: self.came,
                went: self.went,
                ended_well_meanwhile: ended_well.saturating_sub(ended_well_at_first),
                ended_well,
                ended_early,
                is_elsewhere: self.is_elsewhere,
                would_be_cut: are_all_seen.then(|| all_well.saturating_add(self.idle_senders)),
                was_asked_everywhere: self.is_asked_everywhere,
                seen_well,
            },
            well,
            halvings,
        }
    }
}

/// Of those that both have kept, `well` among them.
fn compare(first: &Found, second: &Found, mut well: HashMap<Key, Ends>, lot: &Lot) -> Compared {
    let halvings = first.halvings.max(second.halvings);
    let (earlier, later) = (&first.connections, &second.connections);
    let both_keep = |key: &Key| lot.keeps(key, halvings);
    well.retain(|key, _| both_keep(key));
    let missing_in = |these: &HashMap<Key, Progress>, others: &HashMap<Key, Progress>| {
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
        well,
        idle_senders: 0,
        is_whole: first.is_whole && second.is_whole,
        is_asked_everywhere: first.is_asked_everywhere && second.is_asked_everywhere,
        is_elsewhere: second.is_elsewhere,
        ended_at_first: first.past.ended_well,
        past: second.past,
    }
}

#[cfg(test)]
mod tests;
