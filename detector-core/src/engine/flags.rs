//! Raises and clears flags, renews verdicts, writes events.

use super::Engine;
use crate::ledger::seconds;
use crate::observe::observation::Observation;
use crate::observe::peer_address::Network;
use crate::rules::{dribble, hoard, shrink};
use crate::tables::connections::{Connection, StallClass};
use crate::tables::peers::Peer;
use crate::time::MonotonicTime;
use detector_api::snapshot::{Event, EventType, FlagKind, Severity, Source};
use std::collections::BTreeMap;

impl Engine {
    /// Raises or clears a flag of a connection; nothing if it stands so already.
    pub(super) fn set_flag(&mut self, slot: u32, kind: FlagKind, is_on: bool) {
        match (self.connections.get(slot).flags.contains(kind), is_on) {
            (false, true) => self.raise(slot, kind),
            (true, false) => self.clear(slot, kind),
            _ => {}
        }
    }

    /// Raises a flag. One that stands already is raised again, for an escalation.
    pub(super) fn raise(&mut self, slot: u32, kind: FlagKind) {
        let connection = self.connections.get_mut(slot);
        let peer_slot = connection.peer;
        let is_silent = connection.stall_class == StallClass::Unresponsive;
        let peer = self.peers.get_mut(peer_slot);
        if !connection.flags.contains(kind) {
            connection.flags.insert(kind);
            peer.add_flag(kind, self.clock);
            self.flagged.insert(peer_slot);
        }
        self.flags_raised[kind as usize] += 1;
        let network = Network::of(peer.address.address());
        match kind {
            FlagKind::WindowShrink => self.shrinking.note(network, self.clock),
            FlagKind::Unanswered if is_silent => self.silent.note(network, self.clock),
            _ => {}
        }
        self.renew_verdict(peer_slot);
        if self.may_write(peer_slot) {
            self.connections.get_mut(slot).announced.insert(kind);
            self.write_of_connection(slot, EventType::Flag, kind, None);
        }
    }

