//! The weighing in full: made when somebody asks, from the same evidence as the verdict.

use super::change::what_would_change;
use super::considered::consider;
use super::{Finding, PeerEvidence};
use crate::tables::symptom_window;
use crate::time::{MonotonicTime, SECOND_NS, WallClock};
use detector_api::snapshot::{
    Advice, AdviceCode, Assessment, Evidence, EvidenceCode, Numbers, StallCause, Verdict,
};

/// Most that a connection pins where `tcp_wmem` is bounded as advised.
const MUCH_PINNED_BYTES: u64 = 1 << 20;

/// Turns names and numbers into what is published.
pub(super) fn numbers<const N: usize>(pairs: [(&str, f64); N]) -> Numbers {
    let owned = |(name, number): (&str, f64)| (name.to_owned(), number);
    pairs.into_iter().map(owned).collect()
}

#[allow(clippy::cast_precision_loss, reason = "shown, and exact below 2^53")]
pub(super) const fn count(value: u64) -> f64 {
    value as f64
}

/// Whole nanoseconds of a setting as seconds.
pub(super) fn span_seconds(ns: u64) -> f64 {
    count(ns) / count(SECOND_NS)
}

/// The verdict that stands: which, since when, and how long nothing has been flagged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) finding: Option<(Finding, MonotonicTime)>,
    pub(crate) quiet_ns: Option<u64>,
}

/// Weighs a peer.
pub(crate) fn assess(evidence: &PeerEvidence, standing: Standing, wall: WallClock) -> Assessment {
    let verdict = standing.finding.map(|((verdict, _), _)| verdict);
    let (mut evidence_for, mut evidence_against) = (hoards(evidence), Vec::new());
    weigh_stalls(evidence, &mut evidence_for);
    weigh_shrinks(evidence, &mut evidence_for);
    weigh_path(evidence, verdict, &mut evidence_for, &mut evidence_against);
    weigh_relief(
        evidence,
        standing,
        verdict,
        &mut evidence_for,
        &mut evidence_against,
    );
    Assessment {
        verdict,
        confidence: standing.finding.map(|((_, confidence), _)| confidence),
        since: standing.finding.map(|(_, since)| wall.rfc3339(since)),
        evidence_for,
        evidence_against,
        considered: consider(evidence),
        would_change: what_would_change(evidence, verdict),
        advice: advise(evidence, verdict),
    }
}

fn item<const N: usize>(code: EvidenceCode, pairs: [(&str, f64); N]) -> Evidence {
    Evidence {
        code,
        numbers: numbers(pairs),
    }
}

fn hoards(evidence: &PeerEvidence) -> Vec<Evidence> {
    let detect = &evidence.detect;
    let (hoard_connections, hoard_bytes) =
        (count(detect.hoard_connections), count(detect.hoard_bytes));
    let mut found = Vec::new();
    if evidence.is_hoarding {
        found.push(item(
            EvidenceCode::HoardOfPeer,
            [
                ("stalled_connections", count(evidence.stalled_connections())),
                ("pinned_bytes", count(evidence.pinned_bytes)),
                ("hoard_connections", hoard_connections),
                ("hoard_bytes", hoard_bytes),
            ],
        ));
    }
    if let Some(network) = evidence.network {
        found.push(item(
            EvidenceCode::HoardOfNetwork,
            [
                ("network_peers", count(network.peers)),
                ("network_connections", count(network.connections)),
                ("network_pinned_bytes", count(network.pinned_bytes)),
                ("hoard_connections", hoard_connections),
                ("hoard_bytes", hoard_bytes),
            ],
        ));
    }
    if let Some(alike) = evidence.alike {
        found.push(item(
            EvidenceCode::HoardByLikeness,
            [
                ("alike_peers", count(alike.peers)),
                ("alike_connections", count(alike.connections)),
                ("alike_pinned_bytes", count(alike.pinned_bytes)),
                ("hoard_connections", hoard_connections),
                ("hoard_bytes", hoard_bytes),
            ],
        ));
    }
    if evidence.holding_connections > 0 {
        found.push(item(
            EvidenceCode::DrainsNothing,
            [
                ("holding_connections", count(evidence.holding_connections)),
                ("holding_pinned_bytes", count(evidence.holding_pinned_bytes)),
                (
                    "floor_bytes_per_second",
                    count(detect.dribble_floor_bytes_per_second),
                ),
                ("over_seconds", span_seconds(detect.dribble_over_ns)),
            ],
        ));
    }
    found
}

