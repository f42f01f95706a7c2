//! Peers that are slow, gone, or trusted.

use super::parts::{
    HOARD, HOLDS_A_HOARD, change, connection, considered, event, flag, nginx, stays_quiet, subject,
};
use crate::cards::Subject;
use detector_api::host::InterfaceReport;
use detector_api::snapshot::InterfaceCounts;
use detector_api::snapshot::{
    Advice, BenignCause, Condition, Evidence, FlagKind, Outcome, Source, StallCause, Verdict,
};

pub(in crate::cards::tests) fn slow_client() -> Subject {
    let mut slow = connection("198.51.100.80:55000", StallCause::ZeroWindow, &[nginx()]);
    slow.stalled_seconds = 8.4;
    slow.bytes_acked_per_second = 200_000;
    slow.source = Source::Hook;
    let mut subject = subject("198.51.100.80", Verdict::SlowClient, vec![slow]);
    let detail = &mut subject.page.detail;
    detail.peer.flags = vec![flag(FlagKind::ZeroWindowStall, 1)];
    detail.assessment.evidence_for = vec![
        Evidence::ZeroWindow { connections: 1 },
        Evidence::Drains {
            drain_bytes_per_second: 200_000,
            floor_bytes_per_second: 500,
        },
        Evidence::Recovered {
            recovered_stalls: 4,
        },
        Evidence::BelowThresholds {
            hoard: HOARD,
            stalled_connections: 1,
            pinned_bytes: 4_220_292,
        },
    ];
    let paused = BenignCause::PausedReader {
        recovered_stalls: 4,
        holding_connections: 0,
        longest_stall_seconds: 8.4,
    };
    let slow = BenignCause::SlowReader {
        drain_bytes_per_second: 200_000,
        floor_bytes_per_second: 500,
        holding_connections: 0,
    };
    detail.assessment.considered =
        considered(vec![(Outcome::Likely, paused), (Outcome::Likely, slow)]);
    detail.assessment.would_change = vec![
        change(Condition::ReadsOn {}, Verdict::Benign),
        change(HOLDS_A_HOARD, Verdict::ZeroWindowAttack),
    ];
    detail.assessment.advice = vec![Advice::Nothing {}];
    subject
}

pub(in crate::cards::tests) fn vanished() -> Subject {
    let mut silent = connection("198.51.100.5:33000", StallCause::Unanswered, &[]);
    silent.stalled_seconds = 300.0;
    silent.window_bytes = 64_240;
    silent.pinned_bytes = 59_200;
    silent.queued_bytes = 20_440;
    silent.in_flight_bytes = 14_600;
    silent.source = Source::Sweep;
    let mut subject = subject("198.51.100.5", Verdict::Vanished, vec![silent]);
    let detail = &mut subject.page.detail;
    detail.peer.retransmits.loss = 9;
    detail.peer.zero_window_episodes = 0;
    detail.peer.zero_window_seconds = 0.0;
    detail.peer.flags = vec![flag(FlagKind::Unanswered, 1)];
    detail.assessment.evidence_for = vec![Evidence::Unanswered { connections: 1 }];
    let loss = BenignCause::PathLoss {
        unanswered_connections: 1,
        silences_ended: 0,
        interface_errors: 0,
        networks: 1,
    };
    detail.assessment.considered = considered(vec![(Outcome::Possible, loss)]);
    let spreads = Condition::SpreadsToOthers {
        networks_bound: 8,
        over_seconds: 60.0,
    };
    let errors_rise = Condition::InterfaceErrorsRise {
        interface_errors_bound: 10,
        over_seconds: 60.0,
    };
    detail.assessment.would_change = vec![
        change(Condition::AnswersAgain {}, Verdict::PathLoss),
        change(spreads, Verdict::PathLoss),
        change(errors_rise, Verdict::PathLoss),
    ];
    detail.assessment.advice = vec![Advice::BoundWaiting {
        longest_stall_seconds: 300.0,
    }];
    subject.page.events = vec![event(
        "198.51.100.5",
        FlagKind::Unanswered,
        Some("198.51.100.5:33000"),
        &[
            ("stalled_seconds", 5.0),
            ("timeouts", 9.0),
            ("retransmits_unanswered", 9.0),
            ("probes_unanswered", 0.0),
        ],
    )];
    subject
}

pub(in crate::cards::tests) fn trusted() -> Subject {
    let mut silent = connection("10.1.2.3:8080", StallCause::Unanswered, &[]);
    silent.stalled_seconds = 90.0;
    silent.window_bytes = 64_240;
    let mut subject = subject("10.1.2.3", Verdict::PathLoss, vec![silent]);
    subject.host.interfaces = Some(InterfaceReport {
        count: 2,
        total: InterfaceCounts {
            rx_errors: 341,
            tx_errors: 0,
            rx_dropped: 1_200,
            tx_dropped: 3,
        },
        last_minute: InterfaceCounts {
            rx_errors: 17,
            tx_errors: 0,
            rx_dropped: 40,
            tx_dropped: 0,
        },
    });
    let detail = &mut subject.page.detail;
    detail.peer.trusted = true;
    detail.peer.flags = vec![flag(FlagKind::Unanswered, 1)];
    let interfaces = InterfaceCounts {
        rx_errors: 17,
        tx_errors: 0,
        rx_dropped: 40,
        tx_dropped: 0,
    };
    let over_seconds = 60.0;
    detail.assessment.evidence_for = vec![
        Evidence::Unanswered { connections: 1 },
        Evidence::InterfaceErrors {
            interfaces,
            over_seconds,
        },
    ];
    detail.assessment.evidence_against = vec![Evidence::TrustedNetwork {}];
    let loss = BenignCause::PathLoss {
        unanswered_connections: 1,
        silences_ended: 0,
        interface_errors: 17,
        networks: 0,
    };
    detail.assessment.considered = considered(vec![(Outcome::Likely, loss)]);
    detail.assessment.would_change = vec![stays_quiet()];
    detail.assessment.advice = vec![Advice::LookAtPath {
        interfaces,
        over_seconds,
    }];
    subject
}
