//! Peers that take back window, honest ones among them.

use super::parts::{
    HOARD, HOLDS_A_HOARD, change, connection, considered, event, flag, middlebox, nginx,
    out_of_memory, stays_quiet, subject,
};
use crate::cards::Subject;
use detector_api::snapshot::{
    Advice, Assessment, BenignCause, Confidence, Evidence, FlagKind, Outcome, Shrinks, StallCause,
    Verdict,
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
            Evidence::ZeroWindow { connections: 1 },
            Evidence::WindowShrinks {
                shrinks_below_flight: 0,
                shrinks_treason: 3,
                connections: 1,
            },
        ],
        evidence_against: vec![Evidence::BelowThresholds {
            hoard: HOARD,
            stalled_connections: 1,
            pinned_bytes: 4_220_292,
        }],
        considered: considered(vec![
            (
                Outcome::RuledOut,
                BenignCause::ScalingGranularity {
                    granularity_retreats: 0,
                    shrinks: 3,
                },
            ),
            (Outcome::RuledOut, out_of_memory(3)),
            (
                Outcome::Possible,
                BenignCause::ShrinkingKernel {
                    shrinks: 3,
                    holding_connections: 0,
                },
            ),
            (Outcome::Possible, middlebox(1)),
        ]),
        would_change: vec![
            change(HOLDS_A_HOARD, Verdict::ZeroWindowAttack),
            stays_quiet(),
        ],
        advice: vec![Advice::TellPeerOperator {}],
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
