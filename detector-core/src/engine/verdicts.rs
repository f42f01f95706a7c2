//! Gathers the evidence of a peer and keeps the verdict that stands.
//!
//! A verdict outlives its evidence for a while, for whoever asks what happened; then it is
//! `benign`, then none. So one bad moment accuses nobody for ever.

use super::Engine;
use crate::ledger::{Counts, seconds};
use crate::observe::observation::{Observation, ShrinkCounts};
use crate::rules::dribble;
use crate::tables::connections::{StallClass, Treason};
use crate::tables::peers::{PathSigns, Peer, Remembered};
use crate::time::{MonotonicTime, SECOND_NS};
use crate::verdict::{self, Finding, PeerEvidence, QUICK_REOPEN_NS, QUIET_NS, Standing};
use detector_api::snapshot::{Assessment, Confidence, FlagKind, Verdict};

impl Engine {
    /// Judges all flagged peers again, after the settings have changed.
    pub(super) fn renew_verdicts(&mut self) {
        let flagged = self.peers.iter().filter(|(_, peer)| peer.is_flagged());
        let flagged: Vec<u32> = flagged.map(|(slot, _)| slot).collect();
        for slot in flagged {
            self.renew_verdict(slot);
        }
    }

    /// Judges a peer after its flags or what it holds have changed.
    pub(super) fn renew_verdict(&mut self, peer_slot: u32) {
        let peer = self.peers.get(peer_slot);
        let found = verdict::judge(&self.evidence(peer));
        let finding = match (found, peer.finding) {
            (Some(found), standing) => Some(keep_accusation(standing, found)),
            (None, standing) => after(peer, standing),
        };
        self.set_finding(peer_slot, finding);
        self.peers.get_mut(peer_slot).path_signs = self.path_signs();
        let deadline = due(self.peers.get(peer_slot));
        self.peers.set_deadline(peer_slot, deadline);
    }

    /// Takes a verdict over, with the moment it was reached if it is new.
    fn set_finding(&mut self, peer_slot: u32, finding: Option<Finding>) {
        let clock = self.clock;
        let peer = self.peers.get_mut(peer_slot);
        let standing = peer.finding;
        peer.finding = finding.map(|finding| {
            let same = standing.filter(|((verdict, _), _)| *verdict == finding.0);
            (finding, same.map_or(clock, |(_, since)| since))
        });
    }

    /// The time of a peer has come: forgets old shrinks and recoveries, lets the verdict go.
    pub(super) fn settle_verdict(&mut self, peer_slot: u32) {
        let clock = self.clock;
        let is_past = |since: MonotonicTime| clock.since_ns(since) >= QUIET_NS;
        let peer = self.peers.get_mut(peer_slot);
        if peer.remembered.shrunk_at.is_some_and(is_past) {
            peer.remembered.shrinks_forgotten = peer.account.counts.shrinks;
            peer.remembered.shrunk_at = None;
            peer.remembered.quick_reopens = 0;
        }
        peer.remembered.recoveries.forget(clock);
        let is_quiet = !peer.is_flagged() && peer.remembered.shrunk_at.is_none();
        match peer.finding {
            Some(((Verdict::Benign, _), since)) if is_quiet && is_past(since) => {
                peer.finding = None;
                peer.remembered = Remembered {
                    shrinks_forgotten: peer.account.counts.shrinks,
                    ..Remembered::default()
                };
            }
            Some(((verdict, _), _))
                if verdict != Verdict::Benign && is_quiet && is_past(peer.quiet_since) =>
            {
                self.set_finding(peer_slot, Some((Verdict::Benign, Confidence::Low)));
            }
            _ => {}
        }
        self.renew_verdict(peer_slot);
        // Never now again: what does not change at its time must not be looked at for ever.
        let soonest = MonotonicTime::from_ns(clock.as_ns().saturating_add(SECOND_NS));
        let deadline = due(self.peers.get(peer_slot)).map(|due| due.max(soonest));
        self.peers.set_deadline(peer_slot, deadline);
    }

