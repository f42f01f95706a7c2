//! What the guard may act on, and the events of what it did.

use super::Engine;
use crate::guard::{GuardSuspect, StalledConnection};
use crate::observe::peer_address::PeerAddress;
use crate::rules::stall::StallClass;
use crate::tables::connections::Connection;
use crate::tables::peers::Peer;
use detector_api::snapshot::{Event, EventType, FlagKind, GuardStep, Verdict};

impl Engine {
    /// Kernel memory that stalled connections hold which peers have opened on our way: memory is the whole
    /// host's, and anybody who lays out a network of his own holds some there.
    #[must_use]
    pub fn pinned_by_peers(&self) -> u64 {
        // One that nobody answers is of the same class whoever has opened it.
        let stalled = self.connections.iter().filter(|each| {
            each.stall.cause().is_some() && each.is_on_our_way && self.may_press(each)
        });
        stalled.map(|each| each.last.pinned_bytes()).sum()
    }

    /// Peers that are accused of an attack, or hoard, with those of their connections that are below
    /// the drain floor. None of trusted networks. Where `services` alone are
    /// pressed, of peers that are not accused only what those own: to reset more would help nobody.
    #[must_use]
    pub fn guard_suspects(&self, services: Option<&[String]>) -> Vec<GuardSuspect> {
        let flagged = self
            .suspects
            .flagged
            .iter()
            .map(|slot| self.peers.get(*slot));
        let untrusted = flagged.filter(|peer| !self.settings.trusted.touch(&peer.address));
        let suspects = untrusted.filter_map(|peer| self.guard_suspect(peer, services));
        suspects.collect()
    }

    fn guard_suspect(&self, peer: &Peer, services: Option<&[String]>) -> Option<GuardSuspect> {
        let verdict = peer.verdicts.verdict();
        let now = self.clock.now;
        let is_attack = matches!(
            verdict,
            Some(Verdict::ZeroWindowAttack | Verdict::SlowReadAttack)
        );
        let sharing = &peer.verdicts.sharing;
        let is_accused = is_attack && !sharing.has_others(now);
        if !is_accused && peer.flags.count(FlagKind::StallHoard) == 0 {
            return None;
        }
        let is_shared = !is_accused && self.may_be_shared(peer);
        let is_below_floor = |connection: &&Connection| {
            // One that was never read may be about to start, unless its peer is accused.
            connection.stall.class().is_some_and(|class| {
                class.is_blocked_by_peer() || (is_accused && class == StallClass::NeverRead)
            })
        };
        let services = services.filter(|_| !is_accused);
        let is_pressed = |connection: &&Connection| {
            services.is_none_or(|services| {
                let mut services = services.iter();
                services.any(|service| is_owned_by(connection, service))
            })
        };
        let stalled = self.connections.of_peer(peer.connections);
        let stalled = stalled
            .filter(|connection| connection.stall.cause().is_some())
            .filter(is_below_floor)
            .filter(is_pressed);
        let stalled: Vec<_> = stalled
            .map(|connection| StalledConnection {
                connection: connection.last.id.unpack(),
                first_seen: connection.first_seen,
                since: connection.stall.since,
                pinned_bytes: connection.last.pinned_bytes(),
                is_on_our_way: connection.is_on_our_way,
            })
            .collect();
        let census = sharing.census_lately(now);
        (!stalled.is_empty()).then(|| GuardSuspect {
            peer: peer.address,
            is_accused,
            is_shared,
            well: census.and_then(|census| census.would_be_cut),
            stalled,
        })
    }

    /// Whether a peer that is not accused shares its address, or what it holds with a network, with others
    /// who behave, now or over the past hours; or the kernel has not told of them lately; or it holds no hoard but
    /// what it costs together with those who are spared.
    fn may_be_shared(&self, peer: &Peer) -> bool {
        let evidence = self.evidence(peer);
        let accuses_itself =
            peer.hoard.is_alone || evidence.network.is_some() || evidence.alike.is_some();
        !accuses_itself
            || evidence.is_shared()
            || evidence.neighbours_behave()
            || !evidence.is_counted()
    }

    /// Writes down, as an event, what the guard has done to a peer, or would have.
    pub fn record_guard_step(&mut self, peer: PeerAddress, step: GuardStep) {
        if let Some(slot) = self.peers.find(&peer) {
            let evidence = self.hoard_evidence(slot);
            let event = self.event(slot, None, EventType::Guard, evidence);
            self.events.push(Event {
                guard: Some(step),
                ..event
            });
        }
    }
}

/// Whether a process of this service holds the socket.
fn is_owned_by(connection: &Connection, service: &str) -> bool {
    let mut owner = connection.owner.iter().flat_map(|owner| owner.iter());
    owner.any(|owner| *owner.service == *service)
}
