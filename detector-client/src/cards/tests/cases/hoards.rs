//! Peers that hold much: closed windows, dribbles, orphans.

use super::parts::{
    HOARD, QUIET, advice, change, connection, considered, event, evidence, flag, nginx, process,
    subject,
};
use crate::cards::Subject;
use detector_api::snapshot::{
    AdviceCode, Assessment, BenignCause, ChangeCode, Confidence, Connection, EvidenceCode,
    FlagKind, HeldWorkers, Outcome, Severity, Source, StallCause, Verdict,
};

pub(in crate::cards::tests) fn zero_window_hoard() -> Subject {
    let connections: Vec<Connection> = (0..31)
        .map(|port| {
            let remote = format!("203.0.113.9:{}", 40_000 + port);
            let pid = 870 + port;
            let (program, unit) = ("/usr/sbin/apache2", "apache2.service");
            let owner = process(pid, "apache2", program, unit, Some(pid));
            connection(&remote, StallCause::ZeroWindow, &[owner])
        })
        .collect();
    let mut subject = subject("203.0.113.9", Verdict::ZeroWindowAttack, connections);
    let pinned = ("pinned_bytes", 31.0 * 4_220_292.0);
    let detail = &mut subject.page.detail;
    detail.peer.severity = Severity::Critical;
    detail.peer.flags = vec![
        flag(FlagKind::ZeroWindowStall, 31),
        flag(FlagKind::StallHoard, 1),
    ];
    detail.assessment = Assessment {
        confidence: Some(Confidence::High),
        evidence_for: vec![
            evidence(
                EvidenceCode::HoardOfPeer,
                &[("stalled_connections", 31.0), pinned, HOARD[0], HOARD[1]],
            ),
            evidence(
                EvidenceCode::DrainsNothing,
                &[
                    ("holding_connections", 31.0),
                    ("holding_pinned_bytes", pinned.1),
                    ("floor_bytes_per_second", 500.0),
                    ("over_seconds", 30.0),
                ],
            ),
            evidence(EvidenceCode::ZeroWindow, &[("connections", 31.0)]),
        ],
        considered: considered(&[
            (
                BenignCause::PausedReader,
                Outcome::RuledOut,
                &[
                    ("holding_connections", 31.0),
                    ("longest_stall_seconds", 725.0),
                ],
            ),
            (
                BenignCause::SlowReader,
                Outcome::RuledOut,
                &[
                    ("floor_bytes_per_second", 15_500.0),
                    ("holding_connections", 31.0),
                ],
            ),
            (
                BenignCause::IdleKeepAlive,
                Outcome::RuledOut,
                &[("stalled_connections", 31.0)],
            ),
        ]),
        would_change: vec![
            change(
                ChangeCode::DrainsAboveFloor,
                Verdict::SlowClient,
                &[("floor_bytes_per_second", 15_500.0)],
            ),
            change(ChangeCode::ReadsOn, Verdict::SlowClient, &[]),
            change(ChangeCode::FallsSilent, Verdict::Vanished, &[]),
            change(ChangeCode::StaysQuiet, Verdict::Benign, &QUIET),
        ],
        advice: vec![
            advice(
                AdviceCode::LimitConnections,
                &[("stalled_connections", 31.0)],
            ),
            advice(
                AdviceCode::BoundWaiting,
                &[("longest_stall_seconds", 725.0)],
            ),
            advice(
                AdviceCode::BoundMemory,
                &[("pinned_bytes_per_connection", 4_220_292.0)],
            ),
        ],
        ..detail.assessment.clone()
    };
    subject.status.held_workers = vec![HeldWorkers {
        service: "apache2.service".to_owned(),
        held: 31,
        total: 151,
        stalled_connections: 31,
    }];
    subject.page.events = vec![
        event(
            "203.0.113.9",
            FlagKind::ZeroWindowStall,
            Some("203.0.113.9:40000"),
            &[("stalled_seconds", 5.0), ("pinned_bytes", 4_220_292.0)],
        ),
        event(
            "203.0.113.9",
            FlagKind::StallHoard,
            None,
            &[
                ("stalled_connections", 20.0),
                ("pinned_bytes", 84_405_840.0),
            ],
        ),
    ];
    subject
}