    /// Notes shrinks for the verdict, and whether a zero window under data in flight opened again
    /// at once. One that does not is noted by the first record after that time.
    pub(super) fn remember_shrinks(&mut self, slot: u32, new: &Counts, observation: &Observation) {
        let last = &self.connections.get(slot).last;
        let (at, closed_since) = (last.at, last.zero_window_since);
        let finished_ns = last.zero_window_ns;
        let mut quick = 0;
        let mut ended = 0;
        let mut is_settled = false;
        if let Some(treason) = self.connections.get(slot).treason {
            let is_open = closed_since != Some(treason.since);
            let mut closed_ns = at.since_ns(treason.since);
            if is_open || closed_ns > QUICK_REOPEN_NS {
                is_settled = true;
                self.set_treason(slot, None);
            }
            // The record that tells of the opening may come late, and tells how long it took.
            if finished_ns > treason.finished_ns {
                closed_ns = closed_ns.min(finished_ns - treason.finished_ns);
            }
            ended += u64::from(is_open);
            quick += u64::from(is_open && closed_ns <= QUICK_REOPEN_NS);
        }
        if new.shrinks.treason > 0 {
            // All but the last were over before this record was made.
            let treason = closed_since.map(|since| Treason { since, finished_ns });
            self.set_treason(slot, treason);
            // Several at once tell only how long they took together, so they are quick together.
            let over = new.shrinks.treason - u64::from(closed_since.is_some());
            let quick_ns = u128::from(ended + over) * u128::from(QUICK_REOPEN_NS);
            if new.zero_window_ns <= quick_ns {
                quick += over;
            }
        }
        let peer_slot = self.connections.get(slot).peer;
        let remembered = &mut self.peers.get_mut(peer_slot).remembered;
        remembered.quick_reopens = remembered.quick_reopens.saturating_add(quick);
        if new.shrinks != ShrinkCounts::default() {
            self.note_shrunk(peer_slot, observation.at);
        }
        if new.shrinks != ShrinkCounts::default() || is_settled {
            self.renew_verdict(peer_slot);
        }
    }

    /// Notes that a peer has taken window back at that moment.
    pub(super) fn note_shrunk(&mut self, peer_slot: u32, at: MonotonicTime) {
        let remembered = &mut self.peers.get_mut(peer_slot).remembered;
        remembered.shrunk_at = remembered.shrunk_at.max(Some(at));
    }

    /// Notes since when a window taken back has been zero, or that this is over or old.
    pub(super) fn set_treason(&mut self, slot: u32, treason: Option<Treason>) {
        let connection = self.connections.get_mut(slot);
        let was_fresh = connection.treason.is_some();
        connection.treason = treason;
        let peer = self.peers.get_mut(connection.peer);
        peer.fresh_treasons -= u32::from(was_fresh);
        peer.fresh_treasons += u32::from(treason.is_some());
    }

    /// What others show that a verdict may rest on.
    pub(super) fn path_signs(&self) -> PathSigns {
        PathSigns {
            silence: self.silent.networks() >= verdict::CROWD_NETWORKS,
            shrinks: self.shrinking.networks() >= verdict::CROWD_NETWORKS,
            interface_errors: self.interface_errors.sum().errors() >= verdict::INTERFACE_ERRORS,
        }
    }

    /// The weighing of a peer in full.
    pub(super) fn assess(&self, peer: &Peer) -> Assessment {
        let quiet_ns = (!peer.is_flagged()).then(|| self.clock.since_ns(peer.quiet_since));
        let standing = Standing {
            finding: peer.finding,
            quiet_ns,
        };
        let mut evidence = self.evidence(peer);
        self.add_details(peer, &mut evidence);
        verdict::assess(&evidence, standing, self.wall)
    }

