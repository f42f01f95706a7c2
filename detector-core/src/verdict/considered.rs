//! The benign causes: each is considered for every peer, and says what decided it.

use super::evidence::{CROWD_NETWORKS, PeerEvidence, QUICK_REOPEN_NS, seconds};
use detector_api::snapshot::{BenignCause, Considered, Outcome, StallCause};

/// All benign causes, in the order of [`BenignCause::CODES`].
pub(super) fn consider(evidence: &PeerEvidence) -> Vec<Considered> {
    let weighed: [_; BenignCause::CODES.len()] = [
        granularity(evidence),
        out_of_memory(evidence),
        shrinking_kernel(evidence),
        paused(evidence),
        idle(evidence),
        slow_reader(evidence),
        path_loss(evidence),
        middlebox(evidence),
        shared(evidence),
    ];
    weighed
        .into_iter()
        .map(|(outcome, cause)| Considered { cause, outcome })
        .collect()
}

/// Rounding stays below `2^shift` and is counted apart: it explains retreats, never a shrink.
fn granularity(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let has_retreats = evidence.granularity_retreats > 0;
    let outcome =
        if has_retreats && evidence.all_shrinks() == 0 && evidence.stalled_connections() == 0 {
            Outcome::Likely
        } else {
            Outcome::RuledOut
        };
    let cause = BenignCause::ScalingGranularity {
        granularity_retreats: evidence.granularity_retreats,
        shrinks: evidence.all_shrinks(),
    };
    (outcome, cause)
}

fn out_of_memory(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let outcome = if evidence.is_short_of_memory() {
        Outcome::Likely
    } else if evidence.quick_reopens > 0 {
        Outcome::Possible
    } else {
        Outcome::RuledOut
    };
    let cause = BenignCause::ReceiverOutOfMemory {
        quick_reopens: evidence.quick_reopens,
        reopen_seconds_bound: seconds(QUICK_REOPEN_NS),
        shrinks_treason: evidence.shrinks.treason,
    };
    (outcome, cause)
}

/// Such a host retracts while its buffer is full and then reads on.
fn shrinking_kernel(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let (shrinks, holding_connections) = (evidence.all_shrinks(), evidence.holding_connections);
    let outcome = if shrinks == 0 || holding_connections > 0 {
        Outcome::RuledOut
    } else if evidence.stalled_connections() == 0 {
        Outcome::Likely
    } else {
        Outcome::Possible
    };
    let cause = BenignCause::ShrinkingKernel {
        shrinks,
        holding_connections,
    };
    (outcome, cause)
}

fn paused(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let held = evidence.stalled_connections() - evidence.stalled_by(StallCause::Unanswered);
    let holds_ours = evidence.outgoing_holding_connections > 0;
    let holds_none = held == 0 && !holds_ours && !evidence.holds_a_hoard();
    let has_recovered = evidence.recovers() || (holds_none && evidence.recovered_stalls > 0);
    let outcome = if has_recovered || evidence.neighbours_behave() {
        Outcome::Likely
    } else if (held == 0 && evidence.longest_stall_seconds <= 0.0) || evidence.holds_a_hoard() {
        Outcome::RuledOut
    } else {
        Outcome::Possible
    };
    let cause = BenignCause::PausedReader {
        recovered_stalls: evidence.recovered_stalls,
        holding_connections: evidence.holding_connections,
        longest_stall_seconds: evidence.longest_stall_seconds,
    };
    (outcome, cause)
}

/// A stall needs queued data, and an idle connection has none.
fn idle(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let stalled_connections = evidence.stalled_connections();
    let has_shrunk = evidence.all_shrinks() > 0;
    let outcome =
        if stalled_connections == 0 && !has_shrunk && evidence.longest_stall_seconds <= 0.0 {
            Outcome::Likely
        } else {
            Outcome::RuledOut
        };
    let cause = BenignCause::IdleKeepAlive {
        stalled_connections,
    };
    (outcome, cause)
}

fn slow_reader(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let stalled = evidence.stalled_connections();
    let outcome = if stalled == 0 || evidence.is_mostly_silent() {
        Outcome::RuledOut
    } else if evidence.drains() {
        Outcome::Likely
    } else if evidence.holding_connections < stalled {
        Outcome::Possible
    } else {
        Outcome::RuledOut
    };
    let cause = BenignCause::SlowReader {
        drain_bytes_per_second: evidence.drain_bytes_per_second,
        floor_bytes_per_second: evidence.floor_bytes_per_second(),
        holding_connections: evidence.holding_connections,
    };
    (outcome, cause)
}

/// Loss leaves the window open; only silence can be its doing. Retransmits alone decide nothing:
/// slow readers draw spurious ones.
fn path_loss(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let unanswered_connections = evidence.stalled_by(StallCause::Unanswered);
    let has_proof = evidence.silences_ended > 0
        || evidence.silence_is_common()
        || evidence.interface_errors_rise();
    let outcome = match (unanswered_connections > 0, has_proof) {
        (true, true) => Outcome::Likely,
        (true, false) | (false, true) => Outcome::Possible,
        (false, false) => Outcome::RuledOut,
    };
    let cause = BenignCause::PathLoss {
        unanswered_connections,
        silences_ended: evidence.silences_ended,
        interface_errors: evidence.interfaces.errors(),
        networks: evidence.silent_networks,
    };
    (outcome, cause)
}

fn middlebox(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let has_shrunk = evidence.all_shrinks() > 0;
    let is_silent = evidence.silent_connections > 0;
    let is_common = (has_shrunk && evidence.shrinks_are_common())
        || (is_silent && evidence.silence_is_common());
    let outcome = if is_common {
        Outcome::Likely
    } else if has_shrunk {
        Outcome::Possible
    } else {
        Outcome::RuledOut
    };
    let cause = BenignCause::Middlebox {
        networks: evidence.shrinking_networks.max(evidence.silent_networks),
        networks_bound: CROWD_NETWORKS,
    };
    (outcome, cause)
}

/// A balancer, a proxy, a NAT: some behind it have stopped reading, others go on.
fn shared(evidence: &PeerEvidence) -> (Outcome, BenignCause) {
    let stalled_connections = evidence.stalled_connections();
    let outcome = match evidence.census {
        _ if stalled_connections == 0 => Outcome::RuledOut,
        _ if evidence.is_shared() => Outcome::Likely,
        None => Outcome::Possible,
        Some(_) => Outcome::RuledOut,
    };
    let told = evidence.census_told;
    let connections_all = told.map_or(0, |census| census.all(evidence.tracked_connections));
    let census = told.unwrap_or_default();
    let cause = BenignCause::SharedAddress {
        stalled_connections,
        connections_all,
        connections_well: census.well,
        came_connections: census.came,
        went_connections: census.went,
        ended_well_connections: census.past(),
    };
    (outcome, cause)
}
