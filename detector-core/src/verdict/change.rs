//! What would change a verdict.

use super::evidence::{
    CROWD_NETWORKS, INTERFACE_ERRORS, PeerEvidence, QUICK_REOPEN_NS, QUIET_NS, seconds,
};
use super::symptom_window;
use detector_api::snapshot::{Change, Condition, Verdict};

/// The observations that would lead from this verdict to another.
pub(super) fn what_would_change(evidence: &PeerEvidence, verdict: Option<Verdict>) -> Vec<Change> {
    let Some(verdict) = verdict else {
        return Vec::new();
    };
    let networks_bound = CROWD_NETWORKS;
    let over_seconds = seconds(symptom_window::SPAN_NS);
    let drains = || Condition::DrainsAboveFloor {
        floor_bytes_per_second: evidence.floor_bytes_per_second(),
    };
    let holds_a_hoard = || Condition::HoldsAHoard {
        hoard: evidence.hoard(),
        over_seconds: evidence.over_seconds(),
    };
    let attack = Verdict::ZeroWindowAttack;
    let slow = Verdict::SlowClient;
    let changes = match verdict {
        Verdict::SlowReadAttack | Verdict::ZeroWindowAttack => {
            // A hoard that is held is one whatever else of the peer drains.
            let is_over = !evidence.holds_a_hoard() && !evidence.renews;
            let by_drain = is_over.then(|| (drains(), slow));
            let by_reading = (Condition::ReadsOn {}, slow);
            by_drain.into_iter().chain([by_reading]).collect()
        }
        Verdict::ShrinkingPeer => vec![(holds_a_hoard(), attack)],
        Verdict::Tarpit => vec![(Condition::ReadsOn {}, slow)],
        Verdict::PathLoss if evidence.is_trusted => Vec::new(),
        Verdict::PathLoss => vec![(Condition::AnswersAgain {}, Verdict::Benign)],
        Verdict::Vanished => {
            let spreads = Condition::SpreadsToOthers {
                networks_bound,
                over_seconds,
            };
            let errors_rise = Condition::InterfaceErrorsRise {
                interface_errors_bound: INTERFACE_ERRORS,
                over_seconds,
            };
            let ways = [Condition::AnswersAgain {}, spreads, errors_rise];
            ways.map(|way| (way, Verdict::PathLoss)).into()
        }
        Verdict::SlowClient => {
            let mut changes = vec![(Condition::ReadsOn {}, Verdict::Benign)];
            if !evidence.is_trusted {
                let keeps_holding = || Condition::KeepsHolding {
                    over_seconds: evidence.over_seconds(),
                };
                let holds = if evidence.is_hoarding {
                    keeps_holding()
                } else {
                    holds_a_hoard()
                };
                let stands_alone = || Condition::StandsAlone {
                    over_seconds: seconds(QUIET_NS),
                };
                let has_others = evidence.is_shared() || evidence.neighbours_behave();
                let is_spared = has_others && evidence.holds_a_hoard();
                changes.push((if is_spared { stands_alone() } else { holds }, attack));
            }
            changes
        }
        Verdict::Benign => {
            let shrinks_again = Condition::ShrinksAgain {
                reopen_seconds_bound: seconds(QUICK_REOPEN_NS),
            };
            vec![(shrinks_again, Verdict::ShrinkingPeer)]
        }
    };
    let mut changes: Vec<Change> = changes
        .into_iter()
        .map(|(condition, verdict)| Change {
            condition,
            verdict: Some(verdict),
        })
        .collect();
    changes.push(Change {
        condition: Condition::StaysQuiet {
            quiet_seconds: seconds(QUIET_NS),
        },
        verdict: (verdict != Verdict::Benign).then_some(Verdict::Benign),
    });
    changes
}
