//! Peers that take back window, honest ones among them.

use super::parts::{
    HOARD, QUIET, advice, change, connection, considered, event, evidence, flag, nginx, subject,
};
use crate::cards::Subject;
use detector_api::snapshot::{
    AdviceCode, Assessment, BenignCause, ChangeCode, Confidence, EvidenceCode, FlagKind, Outcome,
    Shrinks, StallCause, Verdict,
};

pub(in crate::cards::tests) fn treason() -> Subject {
    let shrinks = Shrinks {
        polite: 0,
        below_flight: 0,
        treason: 3,
    };
    let mut bad = connection("198.51.100.7:39660", StallCause::ZeroWindow, &[nginx()]);
    bad.stalled_seconds = 42.0;
    bad.window_shrinks = shrinks;
    bad.in_flight_bytes = 13_140;
    bad.retracted_bytes = 64_240;
    bad.retracted_max_bytes = 64_240;
    let mut subject = subject("198.51.100.7", Verdict::ShrinkingPeer, vec![bad]);
    let detail = &mut subject.page.detail;
    detail.peer.window_shrinks = shrinks;
    detail.peer.retransmits.window_probe = 11;
    detail.peer.flags = vec![
        flag(FlagKind::WindowShrink, 1),
        flag(FlagKind::ZeroWindowStall, 1),
    ];
    detail.assessment = Assessment {
        confidence: Some(Confidence::High),
        evidence_for: vec![
            evidence(EvidenceCode::ZeroWindow, &[("connections", 1.0)]),
            evidence(
                EvidenceCode::WindowShrinks,
                &[
                    ("shrinks_below_flight", 0.0),
                    ("shrinks_treason", 3.0),
                    ("connections", 1.0),
                ],
            ),
        ],
        evidence_against: vec![evidence(
            EvidenceCode::BelowThresholds,
            &[
                ("stalled_connections", 1.0),
                ("pinned_bytes", 4_220_292.0),
                HOARD[0],
                HOARD[1],
            ],
        )],
        considered: considered(&[
            (
                BenignCause::ScalingGranularity,
                Outcome::RuledOut,
                &[("shrinks", 3.0)],
            ),
            (
                BenignCause::ReceiverOutOfMemory,
                Outcome::RuledOut,
                &[("shrinks_treason", 3.0)],
            ),
            (
                BenignCause::ShrinkingKernel,
                Outcome::Possible,
                &[("shrinks", 3.0)],
            ),
            (
                BenignCause::Middlebox,
                Outcome::Possible,
                &[("networks", 1.0)],
            ),
        ]),
        would_change: vec![
            change(
                ChangeCode::HoldsAHoard,
                Verdict::ZeroWindowAttack,
                &[HOARD[0], HOARD[1], ("over_seconds", 30.0)],
            ),
            change(ChangeCode::StaysQuiet, Verdict::Benign, &QUIET),
        ],
        advice: vec![advice(AdviceCode::TellPeerOperator, &[])],
        ..detail.assessment.clone()
    };
    subject.page.events = vec![event(
        "198.51.100.7",
        FlagKind::WindowShrink,
        Some("198.51.100.7:39660"),
        &[("retracted_bytes", 64_240.0), ("pinned_bytes", 4_220_292.0)],
    )];
    subject
}