fn weigh_stalls(evidence: &PeerEvidence, found: &mut Vec<Evidence>) {
    for cause in StallCause::ALL {
        let connections = evidence.stalled_by(cause);
        if connections == 0 {
            continue;
        }
        let connections = ("connections", count(connections));
        found.push(match cause {
            StallCause::ZeroWindow => item(EvidenceCode::ZeroWindow, [connections]),
            StallCause::SmallWindow => item(EvidenceCode::SmallWindow, [connections]),
            StallCause::Unanswered => item(EvidenceCode::Unanswered, [connections]),
            StallCause::Dribble => item(
                EvidenceCode::Dribble,
                [
                    connections,
                    ("drain_seconds", evidence.drain_seconds),
                    (
                        "floor_bytes_per_second",
                        count(evidence.detect.dribble_floor_bytes_per_second),
                    ),
                ],
            ),
        });
    }
    if evidence.outgoing_connections > 0 {
        let outgoing = ("outgoing_connections", count(evidence.outgoing_connections));
        let stall_class = count(evidence.outgoing_holding_connections);
        let numbers = [outgoing, ("holding_connections", stall_class)];
        found.push(item(EvidenceCode::WeAreTheClient, numbers));
    }
    if evidence.tiny_window_connections > 0 {
        let connections = ("connections", count(evidence.tiny_window_connections));
        found.push(item(EvidenceCode::TinyWindow, [connections]));
    }
}

fn weigh_shrinks(evidence: &PeerEvidence, found: &mut Vec<Evidence>) {
    let shrinks = evidence.shrinks;
    let shrunk = ("connections", count(evidence.shrunk_connections));
    if evidence.harmful_shrinks() > 0 {
        found.push(item(
            EvidenceCode::WindowShrinks,
            [
                ("shrinks_below_flight", count(shrinks.below_flight)),
                ("shrinks_treason", count(shrinks.treason)),
                shrunk,
            ],
        ));
    }
    if shrinks.polite > 0 || (evidence.shrunk_connections > 0 && evidence.harmful_shrinks() == 0) {
        let polite = ("shrinks_polite", count(shrinks.polite));
        found.push(item(EvidenceCode::PoliteShrinks, [shrunk, polite]));
    }
}

/// Evidence about the path speaks for `path-loss` and against every other verdict.
fn weigh_path(
    evidence: &PeerEvidence,
    verdict: Option<Verdict>,
    for_it: &mut Vec<Evidence>,
    against_it: &mut Vec<Evidence>,
) {
    let found = if verdict == Some(Verdict::PathLoss) {
        for_it
    } else {
        against_it
    };
    if evidence.silences_ended > 0 {
        let ended = ("silences_ended", count(evidence.silences_ended));
        found.push(item(EvidenceCode::SilencesEnded, [ended]));
    }
    let networks = evidence.silent_networks.max(evidence.shrinking_networks);
    if evidence.silence_is_common() || evidence.shrinks_are_common() {
        found.push(item(
            EvidenceCode::ManyUnrelatedPeers,
            [
                ("networks", count(networks)),
                ("networks_bound", count(super::CROWD_NETWORKS)),
                ("over_seconds", span_seconds(symptom_window::SPAN_NS)),
            ],
        ));
    }
    if evidence.interface_errors_rise() {
        found.push(Evidence {
            code: EvidenceCode::InterfaceErrors,
            numbers: interface_numbers(evidence),
        });
    }
}

fn interface_numbers(evidence: &PeerEvidence) -> Numbers {
    let interfaces = &evidence.interfaces;
    numbers([
        ("rx_errors", count(interfaces.rx_errors)),
        ("tx_errors", count(interfaces.tx_errors)),
        ("rx_dropped", count(interfaces.rx_dropped)),
        ("tx_dropped", count(interfaces.tx_dropped)),
        ("over_seconds", span_seconds(symptom_window::SPAN_NS)),
    ])
}

