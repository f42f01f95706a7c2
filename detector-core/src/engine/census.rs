//! Which peers and networks are suspects, so that the kernel is to be asked for all their connections,
//! and what it has said.

use super::{Counted, Engine};
use crate::observe::census::{Census, Suspect};
use crate::observe::peer_address::{Network, PeerAddress};
use crate::rules::hoard::{PEERS_IN_COMPANY, are_company, counted_part, is_hoarding};
use crate::rules::stall::{StallClass, Usage};
use crate::tables::peers::Peer;
use crate::time::{MonotonicTime, SECOND_NS};
use crate::verdict::{Neighbours, Stake};
use detector_api::snapshot::{Direction, FlagKind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A look costs by all sockets that there are, not by who is looked for: who would be due so soon is looked at
/// with whoever is.
const SLACK_NS: u64 = 20 * SECOND_NS;

/// A suspect whose connections are to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CensusWanted {
    /// Who.
    pub suspect: Suspect,
    /// Network namespaces in which it has connections: of those that come by our way in, if any do. Who plays an
    /// address in a network of his own can have any number there that behave.
    pub namespaces: Vec<u32>,
    /// Whether those come by our way in: addresses mean there what they mean to the agent. What behaves is not tracked,
    /// so that others that do are to be asked, too.
    pub is_on_our_way: bool,
    /// Whether the guard may limit or block it next, so that all that this would cut is to be counted.
    pub may_be_fenced_off: bool,
}

/// What the peers of one network hold together.
#[derive(Default)]
struct Held<'e> {
    /// As far as it counts.
    sum: Usage,
    by: Vec<&'e Peer>,
}

impl Engine {
    /// Suspects that are to be counted now: as soon as connections are stalled that could be a hoard,
    /// alone or with other peers', and peers with so many tracked connections even before, so that
    /// the answer is there before a verdict is. Those whom the guard `may_fence_off`, since when, as soon as they
    /// come back.
    #[must_use]
    pub fn census_wanted(
        &self,
        may_fence_off: &HashMap<PeerAddress, MonotonicTime>,
    ) -> Vec<CensusWanted> {
        let now = self.clock.now;
        let soon = now.plus_ns(SLACK_NS);
        // No peer and no group holds more than all together.
        let may_hoard = is_hoarding(self.host.usage(), true, &self.settings.detect);
        let is_holding = |slot: &u32| {
            let is_flagged = self.suspects.flagged.contains(slot);
            is_flagged && (may_hoard || held_of_ours(self.peers.get(*slot)) > 0)
        };
        let holding = self.suspects.flagged.iter().filter(|slot| is_holding(slot));
        // Flagged or not: small windows are flagged for what they are, long before anything is stalled.
        let crowds = &self.suspects.crowds;
        let many = crowds.iter().filter(|slot| !is_holding(slot));
        // Whoever comes back with less than a hoard may be limited, too.
        let back = self.back(may_fence_off);
        let back = back.filter(|slot| !crowds.contains(slot) && !is_holding(slot));
        let slots = holding.chain(many).copied().chain(back);
        let peers = slots.map(|slot| self.peers.get(slot));
        // Whoever is due now is due soon.
        let is_suspect = |peer: &Peer, due| {
            let since = may_fence_off.get(&peer.address).copied();
            self.is_suspect(peer, since, due)
        };
        let peers: Vec<&Peer> = peers.filter(|peer| is_suspect(peer, soon)).collect();
        let networks = may_hoard.then(|| self.suspect_networks());
        let mut networks = networks.unwrap_or_default();
        networks.retain(|network, held| self.is_due(network, held, soon));
        let is_due_now = peers.iter().any(|peer| is_suspect(peer, now))
            || networks
                .iter()
                .any(|(network, held)| self.is_due(network, held, now));
        if !is_due_now {
            return Vec::new();
        }
        let wanted = peers.into_iter().map(|peer| CensusWanted {
            may_be_fenced_off: may_fence_off.contains_key(&peer.address),
            ..self.wanted(Suspect::Peer(peer.address), &[peer])
        });
        let networks = networks
            .iter()
            .map(|(network, held)| self.wanted(Suspect::Network(*network), &held.by));
        wanted.chain(networks).collect()
    }

    /// Whether somebody is not accused of a hoard for no other reason than that he was not counted lately, or cannot
    /// be limited by the guard, which he may be since then.
    #[must_use]
    pub fn awaits_census(&self, may_fence_off: &HashMap<PeerAddress, MonotonicTime>) -> bool {
        let mut back = self.back(may_fence_off);
        !self.suspects.uncounted.is_empty()
            || back.any(|slot| {
                let peer = self.peers.get(slot);
                let since = may_fence_off.get(&peer.address).copied();
                !self.settings.trusted.touch(&peer.address) && self.is_cut_due(peer, since)
            })
    }

    /// Slots of those of these peers that have connections.
    fn back(
        &self,
        may_fence_off: &HashMap<PeerAddress, MonotonicTime>,
    ) -> impl Iterator<Item = u32> {
        let known = may_fence_off
            .keys()
            .filter_map(|peer| self.peers.find(peer));
        known.filter(|slot| self.peers.get(*slot).connections.len() > 0)
    }

