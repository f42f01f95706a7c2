//! Hoards of many peers: of one network, or of connections with one fingerprint.
//!
//! Groups are looked at from their members, each time one of those is judged: so a change of a large
//! group costs nothing at once, and reaches each member with its next observation.
//!
//! What comes by this host's way in and what is held elsewhere go apart: in a network of his own anybody may play
//! the neighbours of a peer, or its like.

use super::groups::{Group, Groups};
use crate::observe::peer_address::{Network, PeerAddress};
use crate::rules::fingerprint::Fingerprint;
use crate::rules::pace::Pace;
use crate::rules::stall::{StallChange, StallClass};
use crate::settings::DetectSettings;

/// In which groups a peer accuses nobody, itself included. What it costs there counts everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spared {
    /// It counts as any other.
    Nowhere,
    /// As many others of its network behave: what it has in common with those it is alike is that.
    AmongAlike,
    /// It shares its address with others who behave, or is trusted: it accuses no neighbours.
    Everywhere,
}

/// The groups of peers that can hoard together.
#[derive(Debug, Default)]
pub(crate) struct PeerGroups {
    /// Each by whether it is what comes by our way in.
    networks: Groups<(bool, Network)>,
    fingerprints: Groups<Fingerprint>,
}

impl PeerGroups {
    /// How often a group has begun or ceased to hoard.
    const fn changes(&self) -> u64 {
        self.networks.changes() + self.fingerprints.changes()
    }

    /// Counts anew with other thresholds.
    pub(crate) fn reconfigure(&mut self, settings: &DetectSettings) {
        self.networks.reconfigure(settings);
        self.fingerprints.reconfigure(settings);
    }

    /// Has a peer accuse nobody from now on, or count as any other.
    pub(crate) fn spare(&mut self, peer_slot: u32, spared: Spared, settings: &DetectSettings) {
        let in_networks = spared == Spared::Everywhere;
        let in_fingerprints = spared != Spared::Nowhere;
        self.networks.spare(peer_slot, in_networks, settings);
        self.fingerprints
            .spare(peer_slot, in_fingerprints, settings);
    }

    /// Counts a connection otherwise for the groups that it and its peer belong to.
    pub(crate) fn change(
        &mut self,
        member: Member,
        fingerprint: Option<Fingerprint>,
        change: &StallChange,
        settings: &DetectSettings,
    ) {
        let Some((before, after)) = change.blocked_usage() else {
            return;
        };
        let Member {
            peer_slot,
            peer,
            is_on_our_way,
        } = member;
        if let Some(network) = Network::above(peer) {
            let key = (is_on_our_way, network);
            self.networks
                .change((key, peer_slot), before, after, settings);
        }
        for span in spans(fingerprint) {
            self.fingerprints
                .change((span, peer_slot), before, after, settings);
        }
    }

    /// What the network above a peer costs on our way or elsewhere, if anything is blocked in it there.
    pub(crate) fn network_above(&self, is_on_our_way: bool, peer: PeerAddress) -> Option<&Group> {
        self.networks.get((is_on_our_way, Network::above(peer)?))
    }

    /// What the connections of a fingerprint cost, if any of them is blocked.
    pub(crate) fn fingerprint(&self, fingerprint: Fingerprint) -> Option<&Group> {
        self.fingerprints.get(fingerprint)
    }

    /// The fingerprint under which most connections hoard, if any do; first one that accuses.
    fn hoarding_fingerprint(&self, fingerprint: Option<Fingerprint>) -> Option<Fingerprint> {
        let hoarding = spans(fingerprint).filter_map(|span| {
            let group = self.fingerprints.get(span)?;
            let all = group.all.hoarding()?;
            Some((group.accusable.hoards, all.usage.stalled_connections, span))
        });
        let most = hoarding.max_by_key(|(accuses, connections, _)| (*accuses, *connections));
        most.map(|(_, _, span)| span)
    }
}

/// Whose connection is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) peer_slot: u32,
    pub(crate) peer: PeerAddress,
    /// Whether the connection comes by our way in.
    pub(crate) is_on_our_way: bool,
}

fn spans(fingerprint: Option<Fingerprint>) -> impl Iterator<Item = Fingerprint> {
    fingerprint.into_iter().flat_map(Fingerprint::spans)
}

/// What ties one connection to others.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    /// What it has in common with others; kept for as long as it is below the drain floor.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Whether it was, when it was looked at for its peer's hoard.
    is_blocked: bool,
    /// Whether it is counted with those of the same fingerprint, and they hoard.
    is_in_group: bool,
    /// How often groups had changed when it was looked at for that.
    groups_seen: u64,
}

impl Membership {
    /// Takes over how the connection is counted now; returns the fingerprint that it had.
    pub(crate) fn count(&mut self, change: &StallChange, pace: &Pace) -> Option<Fingerprint> {
        let had = self.fingerprint;
        let is_blocked = change
            .after
            .is_some_and(|stalled| stalled.class.is_blocked_by_peer());
        if !is_blocked && !pace.is_below_floor {
            self.fingerprint = None;
        }
        had
    }

    /// Looks at the groups, where they have changed or the connection `is_counted` otherwise.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        (class, is_on_our_way): (Option<StallClass>, bool),
        groups: &PeerGroups,
        is_counted: bool,
    ) -> Option<Joined> {
        let changes = groups.changes();
        if std::mem::replace(&mut self.groups_seen, changes) == changes && !is_counted {
            return None;
        }
        let is_blocked = class.is_some_and(StallClass::is_blocked_by_peer);
        let was_blocked = std::mem::replace(&mut self.is_blocked, is_blocked);
        let group = groups.hoarding_fingerprint(self.fingerprint.filter(|_| is_blocked));
        let was_in_group = std::mem::replace(&mut self.is_in_group, group.is_some());
        Some(Joined {
            is_on_our_way,
            was_blocked,
            is_blocked,
            was_in_group,
            group,
        })
    }
}

/// Whether a connection was and is blocked, and counted with others of the same fingerprint that hoard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    pub(super) is_on_our_way: bool,
    pub(super) was_blocked: bool,
    pub(super) is_blocked: bool,
    pub(super) was_in_group: bool,
    pub(super) group: Option<Fingerprint>,
}
