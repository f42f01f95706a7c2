use super::{GroupEvidence, PeerEvidence, Standing, assess, judge};
use crate::observe::census::Census;
use crate::observe::observation::{InterfaceCounts, Shrinks};
use crate::time::{MonotonicTime, WallClock};
use detector_api::snapshot::{Advice, BenignCause, Outcome, Verdict};
use proptest::prelude::*;
use std::collections::HashSet;

fn verdict(evidence: &PeerEvidence) -> Option<Verdict> {
    judge(evidence).map(|(verdict, _)| verdict)
}

fn zero(stalled: u64) -> PeerEvidence {
    PeerEvidence {
        stalled_by_cause: [stalled, 0, 0, 0],
        ..PeerEvidence::default()
    }
}

fn hoard() -> PeerEvidence {
    PeerEvidence {
        census: Some(Census::default()),
        is_census_fresh: true,
        is_hoarding: true,
        is_blocked_hoard: true,
        holding_connections: 30,
        ..zero(30)
    }
}

#[test]
fn each_kind_of_evidence_has_its_verdict() {
    let hoard = hoard();
    assert_eq!(verdict(&PeerEvidence::default()), None);
    assert_eq!(verdict(&zero(1)), Some(Verdict::SlowClient));
    let flagged = PeerEvidence {
        state_flags: 1,
        ..PeerEvidence::default()
    };
    assert_eq!(verdict(&flagged), Some(Verdict::SlowClient));
    assert_eq!(verdict(&hoard), Some(Verdict::ZeroWindowAttack));
    let slow = PeerEvidence {
        stalled_by_cause: [3, 0, 27, 0],
        read_slowly_connections: 27,
        ..hoard
    };
    assert_eq!(verdict(&slow), Some(Verdict::SlowReadAttack));
    let silent = PeerEvidence {
        stalled_by_cause: [3, 0, 0, 27],
        silent_connections: 27,
        holding_connections: 3,
        is_blocked_hoard: false,
        ..hoard
    };
    assert_eq!(verdict(&silent), Some(Verdict::Vanished));
    let hidden = PeerEvidence {
        stalled_by_cause: [30, 0, 0, 100],
        silent_connections: 100,
        ..hoard
    };
    assert_eq!(verdict(&hidden), Some(Verdict::ZeroWindowAttack));
    let drains = PeerEvidence {
        is_blocked_hoard: false,
        holding_connections: 0,
        ..hoard
    };
    assert_eq!(verdict(&drains), Some(Verdict::SlowClient));
    let past = Census {
        ended_well: 15,
        ..Census::default()
    };
    for spared in [
        PeerEvidence {
            has_others: true,
            ..hoard
        },
        PeerEvidence {
            census: Some(past),
            ..hoard
        },
        PeerEvidence {
            census: None,
            ..hoard
        },
        PeerEvidence {
            is_census_fresh: false,
            ..hoard
        },
    ] {
        assert_eq!(verdict(&spared), Some(Verdict::SlowClient));
    }
    let trusted = PeerEvidence {
        is_trusted: true,
        ..hoard
    };
    assert_eq!(verdict(&trusted), Some(Verdict::SlowClient));
}

#[test]
fn a_download_beside_a_hoard_changes_no_advice() {
    let hoard = hoard();
    let advice = |evidence: &PeerEvidence| {
        let finding = judge(evidence).map(|finding| (finding, MonotonicTime::default()));
        let standing = Standing {
            finding,
            quiet_ns: None,
        };
        assess(evidence, standing, WallClock::default()).advice
    };
    let drains = PeerEvidence {
        drain_bytes_per_second: 1 << 20,
        ..hoard
    };
    assert!(drains.drains() && verdict(&drains) == Some(Verdict::ZeroWindowAttack));
    assert_eq!(advice(&drains), advice(&hoard));
}

