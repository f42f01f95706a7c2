//! What speaks for a verdict, and what against it.

use super::evidence::{CROWD_NETWORKS, PeerEvidence, seconds};
use super::symptom_window;
use crate::rules::hoard::fewest_accused;
use detector_api::bounds::NEVER_READ_BYTES;
use detector_api::snapshot::{Evidence, StallCause, Verdict};

/// What speaks for the verdict, and what against it or against a worse one; `quiet_ns` is for how
/// long nothing has been flagged.
pub(super) fn weigh(
    evidence: &PeerEvidence,
    verdict: Option<Verdict>,
    quiet_ns: Option<u64>,
) -> (Vec<Evidence>, Vec<Evidence>) {
    let mut for_it = hoards(evidence);
    for_it.extend(stalls(evidence));
    for_it.extend(shrinks(evidence));
    let mut against_it = Vec::new();
    // The path speaks for `path-loss` and against every other verdict.
    let of_path = signs_of_path(evidence);
    if verdict == Some(Verdict::PathLoss) {
        for_it.extend(of_path);
    } else {
        against_it.extend(of_path);
    }
    let relief = relief(evidence, quiet_ns.filter(|_| verdict.is_some()));
    if matches!(verdict, Some(Verdict::SlowClient | Verdict::Benign)) {
        for_it.extend(relief);
    } else {
        against_it.extend(relief);
    }
    (for_it, against_it)
}

fn hoards(evidence: &PeerEvidence) -> Vec<Evidence> {
    let hoard = evidence.hoard();
    let mut found = Vec::new();
    if evidence.is_hoarding {
        found.push(Evidence::HoardOfPeer {
            hoard,
            stalled_connections: evidence.stalled_connections(),
            pinned_bytes: evidence.pinned_bytes,
        });
    }
    if let Some(network) = evidence.network.or(evidence.network_cost) {
        let network = network.network();
        found.push(Evidence::HoardOfNetwork { hoard, network });
    }
    if let Some(alike) = evidence.alike.or(evidence.alike_cost) {
        let alike = alike.alike();
        found.push(Evidence::HoardByLikeness { hoard, alike });
    }
    let never_read_connections = evidence.never_read_connections;
    let never_read_pinned_bytes = evidence.never_read_pinned_bytes;
    if never_read_connections > 0 {
        found.push(Evidence::NeverRead {
            never_read_connections,
            never_read_pinned_bytes,
            never_read_bytes_bound: NEVER_READ_BYTES.into(),
        });
    }
    let renewed_connections = evidence.renewed_connections;
    let renewed_pinned_bytes = evidence.renewed_pinned_bytes;
    if renewed_connections > 0 {
        found.push(Evidence::OpenedAnew {
            renewed_connections,
            renewed_pinned_bytes,
            abandoned_connections: evidence.abandoned_connections,
        });
    }
    let holding_connections = evidence
        .holding_connections
        .saturating_sub(never_read_connections + renewed_connections);
    if holding_connections > 0 {
        found.push(Evidence::DrainsNothing {
            holding_connections,
            holding_pinned_bytes: evidence
                .holding_pinned_bytes
                .saturating_sub(never_read_pinned_bytes + renewed_pinned_bytes),
            floor_bytes_per_second: evidence.detect.dribble_floor_bytes_per_second,
            over_seconds: evidence.over_seconds(),
        });
    }
    found
}

fn stalls(evidence: &PeerEvidence) -> Vec<Evidence> {
    let mut found = Vec::new();
    for cause in StallCause::ALL {
        let connections = evidence.stalled_by(cause);
        if connections == 0 {
            continue;
        }
        found.push(match cause {
            StallCause::ZeroWindow => Evidence::ZeroWindow { connections },
            StallCause::SmallWindow => Evidence::SmallWindow { connections },
            StallCause::Unanswered => Evidence::Unanswered { connections },
            StallCause::Dribble => Evidence::Dribble {
                connections,
                drain_seconds: evidence.drain_seconds,
                floor_bytes_per_second: evidence.detect.dribble_floor_bytes_per_second,
            },
        });
    }
    if evidence.outgoing_connections > 0 {
        found.push(Evidence::WeAreTheClient {
            outgoing_connections: evidence.outgoing_connections,
            holding_connections: evidence.outgoing_holding_connections,
        });
    }
    if evidence.within_host_connections > 0 {
        found.push(Evidence::WithinHost {
            connections: evidence.within_host_connections,
        });
    }
    if evidence.tiny_window_connections > 0 {
        let connections = evidence.tiny_window_connections;
        found.push(Evidence::TinyWindow { connections });
    }
    found
}

