//! Raises and clears flags, renews verdicts, writes events.

use super::Engine;
use crate::ledger::seconds;
use crate::observe::peer_address::Network;
use crate::observe::state::State;
use crate::rules::stall::StallClass;
use crate::rules::{shrink, tiny_window};
use crate::tables::connections::Connection;
use crate::tables::peers::Peer;
use crate::time::MonotonicTime;
use crate::verdict::GroupEvidence;
use detector_api::snapshot::{
    ConnectionNumbers, DribbleEvidence, Event, EventType, FlagEvidence, FlagKind, HoardEvidence,
    Numbers, Severity, ShrinkEvidence, Source, StallEvidence, TinyWindowEvidence,
    UnansweredEvidence, ZeroWindowEvidence,
};

/// Flags that the newest state of a connection raises and clears by itself; with nothing worse
/// beside them they make the peer a slow client.
pub(super) const OF_STATE: &[(FlagKind, Condition)] =
    &[(FlagKind::TinyWindow, tiny_window::is_tiny)];

type Condition = fn(&State) -> bool;

impl Engine {
    /// Raises and clears the flags of a connection that its newest state decides.
    pub(super) fn flag_state(&mut self, slot: u32) {
        for (kind, holds) in OF_STATE {
            let is_on = holds(&self.connections.get(slot).last);
            self.set_flag(slot, *kind, is_on);
        }
    }

    /// Raises or clears a flag of a connection; nothing if it stands so already.
    pub(super) fn set_flag(&mut self, slot: u32, kind: FlagKind, is_on: bool) {
        match (
            self.connections.get(slot).flags.standing.contains(kind),
            is_on,
        ) {
            (false, true) => self.raise(slot, kind),
            (true, false) => self.clear(slot, kind),
            _ => {}
        }
    }

    /// Raises a flag. One that stands already is raised again, for an escalation.
    pub(super) fn raise(&mut self, slot: u32, kind: FlagKind) {
        let now = self.clock.now;
        let connection = self.connections.get_mut(slot);
        let (peer_slot, is_on_our_way) = (connection.peer, connection.is_on_our_way);
        let is_silent = connection.stall.class().is_some_and(StallClass::is_silent);
        let peer = self.peers.get_mut(peer_slot);
        if !connection.flags.standing.contains(kind) {
            connection.flags.standing.insert(kind);
            peer.flags.add(kind, now);
            self.suspects.flagged.insert(peer_slot);
        }
        self.events.flags_raised[kind as usize] += 1;
        let network = Network::of(peer.address.address());
        match kind {
            // Of what is sick on our way it tells nothing.
            _ if !is_on_our_way => {}
            FlagKind::WindowShrink => self.symptoms.shrinking.note(network, now),
            FlagKind::Unanswered if is_silent => self.symptoms.silent.note(network, now),
            _ => {}
        }
        self.renew_verdict(peer_slot);
        if self.may_write(slot) {
            self.connections.get_mut(slot).flags.announced.insert(kind);
            self.write_of_connection(slot, EventType::Flag, kind, None);
        }
    }

    fn clear(&mut self, slot: u32, kind: FlagKind) {
        let connection = self.connections.get_mut(slot);
        let peer_slot = connection.peer;
        connection.flags.standing.remove(kind);
        let peer = self.peers.get_mut(peer_slot);
        peer.flags.remove(kind, self.clock.now);
        self.renew_verdict(peer_slot);
        let announced = &mut self.connections.get_mut(slot).flags.announced;
        if announced.contains(kind) {
            announced.remove(kind);
            self.write_of_connection(slot, EventType::Cleared, kind, None);
        }
    }

    /// Raises or clears the hoard flag of a peer; one that stands may be raised again.
    pub(super) fn flag_hoard(&mut self, peer_slot: u32, is_on: bool) {
        const KIND: FlagKind = FlagKind::StallHoard;
        let peer = self.peers.get_mut(peer_slot);
        if is_on {
            if peer.flags.count(KIND) == 0 {
                peer.flags.add(KIND, self.clock.now);
                self.suspects.flagged.insert(peer_slot);
            }
            self.events.flags_raised[KIND as usize] += 1;
        } else {
            peer.flags.remove(KIND, self.clock.now);
        }
        self.renew_verdict(peer_slot);
        let event = if is_on {
            EventType::Flag
        } else {
            EventType::Cleared
        };
        let now = self.clock.now;
        let peer = self.peers.get_mut(peer_slot);
        let may = peer.events.of_peer.spend(now);
        let is_on_our_way = may && self.comes_by_our_way(self.peers.get(peer_slot));
        if may && self.events.allow(is_on_our_way, now) {
            let evidence = self.hoard_evidence(peer_slot);
            self.write(peer_slot, None, event, evidence);
        } else {
            self.events.suppressed += 1;
        }
    }

    /// Whether the connection may cause an event now; one that may not is counted.
    pub(super) fn may_write(&mut self, slot: u32) -> bool {
        let now = self.clock.now;
        let connection = self.connections.get(slot);
        let peer = self.peers.get_mut(connection.peer);
        let may = peer.events.of_connections.spend(now)
            && self.events.allow(connection.is_on_our_way, now);
        if !may {
            self.events.suppressed += 1;
        }
        may
    }

    /// How much a peer matters.
    pub(super) fn severity(&self, peer: &Peer) -> Severity {
        let stalls = &peer.account.stalls;
        peer.hoard.severity(stalls, &self.settings.detect)
    }