fn evidence() -> impl Strategy<Value = PeerEvidence> {
    let few = || prop_oneof![Just(0u64), 1u64..40, Just(1 << 30)];
    let stalls = [few(), few(), few(), few()];
    let held = (few(), few(), few(), few(), few(), few());
    let is = any::<[bool; 8]>();
    let shrinks = (few(), few(), few(), few(), few());
    let path = (few(), few(), few(), few(), few());
    (stalls, held, is, shrinks, path).prop_map(|(stalls, held, is, shrinks, path)| {
        let group = |is: bool| {
            is.then_some(GroupEvidence {
                peers: 4,
                connections: 20,
                pinned_bytes: 0,
            })
        };
        // What is below the floor is stalled, and not as unanswered.
        let held_up = stalls[0] + stalls[1] + stalls[2];
        PeerEvidence {
            stalled_by_cause: stalls,
            silent_connections: stalls[3],
            drain_bytes_per_second: held.0,
            holding_connections: held.1,
            read_slowly_connections: held.2,
            outgoing_connections: held.3,
            outgoing_holding_connections: held.4.min(held_up),
            recovered_stalls: held.5,
            is_hoarding: is[0],
            is_blocked_hoard: is[0] && is[1],
            network: group(is[2]),
            alike: group(is[3]),
            is_trusted: is[4],
            census: is[5].then(|| Census {
                ended_well: shrinks.4,
                ..Census::default()
            }),
            has_others: is[6],
            is_census_fresh: is[7],
            shrunk_connections: shrinks.0,
            shrinks: Shrinks {
                polite: shrinks.1,
                below_flight: shrinks.2,
                treason: shrinks.3,
            },
            quick_reopens: shrinks.4,
            silences_ended: path.0,
            silent_networks: path.1,
            shrinking_networks: path.2,
            interfaces: InterfaceCounts {
                rx_errors: path.3,
                ..InterfaceCounts::default()
            },
            state_flags: path.4,
            tiny_window_connections: path.4,
            ..PeerEvidence::default()
        }
    })
}

const ACCUSATIONS: [Verdict; 3] = [
    Verdict::SlowReadAttack,
    Verdict::ZeroWindowAttack,
    Verdict::Tarpit,
];

proptest! {
    #[test]
    fn nobody_is_accused_without_a_hoard_that_drains_nothing(evidence in evidence()) {
        let Some(verdict) = verdict(&evidence).filter(|verdict| ACCUSATIONS.contains(verdict)) else {
            return Ok(());
        };
        prop_assert!(!evidence.is_trusted);
        if verdict == Verdict::Tarpit {
            prop_assert!(evidence.outgoing_holding_connections > 0);
        } else {
            prop_assert!(evidence.holds_a_hoard());
            prop_assert!(evidence.census.is_some() && !evidence.is_shared());
            prop_assert!(evidence.is_census_fresh || !evidence.is_blocked_hoard);
        }
        prop_assert!(!evidence.recovers());
    }

    #[test]
    fn every_weighing_is_whole(evidence in evidence()) {
        let finding = judge(&evidence).map(|finding| (finding, MonotonicTime::default()));
        let standing = Standing { finding, quiet_ns: None };
        let weighed = assess(&evidence, standing, WallClock::default());
        let causes: Vec<_> = weighed.considered.iter().map(|each| each.cause.code()).collect();
        prop_assert_eq!(causes, BenignCause::CODES);
        prop_assert!(!weighed.advice.is_empty());
        let given: HashSet<_> = weighed.advice.iter().map(Advice::code).collect();
        prop_assert_eq!(given.len(), weighed.advice.len(), "nothing is advised twice");
        prop_assert_eq!(weighed.verdict.is_some(), weighed.confidence.is_some());
        if let Some(verdict) = weighed.verdict {
            prop_assert!(!weighed.would_change.is_empty());
            let accuses = ACCUSATIONS.contains(&verdict);
            prop_assert!(!accuses || !weighed.evidence_for.is_empty());
            // A benign cause that explains everything and an accusation do not go together.
            let is_paused = weighed.considered.iter().any(|each| {
                let is_pause = matches!(each.cause, BenignCause::PausedReader { .. });
                is_pause && each.outcome == Outcome::Likely
            });
            prop_assert!(!accuses || !is_paused);
        }
        let is_accused = weighed.verdict.is_some_and(|verdict| ACCUSATIONS.contains(&verdict));
        let reads_on = !is_accused && (evidence.recovers() || evidence.drains());
        if evidence.is_trusted
            || evidence.is_shared()
            || evidence.neighbours_behave()
            || reads_on
        {
            let blocks = |advice: &Advice| matches!(advice, Advice::LimitConnections { .. });
            prop_assert!(!weighed.advice.iter().any(blocks));
        }
    }
}