    /// What a verdict rests on: constant time.
    fn evidence(&self, peer: &Peer) -> PeerEvidence {
        let held = peer.account.held;
        let ways = |way: StallClass| u64::from(peer.stall_class[way as usize]);
        PeerEvidence {
            detect: self.detect,
            stalled_by_cause: peer.stalled_by_cause.map(u64::from),
            pinned_bytes: held.pinned_bytes,
            drain_bytes_per_second: peer.drain_bytes_per_second,
            holding_connections: peer.grip.stalled_connections,
            holding_pinned_bytes: peer.grip.pinned_bytes,
            silent_connections: ways(StallClass::Unresponsive),
            read_slowly_connections: ways(StallClass::SlowRead),
            outgoing_connections: ways(StallClass::Outbound) + ways(StallClass::OutboundBlocked),
            outgoing_holding_connections: ways(StallClass::OutboundBlocked),
            is_hoarding: peer.is_hoarding,
            is_gripping: peer.is_gripping,
            network: self.network_evidence(peer),
            alike: self.alike_evidence(peer),
            shrunk_connections: u64::from(peer.flags_now[FlagKind::WindowShrink as usize]),
            shrinks: peer.recent_shrinks(),
            quick_reopens: peer.remembered.quick_reopens,
            fresh_treasons: u64::from(peer.fresh_treasons),
            tiny_window_connections: u64::from(peer.flags_now[FlagKind::TinyWindow as usize]),
            recovered_stalls: peer.remembered.recoveries.count(),
            silences_ended: peer.remembered.silences_ended,
            silent_networks: self.silent.networks(),
            shrinking_networks: self.shrinking.networks(),
            interfaces: self.interface_errors.sum(),
            is_trusted: self.trusted.touch(&peer.address),
            ..PeerEvidence::default()
        }
    }

    /// What only the full weighing shows, from each connection.
    fn add_details(&self, peer: &Peer, evidence: &mut PeerEvidence) {
        let mut longest_ns = peer.longest_stall_ns;
        for connection in self.connections.of_peer(peer.connections) {
            let last = &connection.last;
            evidence.granularity_retreats += connection.totals().granularity_retreats;
            evidence.orphan_connections += u64::from(last.is_orphan);
            if connection.stall.is_some() {
                longest_ns = longest_ns.max(self.clock.since_ns(connection.stalled_since));
            }
            if connection.dribbling_since.is_some() {
                let pace = connection.pace_bytes_per_second;
                let seconds = dribble::drain_seconds(last.queued_bytes(), pace);
                evidence.drain_seconds = evidence.drain_seconds.max(seconds);
            }
        }
        evidence.longest_stall_seconds = seconds(u128::from(longest_ns));
    }
}

const fn is_accusation(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::SlowReadAttack | Verdict::ZeroWindowAttack)
}

/// An attack whose last connections are being closed does not become a slow client: only reading
/// on, silence or time takes an accusation back.
fn keep_accusation(standing: Option<(Finding, MonotonicTime)>, found: Finding) -> Finding {
    match standing {
        Some(((before, _), _))
            if is_accusation(before) && found == (Verdict::SlowClient, Confidence::Low) =>
        {
            (before, Confidence::Medium)
        }
        _ => found,
    }
}

/// The verdict that stands once nothing is flagged: a mild one is `benign` as soon as the peer has
/// recovered by itself, any other stays for a while.
fn after(peer: &Peer, standing: Option<(Finding, MonotonicTime)>) -> Option<Finding> {
    let ((verdict, confidence), _) = standing?;
    let is_mild = !is_accusation(verdict) && verdict != Verdict::ShrinkingPeer;
    let is_relieved = peer.remembered.relieved_at >= Some(peer.quiet_since);
    if is_mild && is_relieved && !peer.is_flagged() && verdict != Verdict::Benign {
        return Some((Verdict::Benign, Confidence::Medium));
    }
    Some((verdict, confidence))
}

/// When the peer wants to be judged again without a new observation.
pub(super) fn due(peer: &Peer) -> Option<MonotonicTime> {
    let later =
        |moment: MonotonicTime| MonotonicTime::from_ns(moment.as_ns().saturating_add(QUIET_NS));
    let shrinks_forgotten = peer.remembered.shrunk_at.map(later);
    let is_quiet = !peer.is_flagged() && peer.remembered.shrunk_at.is_none();
    let verdict_ends = peer
        .finding
        .filter(|_| is_quiet)
        .map(|((verdict, _), since)| {
            if verdict == Verdict::Benign {
                later(since)
            } else {
                later(peer.quiet_since)
            }
        });
    let recoveries_forgotten = peer.remembered.recoveries.forgets_at();
    [shrinks_forgotten, verdict_ends, recoveries_forgotten]
        .into_iter()
        .flatten()
        .min()
}
