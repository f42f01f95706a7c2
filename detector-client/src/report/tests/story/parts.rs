//! What stands in the rows of the story.

use super::{EACH_BYTES, Host, text};
use detector_api::fixtures;
use detector_api::snapshot::{
    Connection, FlagKind, Incident, IncidentCounts, IncidentKind, IncidentPeer, PeerDetail,
    Retransmits, Severity, Verdict,
};
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld};
use detector_api::text::oom_kill;
use detector_recorder::{Batch, Card, ClockReading, Note, NoteKind, OomKill, WindowPoint};

#[allow(clippy::cast_precision_loss, reason = "a few digits")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

pub(super) fn remote(peer: &str, port: i64) -> String {
    match peer.strip_suffix("/64") {
        Some(network) => format!("[{network}7]:{}", 40_000 + port),
        None => format!("{peer}:{}", 40_000 + port),
    }
}

pub(in crate::report::tests) fn incident(began_ms: i64, attackers: &[(&str, i64)]) -> Incident {
    let id = text(began_ms).get(..19).unwrap().replace(['-', ':'], "") + "Z";
    let mut incident = fixtures::incident(&id, &text(began_ms));
    incident.duration_seconds = 0.0;
    incident.kinds = vec![IncidentKind::StalledPeers, IncidentKind::Hoard];
    let total: i64 = attackers.iter().map(|(_, most)| most).sum();
    incident.peak_stalled_connections = total.unsigned_abs();
    incident.peak_pinned_bytes = (total * EACH_BYTES).unsigned_abs();
    incident.peers_total = attackers.len() as u64;
    let peers = attackers.iter().map(|(peer, most)| IncidentPeer {
        peer: (*peer).to_owned(),
        verdict: Some(Verdict::ZeroWindowAttack),
        severity: Severity::Critical,
        flags: vec![FlagKind::ZeroWindowStall, FlagKind::StallHoard],
        peak_stalled_connections: most.unsigned_abs(),
        peak_pinned_bytes: (most * EACH_BYTES).unsigned_abs(),
        peak_held_workers: Some((most / 2).unsigned_abs()),
        since: text(began_ms),
        until: text(began_ms + 60_000),
    });
    incident.peers = peers.collect();
    incident.counts = Some(IncidentCounts {
        retransmits: Retransmits {
            loss: 31,
            tail_probe: 12,
            window_probe: 2_204,
        },
        retransmits_needless: 9,
        ..IncidentCounts::default()
    });
    incident.tcp_memory_held = Some(TcpMemoryHeld {
        counted_bytes: 424_000_000,
        held_bytes: HeldBytes {
            stalled_send: 405_000_000,
            send: 18_000_000,
            receive: 1_000_000,
            ..HeldBytes::default()
        },
        ..TcpMemoryHeld::default()
    });
    incident
}

pub(in crate::report) fn card(at: ClockReading, peer: &str, stalled: i64) -> Card {
    let mut row = fixtures::peer(peer, (stalled * EACH_BYTES).unsigned_abs()).peer;
    row.verdict = Some(Verdict::ZeroWindowAttack);
    row.stalled_connections = stalled.unsigned_abs();
    row.severity = Severity::Critical;
    let mut assessment = fixtures::assessment();
    assessment.verdict = Some(Verdict::ZeroWindowAttack);
    assessment.advice = vec![
        detector_api::snapshot::Advice::LimitConnections {
            stalled_connections: stalled.unsigned_abs(),
        },
        detector_api::snapshot::Advice::BoundWaiting {
            longest_stall_seconds: 1_500.0,
        },
    ];
    let connections: Vec<Connection> = (1..=3)
        .map(|port| Connection {
            peer: peer.to_owned(),
            remote: remote(peer, port),
            netns: 1,
            ..fixtures::connection("", EACH_BYTES.unsigned_abs())
        })
        .collect();
    Card {
        at,
        detail: PeerDetail {
            unit_shares: Vec::new(),
            peer: row,
            assessment,
            connections_total: stalled.unsigned_abs(),
            connections,
        },
        thresholds: None,
    }
}

/// Its first connection closes its window over data in flight after half a minute.
pub(super) fn windows(at: ClockReading, peer: &str, from_ms: i64) -> Vec<WindowPoint> {
    let passed = u32::try_from((at.unix_ms - from_ms) / 1_000).unwrap();
    if passed > 120 {
        return Vec::new();
    }
    let base = u32::MAX - 100_000;
    let taken = passed.min(30) * 20_000;
    let snd_una = base.wrapping_add(taken);
    let edge_max = base.wrapping_add(taken + 65_000);
    let edge = if passed > 30 { snd_una } else { edge_max };
    vec![WindowPoint {
        at,
        peer: peer.to_owned(),
        local: "192.0.2.1:80".to_owned(),
        remote: remote(peer, 1),
        snd_una,
        snd_nxt: snd_una.wrapping_add(50_000),
        edge,
        edge_max,
        window_bytes: i64::from(edge.wrapping_sub(snd_una)),
        queued_bytes: i64::from(passed.min(30)) * 130_000,
    }]
}

impl Host<'_> {
    /// The note of a kill.
    pub(in crate::report::tests) fn kill(&self, at_ms: i64, kill: OomKill) -> Batch {
        let mut batch = self.note(at_ms, NoteKind::OomKill, None, &oom_kill(&kill));
        batch.notes[0].kill = Some(kill);
        batch
    }

    pub(in crate::report::tests) fn note(
        &self,
        at_ms: i64,
        kind: NoteKind,
        peer: Option<&str>,
        text: &str,
    ) -> Batch {
        Batch {
            notes: vec![Note {
                at: self.moment(at_ms),
                kind,
                peer: peer.map(str::to_owned),
                text: text.to_owned(),
                kill: None,
            }],
            ..Batch::default()
        }
    }
}