    fn clear(&mut self, slot: u32, kind: FlagKind) {
        let connection = self.connections.get_mut(slot);
        let peer_slot = connection.peer;
        connection.flags.remove(kind);
        self.peers.get_mut(peer_slot).remove_flag(kind, self.clock);
        self.renew_verdict(peer_slot);
        let announced = &mut self.connections.get_mut(slot).announced;
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
            if peer.flags_now[KIND as usize] == 0 {
                peer.add_flag(KIND, self.clock);
                self.flagged.insert(peer_slot);
            }
            self.flags_raised[KIND as usize] += 1;
        } else {
            peer.remove_flag(KIND, self.clock);
        }
        self.renew_verdict(peer_slot);
        let event = if is_on {
            EventType::Flag
        } else {
            EventType::Cleared
        };
        let peer = self.peers.get_mut(peer_slot);
        if peer.hoard_allowance.spend(self.clock) {
            let evidence = self.hoard_evidence(peer_slot);
            self.write(peer_slot, None, event, KIND, evidence);
        } else {
            self.events_suppressed += 1;
        }
    }

    /// Tells that the zero-window episode of a connection ended at `at`, if it lasted as long as
    /// a stall. Shorter ones are counted only: a busy server has thousands a second.
    ///
    /// `last` is the observation that shows the end, if one does.
    pub(super) fn end_episode(&mut self, slot: u32, at: MonotonicTime, last: Option<&Observation>) {
        let connection = self.connections.get(slot);
        let Some(since) = connection.last.harmful_since else {
            return;
        };
        let is_same_generation = last.is_some_and(|last| {
            last.generation.is_some() && last.generation == connection.last.generation
        });
        let finished_ns = last.filter(|_| is_same_generation).map_or(0, |last| {
            let before_ns = connection.last.zero_window_ns;
            last.totals.zero_window_ns.saturating_sub(before_ns)
        });
        let lasted_ns = if finished_ns > 0 {
            finished_ns
        } else {
            at.since_ns(since)
        };
        let peer_slot = connection.peer;
        if lasted_ns >= self.detect.stall_after_ns.max(1) && self.may_write(peer_slot) {
            const KIND: FlagKind = FlagKind::ZeroWindowStall;
            self.write_of_connection(slot, EventType::Episode, KIND, Some(lasted_ns));
        }
    }

    /// Whether the peer may cause an event now; one that may not is counted.
    fn may_write(&mut self, peer_slot: u32) -> bool {
        let peer = self.peers.get_mut(peer_slot);
        let may = peer.allowance.spend(self.clock);
        if !may {
            self.events_suppressed += 1;
        }
        may
    }

    /// How much a peer matters: by what it holds firmly or silently, and a warning at least where
    /// it takes part in a hoard of many, or keeps the memory of a hoard for long. A reader that
    /// drains, if slowly, costs no more than others do.
    pub(super) fn severity(&self, peer: &Peer) -> Severity {
        let burden = peer.burden;
        let own = hoard::severity(
            burden.stalled_connections,
            burden.pinned_bytes,
            &self.detect,
        );
        let is_lasting = peer.lasting.pinned_bytes >= self.detect.hoard_bytes;
        if peer.is_one_of_many() || is_lasting {
            own.max(Severity::Warning)
        } else {
            own
        }
    }

    /// Numbers that a hoard flag rests on.
    fn hoard_evidence(&self, peer_slot: u32) -> Vec<(&'static str, f64)> {
        let peer = self.peers.get(peer_slot);
        let held = peer.account.held;
        let drain = peer.drain_bytes_per_second;
        let mut evidence = vec![
            ("stalled_connections", number(held.stalled_connections)),
            ("holding_connections", number(peer.grip.stalled_connections)),
            ("pinned_bytes", number(held.pinned_bytes)),
            ("drain_bytes_per_second", number(drain)),
        ];
        if let Some(network) = self.network_evidence(peer) {
            evidence.extend([
                ("network_peers", number(network.peers)),
                ("network_connections", number(network.connections)),
                ("network_pinned_bytes", number(network.pinned_bytes)),
            ]);
        }
        if let Some(alike) = self.alike_evidence(peer) {
            evidence.extend([
                ("alike_peers", number(alike.peers)),
                ("alike_connections", number(alike.connections)),
                ("alike_pinned_bytes", number(alike.pinned_bytes)),
            ]);
        }
        evidence
    }

    fn write_of_connection(
        &mut self,
        slot: u32,
        event: EventType,
        kind: FlagKind,
        lasted_ns: Option<u64>,
    ) {
        let connection = self.connections.get(slot);
        let mut evidence = connection_evidence(connection, kind, self.clock);
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
            time: self.wall.rfc3339(self.clock),
            event,
            kind,
            verdict: peer.verdict(),
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
    clock: MonotonicTime,
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
            let shrinks = connection.totals().shrinks;
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
            let since = connection.dribbling_since.unwrap_or(clock);
            let pace = connection.pace_bytes_per_second;
            evidence.extend([
                ("drain_bytes_per_second", number(pace)),
                (
                    "drain_seconds",
                    dribble::drain_seconds(last.queued_bytes(), pace),
                ),
                ("stalled_seconds", clock.since_seconds(since)),
            ]);
        }
        _ => evidence.extend([
            (
                "stalled_seconds",
                clock.since_seconds(connection.stalled_since),
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
    if kind == FlagKind::Unanswered && connection.crawling_since.is_some() {
        let pace = number(connection.pace_bytes_per_second);
        evidence.push(("drain_bytes_per_second", pace));
    }
    evidence
}

#[allow(clippy::cast_precision_loss, reason = "shown, and exact below 2^53")]
pub(super) const fn number(value: u64) -> f64 {
    value as f64
}
