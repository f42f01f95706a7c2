//! What would change a verdict.

use super::assess::{count, numbers, span_seconds};
use super::{CROWD_NETWORKS, INTERFACE_ERRORS, PeerEvidence};
use crate::rules::QUIET_NS;
use crate::tables::symptom_window;
use detector_api::snapshot::{Change, ChangeCode, Numbers, Verdict};

/// The observations that would lead from this verdict to another.
pub(super) fn what_would_change(evidence: &PeerEvidence, verdict: Option<Verdict>) -> Vec<Change> {
    let Some(verdict) = verdict else {
        return Vec::new();
    };
    let to = |code, verdict| Change {
        code,
        verdict,
        numbers: bounds(evidence, code),
    };
    let quiet = to(
        ChangeCode::StaysQuiet,
        (verdict != Verdict::Benign).then_some(Verdict::Benign),
    );
    let attack = Some(Verdict::ZeroWindowAttack);
    let slow = Some(Verdict::SlowClient);
    let mut changes = match verdict {
        Verdict::SlowReadAttack | Verdict::ZeroWindowAttack => vec![
            to(ChangeCode::DrainsAboveFloor, slow),
            to(ChangeCode::ReadsOn, slow),
            to(ChangeCode::FallsSilent, Some(Verdict::Vanished)),
        ],
        Verdict::ShrinkingPeer => vec![to(ChangeCode::HoldsAHoard, attack)],
        Verdict::Tarpit => vec![
            to(ChangeCode::DrainsAboveFloor, slow),
            to(ChangeCode::ReadsOn, slow),
        ],
        Verdict::PathLoss if evidence.is_trusted => Vec::new(),
        Verdict::PathLoss => vec![to(ChangeCode::StaysAlone, Some(Verdict::Vanished))],
        Verdict::Vanished => vec![
            to(ChangeCode::AnswersAgain, Some(Verdict::PathLoss)),
            to(ChangeCode::SpreadsToOthers, Some(Verdict::PathLoss)),
            to(ChangeCode::InterfaceErrorsRise, Some(Verdict::PathLoss)),
        ],
        Verdict::SlowClient => {
            let mut changes = vec![to(ChangeCode::ReadsOn, Some(Verdict::Benign))];
            if !evidence.is_trusted {
                let code = if evidence.is_hoarding {
                    ChangeCode::KeepsHolding
                } else {
                    ChangeCode::HoldsAHoard
                };
                changes.push(to(code, attack));
            }
            changes
        }
        Verdict::Benign => vec![to(ChangeCode::ShrinksAgain, Some(Verdict::ShrinkingPeer))],
    };
    changes.push(quiet);
    changes
}

fn bounds(evidence: &PeerEvidence, code: ChangeCode) -> Numbers {
    let detect = &evidence.detect;
    match code {
        ChangeCode::DrainsAboveFloor => {
            let floor = count(evidence.floor_bytes_per_second());
            numbers([("floor_bytes_per_second", floor)])
        }
        ChangeCode::HoldsAHoard => numbers([
            ("hoard_connections", count(detect.hoard_connections)),
            ("hoard_bytes", count(detect.hoard_bytes)),
            ("over_seconds", span_seconds(detect.dribble_over_ns)),
        ]),
        ChangeCode::KeepsHolding => {
            numbers([("over_seconds", span_seconds(detect.dribble_over_ns))])
        }
        ChangeCode::SpreadsToOthers | ChangeCode::StaysAlone => numbers([
            ("networks_bound", count(CROWD_NETWORKS)),
            ("over_seconds", span_seconds(symptom_window::SPAN_NS)),
        ]),
        ChangeCode::InterfaceErrorsRise => numbers([
            ("interface_errors_bound", count(INTERFACE_ERRORS)),
            ("over_seconds", span_seconds(symptom_window::SPAN_NS)),
        ]),
        ChangeCode::ShrinksAgain => {
            let bound = span_seconds(super::QUICK_REOPEN_NS);
            numbers([("reopen_seconds_bound", bound)])
        }
        ChangeCode::StaysQuiet => numbers([("quiet_seconds", span_seconds(QUIET_NS))]),
        ChangeCode::ReadsOn | ChangeCode::AnswersAgain | ChangeCode::FallsSilent => Numbers::new(),
    }
}