    /// Numbers that a hoard flag rests on.
    pub(super) fn hoard_evidence(&self, peer_slot: u32) -> FlagEvidence {
        let peer = self.peers.get(peer_slot);
        let network = peer.hoard.network(peer.address, &self.groups);
        let alike = peer.hoard.same_fingerprint(&self.groups);
        let stalls = &peer.account.stalls;
        let holding = stalls.sum(StallClass::is_blocked_by_peer) + peer.hoard.never_read(stalls);
        let usage = peer.account.usage();
        FlagEvidence::StallHoard(HoardEvidence {
            network: network.map(|group| GroupEvidence::of(&group.all).network()),
            alike: alike.map(|group| GroupEvidence::of(&group.all).alike()),
            stalled_connections: usage.stalled_connections,
            holding_connections: holding.stalled_connections,
            pinned_bytes: usage.pinned_bytes,
            drain_bytes_per_second: peer.drain_bytes_per_second,
        })
    }

    pub(super) fn write_of_connection(
        &mut self,
        slot: u32,
        event: EventType,
        kind: FlagKind,
        lasted_ns: Option<u64>,
    ) {
        let connection = self.connections.get(slot);
        let lasted_seconds = lasted_ns.map(|ns| seconds(u128::from(ns)));
        let flag = connection_evidence(connection, kind, self.clock.now, lasted_seconds);
        self.write(connection.peer, Some(slot), event, flag);
    }

    fn write(&mut self, peer_slot: u32, slot: Option<u32>, event: EventType, flag: FlagEvidence) {
        let event = self.event(peer_slot, slot, event, flag);
        self.events.push(event);
    }

    pub(super) fn event(
        &self,
        peer_slot: u32,
        slot: Option<u32>,
        event: EventType,
        flag: FlagEvidence,
    ) -> Event {
        let peer = self.peers.get(peer_slot);
        let connection = slot.map(|slot| self.connections.get(slot));
        let id = connection.map(|connection| connection.last.id.unpack());
        Event {
            id: 0,
            time: self.clock.rfc3339(self.clock.now),
            event,
            flag,
            verdict: peer.verdicts.verdict(),
            severity: self.severity(peer),
            peer: peer.address.to_string(),
            local: id.map(|id| id.local.to_string()),
            remote: id.map(|id| id.remote.to_string()),
            netns: id.map(|id| id.netns),
            direction: connection.map_or(peer.direction, |each| each.direction),
            sequence: connection.map(|connection| connection.last.sequence()),
            source: connection.map_or(Source::Both, |each| each.source),
            guard: None,
        }
    }
}

/// Numbers that a flag on a connection rests on; `episode_seconds` is how long an episode lasted
/// that has ended.
fn connection_evidence(
    connection: &Connection,
    kind: FlagKind,
    now: MonotonicTime,
    episode_seconds: Option<f64>,
) -> FlagEvidence {
    let last = &connection.last;
    let numbers = ConnectionNumbers {
        window_bytes: last.window_bytes.into(),
        queued_bytes: last.queued_bytes().into(),
        in_flight_bytes: last.in_flight_bytes().into(),
        pinned_bytes: last.pinned_bytes(),
    };
    let stall = || StallEvidence {
        connection: numbers,
        stalled_seconds: now.since_seconds(connection.stall.since),
        backoff: last.backoff.into(),
        timeouts: last.timeouts.into(),
        retransmits_unanswered: last.retransmits_unanswered.into(),
        probes_unanswered: last.probes_unanswered.into(),
    };
    match kind {
        FlagKind::WindowShrink => {
            let shrinks = connection.booked.totals().shrinks;
            FlagEvidence::WindowShrink(ShrinkEvidence {
                connection: numbers,
                retracted_bytes: shrink::retracted_bytes(last).into(),
                retracted_max_bytes: last.retracted_max_bytes.into(),
                window_shift: last.window_shift.into(),
                shrinks_polite: shrinks.polite,
                shrinks_below_flight: shrinks.below_flight,
                shrinks_treason: shrinks.treason,
            })
        }
        FlagKind::TinyWindow => FlagEvidence::TinyWindow(TinyWindowEvidence {
            connection: numbers,
            max_window_bytes: last.max_window_bytes.into(),
            mss_bytes: last.mss_bytes.into(),
        }),
        FlagKind::Dribble => {
            let since = connection.pace.dribbling_since.unwrap_or(now);
            FlagEvidence::Dribble(DribbleEvidence {
                connection: numbers,
                drain_bytes_per_second: connection.pace.bytes_per_second,
                drain_seconds: connection.pace.drain_seconds(last),
                stalled_seconds: now.since_seconds(since),
            })
        }
        FlagKind::SmallWindowStall => FlagEvidence::SmallWindowStall(stall()),
        FlagKind::Unanswered => {
            let crawling = connection.pace.crawling_since;
            FlagEvidence::Unanswered(UnansweredEvidence {
                stall: stall(),
                head_retransmits: last.head_retransmits.into(),
                drain_bytes_per_second: crawling.map(|_| connection.pace.bytes_per_second),
            })
        }
        FlagKind::ZeroWindowStall => FlagEvidence::ZeroWindowStall(ZeroWindowEvidence {
            stall: stall(),
            episode_seconds,
        }),
        // Stands on a peer, never on a connection: see `hoard_evidence`.
        FlagKind::StallHoard => FlagEvidence::Other {
            kind,
            evidence: Numbers::new(),
        },
    }
}
