//! The benign causes: each is considered for every peer, and says what decided it.

use super::assess::{count, numbers, span_seconds};
use super::{CROWD_NETWORKS, PeerEvidence, QUICK_REOPEN_NS};
use detector_api::snapshot::{BenignCause, Considered, Numbers, Outcome, StallCause};

/// All benign causes, in the order of [`BenignCause::ALL`].
pub(super) fn consider(evidence: &PeerEvidence) -> Vec<Considered> {
    let weigh = |cause| {
        let (outcome, numbers) = weigh(evidence, cause);
        Considered {
            cause,
            outcome,
            numbers,
        }
    };
    BenignCause::ALL.into_iter().map(weigh).collect()
}

fn weigh(evidence: &PeerEvidence, cause: BenignCause) -> (Outcome, Numbers) {
    match cause {
        BenignCause::ScalingGranularity => granularity(evidence),
        BenignCause::ReceiverOutOfMemory => out_of_memory(evidence),
        BenignCause::ShrinkingKernel => shrinking_kernel(evidence),
        BenignCause::PausedReader => paused(evidence),
        BenignCause::IdleKeepAlive => idle(evidence),
        BenignCause::SlowReader => slow_reader(evidence),
        BenignCause::PathLoss => path_loss(evidence),
        BenignCause::Middlebox => middlebox(evidence),
    }
}

fn all_shrinks(evidence: &PeerEvidence) -> u64 {
    let polite = evidence.shrinks.polite;
    polite.saturating_add(evidence.harmful_shrinks())
}

/// Rounding stays below `2^shift` and is counted apart: it explains retreats, never a shrink.
fn granularity(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let has_retreats = evidence.granularity_retreats > 0;
    let outcome =
        if has_retreats && all_shrinks(evidence) == 0 && evidence.stalled_connections() == 0 {
            Outcome::Likely
        } else {
            Outcome::RuledOut
        };
    let retreats = count(evidence.granularity_retreats);
    let shrinks = count(all_shrinks(evidence));
    (
        outcome,
        numbers([("granularity_retreats", retreats), ("shrinks", shrinks)]),
    )
}

fn out_of_memory(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let treason = evidence.shrinks.treason;
    let outcome = if evidence.is_short_of_memory() {
        Outcome::Likely
    } else if evidence.quick_reopens > 0 {
        Outcome::Possible
    } else {
        Outcome::RuledOut
    };
    let bound = span_seconds(QUICK_REOPEN_NS);
    let numbers = numbers([
        ("quick_reopens", count(evidence.quick_reopens)),
        ("reopen_seconds_bound", bound),
        ("shrinks_treason", count(treason)),
    ]);
    (outcome, numbers)
}

/// Such a host retracts while its buffer is full and then reads on.
fn shrinking_kernel(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let stall_class = evidence.holding_connections;
    let outcome = if all_shrinks(evidence) == 0 || stall_class > 0 {
        Outcome::RuledOut
    } else if evidence.stalled_connections() == 0 {
        Outcome::Likely
    } else {
        Outcome::Possible
    };
    let shrinks = count(all_shrinks(evidence));
    (
        outcome,
        numbers([
            ("shrinks", shrinks),
            ("holding_connections", count(stall_class)),
        ]),
    )
}

fn paused(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let held = evidence.stalled_connections() - evidence.stalled_by(StallCause::Unanswered);
    let holds_none = held == 0 && !evidence.holds_a_hoard();
    let outcome = if evidence.recovers() || (holds_none && evidence.recovered_stalls > 0) {
        Outcome::Likely
    } else if (held == 0 && evidence.longest_stall_seconds <= 0.0) || evidence.holds_a_hoard() {
        Outcome::RuledOut
    } else {
        Outcome::Possible
    };
    let numbers = numbers([
        ("recovered_stalls", count(evidence.recovered_stalls)),
        ("holding_connections", count(evidence.holding_connections)),
        ("longest_stall_seconds", evidence.longest_stall_seconds),
    ]);
    (outcome, numbers)
}

/// A stall needs queued data, and an idle connection has none.
fn idle(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let stalled = evidence.stalled_connections();
    let has_shrunk = all_shrinks(evidence) > 0;
    let outcome = if stalled == 0 && !has_shrunk && evidence.longest_stall_seconds <= 0.0 {
        Outcome::Likely
    } else {
        Outcome::RuledOut
    };
    (outcome, numbers([("stalled_connections", count(stalled))]))
}

fn slow_reader(evidence: &PeerEvidence) -> (Outcome, Numbers) {
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
    let drain = count(evidence.drain_bytes_per_second);
    let floor = count(evidence.floor_bytes_per_second());
    let numbers = numbers([
        ("drain_bytes_per_second", drain),
        ("floor_bytes_per_second", floor),
        ("holding_connections", count(evidence.holding_connections)),
    ]);
    (outcome, numbers)
}

/// Loss leaves the window open; only silence can be its doing. Retransmits alone decide nothing:
/// slow readers draw spurious ones.
fn path_loss(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let unanswered = evidence.stalled_by(StallCause::Unanswered);
    let has_proof = evidence.silences_ended > 0
        || evidence.silence_is_common()
        || evidence.interface_errors_rise();
    let outcome = match (unanswered > 0, has_proof) {
        (true, true) => Outcome::Likely,
        (true, false) | (false, true) => Outcome::Possible,
        (false, false) => Outcome::RuledOut,
    };
    let numbers = numbers([
        ("unanswered_connections", count(unanswered)),
        ("silences_ended", count(evidence.silences_ended)),
        ("interface_errors", count(evidence.interfaces.errors())),
        ("networks", count(evidence.silent_networks)),
    ]);
    (outcome, numbers)
}

fn middlebox(evidence: &PeerEvidence) -> (Outcome, Numbers) {
    let has_shrunk = all_shrinks(evidence) > 0;
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
    let networks = evidence.shrinking_networks.max(evidence.silent_networks);
    let bound = count(CROWD_NETWORKS);
    (
        outcome,
        numbers([("networks", count(networks)), ("networks_bound", bound)]),
    )
}
