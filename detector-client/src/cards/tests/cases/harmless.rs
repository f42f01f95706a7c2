//! Peers that are slow, gone, or trusted.

use super::parts::{
    HOARD, QUIET, advice, change, connection, considered, event, evidence, flag, nginx, subject,
};
use crate::cards::Subject;
use detector_api::host::{InterfaceCounts, InterfaceReport};
use detector_api::snapshot::{
    AdviceCode, BenignCause, ChangeCode, EvidenceCode, FlagKind, Outcome, Source, StallCause,
    Verdict,
};

pub(in crate::cards::tests) fn slow_client() -> Subject {
    let mut slow = connection("198.51.100.80:55000", StallCause::ZeroWindow, &[nginx()]);
    slow.stalled_seconds = 8.4;
    slow.bytes_acked_per_second = 200_000.0;
    slow.source = Source::Hook;
    let mut subject = subject("198.51.100.80", Verdict::SlowClient, vec![slow]);
    let detail = &mut subject.page.detail;
    detail.peer.flags = vec![flag(FlagKind::ZeroWindowStall, 1)];
    let pace = [
        ("drain_bytes_per_second", 200_000.0),
        ("floor_bytes_per_second", 500.0),
    ];
    detail.assessment.evidence_for = vec![
        evidence(EvidenceCode::ZeroWindow, &[("connections", 1.0)]),
        evidence(EvidenceCode::Drains, &pace),
        evidence(EvidenceCode::Recovered, &[("recovered_stalls", 4.0)]),
        evidence(
            EvidenceCode::BelowThresholds,
            &[
                ("stalled_connections", 1.0),
                ("pinned_bytes", 4_220_292.0),
                HOARD[0],
                HOARD[1],
            ],
        ),
    ];
    detail.assessment.considered = considered(&[
        (
            BenignCause::PausedReader,
            Outcome::Likely,
            &[("recovered_stalls", 4.0), ("longest_stall_seconds", 8.4)],
        ),
        (BenignCause::SlowReader, Outcome::Likely, &pace),
    ]);
    detail.assessment.would_change = vec![
        change(ChangeCode::ReadsOn, Verdict::Benign, &[]),
        change(
            ChangeCode::HoldsAHoard,
            Verdict::ZeroWindowAttack,
            &[HOARD[0], HOARD[1], ("over_seconds", 30.0)],
        ),
    ];
    detail.assessment.advice = vec![advice(AdviceCode::Nothing, &[])];
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
    detail.assessment.evidence_for =
        vec![evidence(EvidenceCode::Unanswered, &[("connections", 1.0)])];
    detail.assessment.considered = considered(&[(
        BenignCause::PathLoss,
        Outcome::Possible,
        &[("unanswered_connections", 1.0), ("networks", 1.0)],
    )]);
    detail.assessment.would_change = vec![
        change(ChangeCode::AnswersAgain, Verdict::PathLoss, &[]),
        change(
            ChangeCode::SpreadsToOthers,
            Verdict::PathLoss,
            &[("networks_bound", 8.0), ("over_seconds", 60.0)],
        ),
        change(
            ChangeCode::InterfaceErrorsRise,
            Verdict::PathLoss,
            &[("interface_errors_bound", 10.0), ("over_seconds", 60.0)],
        ),
    ];
    detail.assessment.advice = vec![advice(
        AdviceCode::BoundWaiting,
        &[("longest_stall_seconds", 300.0)],
    )];
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
    let errors = [
        ("rx_errors", 17.0),
        ("tx_errors", 0.0),
        ("rx_dropped", 40.0),
        ("tx_dropped", 0.0),
        ("over_seconds", 60.0),
    ];
    detail.assessment.evidence_for = vec![
        evidence(EvidenceCode::Unanswered, &[("connections", 1.0)]),
        evidence(EvidenceCode::InterfaceErrors, &errors),
    ];
    detail.assessment.evidence_against = vec![evidence(EvidenceCode::TrustedNetwork, &[])];
    detail.assessment.considered = considered(&[(
        BenignCause::PathLoss,
        Outcome::Likely,
        &[("unanswered_connections", 1.0), ("interface_errors", 17.0)],
    )]);
    detail.assessment.would_change = vec![change(ChangeCode::StaysQuiet, Verdict::Benign, &QUIET)];
    detail.assessment.advice = vec![advice(AdviceCode::LookAtPath, &errors)];
    subject
}