    /// Whether it is to be asked at once what a limit or a block would cut, which may come since then.
    fn is_cut_due(&self, peer: &Peer, may_be_fenced_off: Option<MonotonicTime>) -> bool {
        may_be_fenced_off.is_some_and(|since| {
            peer.verdicts.sharing.is_cut_due(since) && self.comes_by_our_way(peer)
        })
    }

    fn wanted(&self, suspect: Suspect, peers: &[&Peer]) -> CensusWanted {
        let connections = peers
            .iter()
            .flat_map(|peer| self.connections.of_peer(peer.connections));
        let mut namespaces = BTreeSet::new();
        // One by one: of very many connections there are few.
        namespaces.extend(connections.map(|each| (each.is_on_our_way, each.last.id.netns())));
        let any_on_our_way = namespaces.iter().any(|(is_on_our_way, _)| *is_on_our_way);
        let asked = namespaces
            .into_iter()
            .filter(|(is_on_our_way, _)| *is_on_our_way == any_on_our_way);
        CensusWanted {
            suspect,
            namespaces: asked.map(|(_, netns)| netns).collect(),
            is_on_our_way: any_on_our_way,
            may_be_fenced_off: false,
        }
    }

    /// Networks whose stalled connections would make a hoard together, or may be part of one of peers alike.
    fn suspect_networks(&self) -> BTreeMap<Network, Held<'_>> {
        let detect = &self.settings.detect;
        let mut networks: BTreeMap<Network, Held<'_>> = BTreeMap::new();
        for slot in &self.suspects.flagged {
            let peer = self.peers.get(*slot);
            let held = peer.account.stalls.sum(is_held);
            let Some(network) = Network::above(peer.address) else {
                continue;
            };
            let is_trusted = self.settings.trusted.touch(&peer.address);
            if held.stalled_connections == 0 || is_trusted {
                continue;
            }
            let all = networks.entry(network).or_default();
            all.sum = all.sum + counted_part(held, detect);
            all.by.push(peer);
        }
        networks.retain(|network, held| {
            let peers = held.by.len() as u64;
            // Of fewer only those matter who hold together with others elsewhere.
            let is_in_group = |peer: &&Peer| peer.hoard.same_fingerprint(&self.groups).is_some();
            let matter = || peers >= PEERS_IN_COMPANY || held.by.iter().any(is_in_group);
            is_hoarding(held.sum, true, detect) || are_company(*network, peers) && matter()
        });
        networks
    }

    /// Whether the kernel is to be asked for a network that holds so much.
    fn is_due(&self, network: &Network, held: &Held<'_>, due: MonotonicTime) -> bool {
        let may_be_accused = !held.by.iter().any(|peer| peer.verdicts.is_accused());
        let known = self.suspects.networks.get(network);
        known.is_none_or(|known| {
            let counted = known.census(self.clock.now);
            let was_elsewhere = counted.is_some_and(|census| census.is_elsewhere);
            known.is_due(held.sum.stalled_connections, may_be_accused, due)
                || was_elsewhere && held.by.iter().any(|peer| self.comes_by_our_way(peer))
        })
    }

    /// Whether the kernel has told of all connections of the network above a peer lately.
    pub(super) fn are_neighbours_fresh(&self, peer: PeerAddress) -> bool {
        let known = Network::above(peer).and_then(|network| self.suspects.networks.get(&network));
        known.is_some_and(|neighbours| neighbours.is_fresh(self.clock.now))
    }

    /// Whether the kernel could not tell of the network above a peer when it was asked last.
    pub(super) fn are_neighbours_unknown(&self, peer: PeerAddress) -> bool {
        let known = Network::above(peer).and_then(|network| self.suspects.networks.get(&network));
        known.is_some_and(Neighbours::has_failed)
    }

    /// All connections of the network above a peer, if the kernel has told of them.
    pub(super) fn neighbours_of(&self, peer: PeerAddress) -> Option<Census> {
        let known = self.suspects.networks.get(&Network::above(peer)?)?;
        known.census(self.clock.now)
    }

    fn is_suspect(
        &self,
        peer: &Peer,
        may_be_fenced_off: Option<MonotonicTime>,
        due: MonotonicTime,
    ) -> bool {
        let stalled = peer.account.stalls.sum(is_held).stalled_connections + held_of_ours(peer);
        let is_hoarding = peer.flags.count(FlagKind::StallHoard) > 0;
        let stake = match peer.verdicts.accused_since() {
            Some(since) if peer.hoard.is_alone => Stake::Accused(since),
            None if peer.hoard.is_alone => Stake::Accusation,
            // The guard may act on whoever holds a part of one, or comes back.
            Some(_) => Stake::Share,
            None if is_hoarding => Stake::Share,
            _ => Stake::Little,
        };
        let sharing = &peer.verdicts.sharing;
        // The question is asked again and again, and most have been counted.
        let is_due = sharing.is_due(stalled, stake, due)
            || self.has_come_by_our_way(peer)
            || self.is_cut_due(peer, may_be_fenced_off);
        if !is_due {
            return false;
        }
        // A backend of ours with many connections is no client that may turn out to hold them.
        let is_crowd = peer.direction != Direction::Outbound
            && u64::from(peer.connections.len()) >= self.settings.detect.hoard_connections;
        let is_back = may_be_fenced_off.is_some();
        (stalled > 0 || is_crowd || is_back) && !self.settings.trusted.touch(&peer.address)
    }

    /// Whether a peer that was counted elsewhere alone has connections that come by our way in by now.
    fn has_come_by_our_way(&self, peer: &Peer) -> bool {
        let counted = peer.verdicts.sharing.census(self.clock.now);
        counted.is_some_and(|census| census.is_elsewhere) && self.comes_by_our_way(peer)
    }

    /// Whether anything of a peer does.
    pub(super) fn comes_by_our_way(&self, peer: &Peer) -> bool {
        let mut connections = self.connections.of_peer(peer.connections);
        connections.any(|each| each.is_on_our_way)
    }

    /// Takes what the kernel has said of all connections of a suspect; `None` if it could not be
    /// asked. Connections that are known to be held up are not well, whatever a look shows, and those that are known to
    /// read on are.
    ///
    /// `false` if two more looks are to show the same first.
    pub fn set_census(&mut self, suspect: Suspect, counted: Option<&Counted>) -> bool {
        match suspect {
            Suspect::Peer(peer) => self.set_census_of_peer(peer, counted),
            Suspect::Network(network) => self
                .set_census_of_networks(&[(network, counted)])
                .is_empty(),
        }
    }

    /// The same of networks, all at once: each change of theirs is one of many peers. Returns those of
    /// which two more looks are to show the same first.
    pub fn set_census_of_networks(&mut self, told: &[(Network, Option<&Counted>)]) -> Vec<Network> {
        let now = self.clock.now;
        let mut tracked_in: HashMap<Network, Vec<u32>> = HashMap::new();
        tracked_in.extend(told.iter().map(|(network, _)| (*network, Vec::new())));
        // Whoever reads on is not flagged meanwhile.
        for (slot, peer) in self.peers.iter() {
            let known = Network::above(peer.address).and_then(|above| tracked_in.get_mut(&above));
            known.into_iter().for_each(|slots| slots.push(slot));
        }
        let told = told.iter().map(|(network, counted)| {
            let census = counted.map(|counted| self.set_right(&tracked_in[network], counted));
            (*network, census)
        });
        let told: Vec<_> = told.collect();
        let known = &mut self.suspects.networks;
        known.retain(|_, neighbours| !neighbours.is_forgotten(now));
        let (mut taken, mut unconfirmed) = (HashSet::new(), Vec::new());
        for (network, census) in told {
            if known.entry(network).or_default().observe(census, now) {
                taken.insert(network);
            } else {
                unconfirmed.push(network);
            }
        }
        // Each has peers of its own, and more of either are forgotten.
        let most = self.settings.tables.peers_capacity;
        if let Some(excess) = known.len().checked_sub(most).filter(|excess| *excess > 0) {
            let mut by_age: Vec<_> = known.iter().map(|(n, each)| (each.ask_at(), *n)).collect();
            by_age.sort_unstable();
            for (_, network) in by_age.into_iter().take(excess) {
                known.remove(&network);
            }
        }
        for slot in taken.iter().flat_map(|network| &tracked_in[network]) {
            if self.suspects.flagged.contains(slot) {
                self.renew_verdict(*slot);
            }
        }
        unconfirmed
    }

    /// Connections of a peer that were well at two pairs of looks, as the kernel has told last.
    #[must_use]
    pub fn others_of(&self, peer: PeerAddress) -> u64 {
        let census = self.peers.find(&peer).and_then(|slot| {
            let sharing = &self.peers.get(slot).verdicts.sharing;
            sharing.census(self.clock.now)
        });
        census.and_then(|census| census.well_before).unwrap_or(0)
    }

    fn set_census_of_peer(&mut self, peer: PeerAddress, counted: Option<&Counted>) -> bool {
        let Some(slot) = self.peers.find(&peer) else {
            return true;
        };
        let now = self.clock.now;
        let census = counted.map(|counted| self.set_right(&[slot], counted));
        let peer = self.peers.get_mut(slot);
        let is_taken = peer.verdicts.sharing.observe(census, now);
        if is_taken && (peer.flags.is_any() || peer.verdicts.is_accused()) {
            self.renew_verdict(slot);
        }
        is_taken
    }
}

/// Whether a stalled connection may be one of a hoard that the peer is accused of.
fn is_held(class: StallClass) -> bool {
    !class.is_outbound() && class != StallClass::Unresponsive
}

/// Connections that we opened and that the peer holds.
fn held_of_ours(peer: &Peer) -> u64 {
    let held = peer.account.stalls.of(StallClass::OutboundBlocked);
    held.stalled_connections
}
