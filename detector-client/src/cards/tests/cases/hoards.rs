//! Peers that hold much: closed windows, dribbles, orphans.

use super::parts::{
    HOARD, change, connection, considered, event, flag, nginx, process, stays_quiet, subject,
};
use crate::cards::Subject;
use detector_api::snapshot::{
    Advice, Assessment, BenignCause, Change, Condition, Confidence, Connection, Evidence, FlagKind,
    HeldWorkers, Outcome, Severity, Source, StallCause, UnitMemory, UnitShare, Verdict,
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
    let pinned_bytes = 31 * 4_220_292;
    let detail = &mut subject.page.detail;
    detail.peer.severity = Severity::Critical;
    detail.peer.flags = vec![
        flag(FlagKind::ZeroWindowStall, 31),
        flag(FlagKind::StallHoard, 1),
    ];
    detail.assessment = Assessment {
        confidence: Some(Confidence::High),
        evidence_for: vec![
            Evidence::HoardOfPeer {
                hoard: HOARD,
                stalled_connections: 31,
                pinned_bytes,
            },
            Evidence::DrainsNothing {
                holding_connections: 31,
                holding_pinned_bytes: pinned_bytes,
                floor_bytes_per_second: 500,
                over_seconds: 30.0,
            },
            Evidence::ZeroWindow { connections: 31 },
        ],
        considered: considered(vec![
            (
                Outcome::RuledOut,
                BenignCause::PausedReader {
                    recovered_stalls: 0,
                    holding_connections: 31,
                    longest_stall_seconds: 725.0,
                },
            ),
            (
                Outcome::RuledOut,
                BenignCause::SlowReader {
                    drain_bytes_per_second: 0,
                    floor_bytes_per_second: 15_500,
                    holding_connections: 31,
                },
            ),
            (
                Outcome::RuledOut,
                BenignCause::IdleKeepAlive {
                    stalled_connections: 31,
                },
            ),
        ]),
        would_change: vec![
            drains_above(15_500),
            change(Condition::ReadsOn {}, Verdict::SlowClient),
            stays_quiet(),
        ],
        advice: bounds(31, 4_220_292),
        ..detail.assessment.clone()
    };
    subject.status.held_workers = vec![HeldWorkers {
        memory: Some(UnitMemory {
            limit_bytes: 536_870_912,
            used_bytes: 310_000_000,
            socket_bytes: 142_000_000,
            pinned_bytes: 135_000_000,
        }),
        service: "apache2.service".to_owned(),
        held: Some(31),
        total: 151,
        stalled_connections: 31,
    }];
    subject.page.detail.unit_shares = vec![UnitShare {
        unit: "apache2.service".to_owned(),
        pinned_bytes: 131_000_000,
        limit_bytes: 536_870_912,
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
            each.bytes_acked_per_second = 120;
            each.source = Source::Hook;
            each
        })
        .collect();
    let mut subject = subject("2001:db8:1:2::/64", Verdict::SlowReadAttack, connections);
    let detail = &mut subject.page.detail;
    detail.peer.severity = Severity::Critical;
    detail.peer.flags = vec![flag(FlagKind::Dribble, 24), flag(FlagKind::StallHoard, 1)];
    detail.assessment.evidence_for = vec![
        Evidence::HoardOfPeer {
            hoard: HOARD,
            stalled_connections: 24,
            pinned_bytes: 24 * 4_220_292,
        },
        Evidence::Dribble {
            connections: 24,
            drain_seconds: 34_884.0,
            floor_bytes_per_second: 500,
        },
    ];
    detail.assessment.would_change = vec![drains_above(12_000)];
    detail.assessment.advice = bounds(24, 4_220_292);
    subject.page.events = vec![event(
        "2001:db8:1:2::/64",
        FlagKind::Dribble,
        Some("[2001:db8:1:2::1]:50000"),
        &[("drain_bytes_per_second", 118.0)],
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
    detail.assessment.evidence_for = vec![Evidence::HoardOfPeer {
        hoard: HOARD,
        stalled_connections: 40,
        pinned_bytes: 84_000_000,
    }];
    detail.assessment.advice = bounds(40, 2_100_000);
    let orphans = Advice::BoundOrphans {
        orphan_connections: 40,
    };
    detail.assessment.advice.insert(3, orphans);
    subject
}

/// What is advised against so many stalled connections, each with so much memory.
fn bounds(stalled_connections: u64, pinned_bytes_per_connection: u64) -> Vec<Advice> {
    vec![
        Advice::ResetStalled {
            stalled_connections,
        },
        Advice::LimitConnections {
            stalled_connections,
        },
        Advice::BoundWaiting {
            longest_stall_seconds: 725.0,
        },
        Advice::BoundMemory {
            pinned_bytes_per_connection,
        },
    ]
}

fn drains_above(floor_bytes_per_second: u64) -> Change {
    let condition = Condition::DrainsAboveFloor {
        floor_bytes_per_second,
    };
    change(condition, Verdict::SlowClient)
}