fn shrinks(evidence: &PeerEvidence) -> Vec<Evidence> {
    let shrinks = evidence.shrinks;
    let connections = evidence.shrunk_connections;
    let mut found = Vec::new();
    if evidence.harmful_shrinks() > 0 {
        found.push(Evidence::WindowShrinks {
            shrinks_below_flight: shrinks.below_flight,
            shrinks_treason: shrinks.treason,
            connections,
        });
    }
    if shrinks.polite > 0 || (connections > 0 && evidence.harmful_shrinks() == 0) {
        found.push(Evidence::PoliteShrinks {
            connections,
            shrinks_polite: shrinks.polite,
        });
    }
    found
}

fn signs_of_path(evidence: &PeerEvidence) -> Vec<Evidence> {
    let mut found = Vec::new();
    if evidence.silences_ended > 0 {
        let silences_ended = evidence.silences_ended;
        found.push(Evidence::SilencesEnded { silences_ended });
    }
    if evidence.silence_is_common() || evidence.shrinks_are_common() {
        found.push(Evidence::ManyUnrelatedPeers {
            networks: evidence.silent_networks.max(evidence.shrinking_networks),
            networks_bound: CROWD_NETWORKS,
            over_seconds: seconds(symptom_window::SPAN_NS),
        });
    }
    if evidence.interface_errors_rise() {
        found.push(Evidence::InterfaceErrors {
            interfaces: evidence.interfaces,
            over_seconds: seconds(symptom_window::SPAN_NS),
        });
    }
    found
}

/// What lets a peer off: draining, recovering, holding little, trust.
fn relief(evidence: &PeerEvidence, quiet_ns: Option<u64>) -> Vec<Evidence> {
    let mut found = Vec::new();
    if evidence.drains() {
        found.push(Evidence::Drains {
            drain_bytes_per_second: evidence.drain_bytes_per_second,
            floor_bytes_per_second: evidence.floor_bytes_per_second(),
        });
    }
    if evidence.recovered_stalls > 0 {
        let recovered_stalls = evidence.recovered_stalls;
        found.push(Evidence::Recovered { recovered_stalls });
    }
    if evidence.quick_reopens > 0 {
        let quick_reopens = evidence.quick_reopens;
        found.push(Evidence::QuickReopens { quick_reopens });
    }
    if let Some(quiet_ns) = quiet_ns {
        let quiet_seconds = seconds(quiet_ns);
        found.push(Evidence::Quiet { quiet_seconds });
    }
    if evidence.stalled_connections() > 0 && !evidence.is_hoarding {
        found.push(Evidence::BelowThresholds {
            hoard: evidence.hoard(),
            stalled_connections: evidence.stalled_connections(),
            pinned_bytes: evidence.pinned_bytes,
        });
    }
    if evidence.is_hoarding && !evidence.is_blocked_hoard && !evidence.is_mostly_silent() {
        let holding_connections = evidence.holding_connections;
        let holds_enough = evidence.holding_pinned_bytes >= evidence.detect.hoard_bytes;
        found.push(if holds_enough {
            Evidence::TooFew {
                holding_connections,
                connections_bound: fewest_accused(false, &evidence.detect),
            }
        } else {
            Evidence::TooShort {
                holding_connections,
                over_seconds: evidence.over_seconds(),
            }
        });
    }
    let told = evidence.census_told.filter(|_| evidence.is_shared());
    if let Some(census) = told {
        found.push(Evidence::OthersBehave {
            connections_all: census.all(evidence.tracked_connections),
            connections_well: census.well,
            ended_well_connections: census.past(),
        });
    }
    if let Some(census) = evidence.neighbours.filter(|_| evidence.neighbours_behave()) {
        found.push(Evidence::NetworkBehaves {
            network_connections_all: census.connections,
            network_connections_well: census.well_twice(),
            network_ended_well_connections: census.past(),
        });
    }
    if evidence.waits_for_count() {
        found.push(Evidence::NotCounted {});
    }
    if evidence.is_trusted {
        found.push(Evidence::TrustedNetwork {});
    }
    found
}