pub(in crate::cards::tests) fn dribble() -> Subject {
    let connections: Vec<Connection> = (0..24)
        .map(|port| {
            let remote = format!("[2001:db8:1:2::{port:x}]:50000");
            let mut each = connection(&remote, StallCause::Dribble, &[nginx()]);
            each.window_bytes = 128;
            each.mss_bytes = 128;
            each.bytes_acked_per_second = 120.0;
            each.source = Source::Hook;
            each
        })
        .collect();
    let mut subject = subject("2001:db8:1:2::/64", Verdict::SlowReadAttack, connections);
    let detail = &mut subject.page.detail;
    detail.peer.severity = Severity::Critical;
    detail.peer.flags = vec![flag(FlagKind::Dribble, 24), flag(FlagKind::StallHoard, 1)];
    detail.assessment.evidence_for = vec![
        evidence(
            EvidenceCode::HoardOfPeer,
            &[
                ("stalled_connections", 24.0),
                ("pinned_bytes", 24.0 * 4_220_292.0),
                HOARD[0],
                HOARD[1],
            ],
        ),
        evidence(
            EvidenceCode::Dribble,
            &[
                ("connections", 24.0),
                ("drain_seconds", 34_884.0),
                ("floor_bytes_per_second", 500.0),
            ],
        ),
    ];
    detail.assessment.would_change = vec![change(
        ChangeCode::DrainsAboveFloor,
        Verdict::SlowClient,
        &[("floor_bytes_per_second", 12_000.0)],
    )];
    detail.assessment.advice = vec![
        advice(
            AdviceCode::LimitConnections,
            &[("stalled_connections", 24.0)],
        ),
        advice(
            AdviceCode::BoundWaiting,
            &[("longest_stall_seconds", 725.0)],
        ),
        advice(
            AdviceCode::BoundMemory,
            &[("pinned_bytes_per_connection", 4_220_292.0)],
        ),
    ];
    subject.page.events = vec![event(
        "2001:db8:1:2::/64",
        FlagKind::Dribble,
        Some("[2001:db8:1:2::1]:50000"),
        &[("drain_bytes_per_second", 118.0), ("over_seconds", 30.0)],
    )];
    subject
}

pub(in crate::cards::tests) fn orphans() -> Subject {
    let connections: Vec<Connection> = (0..40)
        .map(|port| {
            let remote = format!("203.0.113.77:{}", 30_000 + port);
            let mut each = connection(&remote, StallCause::ZeroWindow, &[nginx()]);
            each.state = "FIN-WAIT-1".to_owned();
            each.is_orphan = true;
            each.inode = None;
            each.pinned_bytes = 2_100_000;
            each.queued_bytes = 2_080_000;
            each.source = Source::Sweep;
            each
        })
        .collect();
    let mut subject = subject("203.0.113.77", Verdict::ZeroWindowAttack, connections);
    let detail = &mut subject.page.detail;
    detail.peer.severity = Severity::Critical;
    detail.peer.flags = vec![
        flag(FlagKind::ZeroWindowStall, 40),
        flag(FlagKind::StallHoard, 1),
    ];
    detail.assessment.evidence_for = vec![evidence(
        EvidenceCode::HoardOfPeer,
        &[
            ("stalled_connections", 40.0),
            ("pinned_bytes", 84_000_000.0),
            HOARD[0],
            HOARD[1],
        ],
    )];
    detail.assessment.advice = vec![
        advice(
            AdviceCode::LimitConnections,
            &[("stalled_connections", 40.0)],
        ),
        advice(
            AdviceCode::BoundWaiting,
            &[("longest_stall_seconds", 725.0)],
        ),
        advice(AdviceCode::BoundOrphans, &[("orphan_connections", 40.0)]),
        advice(
            AdviceCode::BoundMemory,
            &[("pinned_bytes_per_connection", 2_100_000.0)],
        ),
    ];
    subject
}
