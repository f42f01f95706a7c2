//! Raises and clears flags, renews verdicts, writes events.

use super::Engine;
use crate::ledger::seconds;
use crate::observe::peer_address::Network;
use crate::rules::shrink;
use crate::rules::stall::StallClass;
use crate::tables::connections::Connection;
use crate::tables::peers::Peer;
use crate::time::MonotonicTime;
use detector_api::snapshot::{Event, EventType, FlagKind, Severity, Source};
use std::collections::BTreeMap;

impl Engine {
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
        let peer_slot = connection.peer;
        let is_silent = connection.stall.class() == Some(StallClass::Unresponsive);
        let peer = self.peers.get_mut(peer_slot);
        if !connection.flags.standing.contains(kind) {
            connection.flags.standing.insert(kind);
            peer.flags.add(kind, now);
            self.flagged.insert(peer_slot);
        }
        self.events.flags_raised[kind as usize] += 1;
        let network = Network::of(peer.address.address());
        match kind {
            FlagKind::WindowShrink => self.symptoms.shrinking.note(network, now),
            FlagKind::Unanswered if is_silent => self.symptoms.silent.note(network, now),
            _ => {}
        }
        self.renew_verdict(peer_slot);
        if self.may_write(peer_slot) {
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
                self.flagged.insert(peer_slot);
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
        let peer = self.peers.get_mut(peer_slot);
        if peer.events.of_peer.spend(self.clock.now) {
            let evidence = self.hoard_evidence(peer_slot);
            self.write(peer_slot, None, event, KIND, evidence);
        } else {
            self.events.suppressed += 1;
        }
    }

    /// Whether the peer may cause an event now; one that may not is counted.
    pub(super) fn may_write(&mut self, peer_slot: u32) -> bool {
        let peer = self.peers.get_mut(peer_slot);
        let may = peer.events.of_connections.spend(self.clock.now);
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
    fn hoard_evidence(&self, peer_slot: u32) -> Vec<(&'static str, f64)> {
        let peer = self.peers.get(peer_slot);
        let blocked = peer.account.stalls.sum(StallClass::is_blocked_by_peer);
        let usage = peer.account.usage();
        let drain = peer.drain_bytes_per_second;
        let mut evidence = vec![
            ("stalled_connections", number(usage.stalled_connections)),
            ("holding_connections", number(blocked.stalled_connections)),
            ("pinned_bytes", number(usage.pinned_bytes)),
            ("drain_bytes_per_second", number(drain)),
        ];
        if let Some(network) = peer.hoard.network(peer.address, &self.groups) {
            evidence.extend([
                ("network_peers", number(network.peers)),
                (
                    "network_connections",
                    number(network.usage.stalled_connections),
                ),
                ("network_pinned_bytes", number(network.usage.pinned_bytes)),
            ]);
        }
        if let Some(alike) = peer.hoard.same_fingerprint(&self.groups) {
            evidence.extend([
                ("alike_peers", number(alike.peers)),
                ("alike_connections", number(alike.usage.stalled_connections)),
                ("alike_pinned_bytes", number(alike.usage.pinned_bytes)),
            ]);
        }
        evidence
    }

    pub(super) fn write_of_connection(
        &mut self,
        slot: u32,
        event: EventType,
        kind: FlagKind,
        lasted_ns: Option<u64>,
    ) {
        let connection = self.connections.get(slot);
        let mut evidence = connection_evidence(connection, kind, self.clock.now);
        if let Some(lasted_ns) = lasted_ns {
            evidence.push(("episode_seconds", seconds(u128::from(lasted_ns))));
        }
        self.write(connection.peer, Some(slot), event, kind, evidence);
    }

    fn write(
        &mut self,
        peer_slot: u32,
        slot: Option<u32>,
        event: EventType,
        kind: FlagKind,
        evidence: Vec<(&'static str, f64)>,
    ) {
        let peer = self.peers.get(peer_slot);
        let connection = slot.map(|slot| self.connections.get(slot));
        let id = connection.map(|connection| connection.last.id.unpack());
        self.events.push(Event {
            id: 0,
            time: self.clock.rfc3339(self.clock.now),
            event,
            kind,
            verdict: peer.verdicts.verdict(),
            severity: self.severity(peer),
            peer: peer.address.to_string(),
            local: id.map(|id| id.local.to_string()),
            remote: id.map(|id| id.remote.to_string()),
            netns: id.map(|id| id.netns),
            evidence: evidence
                .into_iter()
                .map(|(name, number)| (name.to_owned(), number))
                .collect::<BTreeMap<_, _>>(),
            source: connection.map_or(Source::Both, |each| each.source),
        });
    }
}

/// Numbers that a flag on a connection rests on.
fn connection_evidence(
    connection: &Connection,
    kind: FlagKind,
    now: MonotonicTime,
) -> Vec<(&'static str, f64)> {
    let last = &connection.last;
    let mut evidence = vec![
        ("window_bytes", f64::from(last.window_bytes)),
        ("queued_bytes", f64::from(last.queued_bytes())),
        ("in_flight_bytes", f64::from(last.in_flight_bytes())),
        ("pinned_bytes", number(last.pinned_bytes())),
    ];
    match kind {
        FlagKind::WindowShrink => {
            let shrinks = connection.booked.totals().shrinks;
            let retracted_bytes = shrink::retracted_bytes(last);
            evidence.extend([
                ("retracted_bytes", f64::from(retracted_bytes)),
                ("retracted_max_bytes", f64::from(last.retracted_max_bytes)),
                ("window_shift", f64::from(last.window_shift)),
                ("shrinks_polite", number(shrinks.polite)),
                ("shrinks_below_flight", number(shrinks.below_flight)),
                ("shrinks_treason", number(shrinks.treason)),
            ]);
        }
        FlagKind::TinyWindow => evidence.extend([
            ("max_window_bytes", f64::from(last.max_window_bytes)),
            ("mss_bytes", f64::from(last.mss_bytes)),
        ]),
        FlagKind::Dribble => {
            let since = connection.pace.dribbling_since().unwrap_or(now);
            let pace = connection.pace.bytes_per_second();
            evidence.extend([
                ("drain_bytes_per_second", number(pace)),
                ("drain_seconds", connection.pace.drain_seconds(last)),
                ("stalled_seconds", now.since_seconds(since)),
            ]);
        }
        _ => evidence.extend([
            (
                "stalled_seconds",
                now.since_seconds(connection.stall.since()),
            ),
            ("backoff", f64::from(last.backoff)),
            ("timeouts", f64::from(last.timeouts)),
            (
                "retransmits_unanswered",
                f64::from(last.retransmits_unanswered),
            ),
            ("probes_unanswered", f64::from(last.probes_unanswered)),
        ]),
    }
    if kind == FlagKind::Unanswered && connection.pace.crawling_since().is_some() {
        let pace = number(connection.pace.bytes_per_second());
        evidence.push(("drain_bytes_per_second", pace));
    }
    evidence
}

#[allow(clippy::cast_precision_loss, reason = "shown, and exact below 2^53")]
pub(super) const fn number(value: u64) -> f64 {
    value as f64
}