/// What lets a peer off: draining, recovering, holding little, trust.
fn weigh_relief(
    evidence: &PeerEvidence,
    standing: Standing,
    verdict: Option<Verdict>,
    for_it: &mut Vec<Evidence>,
    against_it: &mut Vec<Evidence>,
) {
    let is_mild = matches!(verdict, Some(Verdict::SlowClient | Verdict::Benign));
    let relief = if is_mild { for_it } else { against_it };
    if evidence.drains() {
        let floor = count(evidence.floor_bytes_per_second());
        let drain = count(evidence.drain_bytes_per_second);
        let numbers = [
            ("drain_bytes_per_second", drain),
            ("floor_bytes_per_second", floor),
        ];
        relief.push(item(EvidenceCode::Drains, numbers));
    }
    if evidence.recovered_stalls > 0 {
        let recovered = ("recovered_stalls", count(evidence.recovered_stalls));
        relief.push(item(EvidenceCode::Recovered, [recovered]));
    }
    if evidence.quick_reopens > 0 {
        let reopens = ("quick_reopens", count(evidence.quick_reopens));
        relief.push(item(EvidenceCode::QuickReopens, [reopens]));
    }
    if let Some(quiet_ns) = standing.quiet_ns.filter(|_| verdict.is_some()) {
        let quiet = ("quiet_seconds", span_seconds(quiet_ns));
        relief.push(item(EvidenceCode::Quiet, [quiet]));
    }
    if evidence.stalled_connections() > 0 && !evidence.is_hoarding {
        relief.push(item(
            EvidenceCode::BelowThresholds,
            [
                ("stalled_connections", count(evidence.stalled_connections())),
                ("pinned_bytes", count(evidence.pinned_bytes)),
                (
                    "hoard_connections",
                    count(evidence.detect.hoard_connections),
                ),
                ("hoard_bytes", count(evidence.detect.hoard_bytes)),
            ],
        ));
    }
    if evidence.is_hoarding && !evidence.is_gripping && !evidence.is_mostly_silent() {
        let stall_class = ("holding_connections", count(evidence.holding_connections));
        let over = (
            "over_seconds",
            span_seconds(evidence.detect.dribble_over_ns),
        );
        relief.push(item(EvidenceCode::TooShort, [stall_class, over]));
    }
    if evidence.is_trusted {
        relief.push(item(EvidenceCode::TrustedNetwork, []));
    }
}

fn advise(evidence: &PeerEvidence, verdict: Option<Verdict>) -> Vec<Advice> {
    let advice = |code, numbers| Advice { code, numbers };
    let look_at_path = || advice(AdviceCode::LookAtPath, interface_numbers(evidence));
    let longest = numbers([("longest_stall_seconds", evidence.longest_stall_seconds)]);
    let bound_waiting = || advice(AdviceCode::BoundWaiting, longest.clone());
    let stalled = evidence.stalled_connections();
    let limit_connections = || {
        let stalled = numbers([("stalled_connections", count(stalled))]);
        advice(AdviceCode::LimitConnections, stalled)
    };
    let mut given = match verdict {
        None | Some(Verdict::Benign) => Vec::new(),
        _ if evidence.is_trusted => vec![look_at_path()],
        Some(Verdict::PathLoss) => vec![look_at_path(), bound_waiting()],
        Some(Verdict::ZeroWindowAttack | Verdict::SlowReadAttack) => {
            vec![limit_connections(), bound_waiting()]
        }
        Some(Verdict::ShrinkingPeer) if evidence.shrinks_are_common() => vec![look_at_path()],
        Some(Verdict::ShrinkingPeer) => {
            let mut given = vec![advice(AdviceCode::TellPeerOperator, Numbers::new())];
            if evidence.is_hoarding {
                given.push(limit_connections());
            }
            if stalled > 0 {
                given.push(bound_waiting());
            }
            given
        }
        Some(Verdict::Tarpit) => {
            let outgoing = count(evidence.outgoing_connections);
            let numbers = numbers([("outgoing_connections", outgoing)]);
            vec![advice(AdviceCode::BoundOwnClient, numbers)]
        }
        Some(Verdict::Vanished) => vec![bound_waiting()],
        Some(Verdict::SlowClient) if evidence.is_hoarding => {
            vec![limit_connections(), bound_waiting()]
        }
        Some(Verdict::SlowClient) => Vec::new(),
    };
    if evidence.orphan_connections > 0 && !given.is_empty() {
        let orphans = numbers([("orphan_connections", count(evidence.orphan_connections))]);
        given.push(advice(AdviceCode::BoundOrphans, orphans));
    }
    let each = evidence.pinned_bytes.checked_div(stalled).unwrap_or(0);
    let is_shrinking = verdict == Some(Verdict::ShrinkingPeer) && each >= MUCH_PINNED_BYTES;
    if (evidence.is_hoarding || is_shrinking) && stalled > 0 && !evidence.is_trusted {
        let each = numbers([("pinned_bytes_per_connection", count(each))]);
        given.push(advice(AdviceCode::BoundMemory, each));
    }
    if given.is_empty() {
        given.push(advice(AdviceCode::Nothing, Numbers::new()));
    }
    given
}
