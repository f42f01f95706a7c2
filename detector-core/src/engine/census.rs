//! Which peers are suspects, so that the kernel is to be asked for all their connections, and what
//! it has said.

use super::Engine;
use crate::observe::census::{Census, Ends};
use crate::observe::peer_address::PeerAddress;
use crate::rules::hoard::is_hoarding;
use crate::rules::stall::StallClass;
use crate::tables::peers::Peer;
use crate::time::SECOND_NS;
use std::collections::{BTreeSet, HashSet};

/// A connection that has taken nothing for so long is not well, though it filled its first window
/// between two looks.
const HELD_UP_NS: u64 = SECOND_NS;

/// A suspect whose connections are to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CensusWanted {
    /// Who.
    pub peer: PeerAddress,
    /// Network namespaces in which it has connections.
    pub namespaces: Vec<u32>,
}

/// What two looks of the kernel's show of one suspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The numbers.
    pub census: Census,
    /// Which connections are well.
    pub well: HashSet<Ends>,
}

impl Engine {
    /// Suspects that are to be counted now: as soon as connections are stalled that could be a hoard,
    /// alone or with other peers', and peers with so many tracked connections even before, so that
    /// the answer is there before a verdict is.
    #[must_use]
    pub fn census_wanted(&self) -> Vec<CensusWanted> {
        // No peer and no group holds more than all together.
        let may_hoard = is_hoarding(self.host.usage(), true, &self.settings.detect);
        let stalled = self.flagged.iter().filter(|_| may_hoard);
        let peers = stalled.chain(self.crowds.difference(&self.flagged));
        let peers = peers.map(|slot| self.peers.get(*slot));
        let suspects = peers.filter(|peer| self.is_suspect(peer));
        let wanted = suspects.map(|peer| {
            let connections = self.connections.of_peer(peer.connections);
            let namespaces: BTreeSet<u32> = connections.map(|each| each.last.id.netns()).collect();
            CensusWanted {
                peer: peer.address,
                namespaces: namespaces.into_iter().collect(),
            }
        });
        wanted.collect()
    }

    fn is_suspect(&self, peer: &Peer) -> bool {
        let held = |class: StallClass| !class.is_outbound() && class != StallClass::Unresponsive;
        peer.verdicts.sharing.is_due(self.clock.now)
            && (peer.account.stalls.sum(held).stalled_connections > 0
                || u64::from(peer.connections.len()) >= self.settings.detect.hoard_connections)
            && !self.settings.trusted.touch(&peer.address)
    }

    /// Takes what the kernel has said of all connections of a suspect; `None` if it could not be
    /// asked. Connections that are known to be held up are not well, whatever a look shows.
    pub fn set_census(&mut self, peer: PeerAddress, counted: Option<&Counted>) {
        let Some(slot) = self.peers.find(&peer) else {
            return;
        };
        let now = self.clock.now;
        let census = counted.map(|counted| {
            let connections = self.connections.of_peer(self.peers.get(slot).connections);
            let held_up = connections.filter(|each| {
                let since = each.progress.held_up_since;
                let is_old = since.is_some_and(|since| now.since_ns(since) >= HELD_UP_NS);
                is_old || each.stall.cause().is_some()
            });
            let held_up = held_up.filter(|each| {
                let id = each.last.id.unpack();
                counted.well.contains(&Ends {
                    netns: id.netns,
                    local: id.local,
                    remote: id.remote,
                })
            });
            let not_well = held_up.count() as u64;
            Census {
                well: counted.census.well.saturating_sub(not_well),
                ..counted.census
            }
        });
        let peer = self.peers.get_mut(slot);
        peer.verdicts.sharing.observe(census, now);
        if peer.flags.is_any() {
            self.renew_verdict(slot);
        }
    }
}
