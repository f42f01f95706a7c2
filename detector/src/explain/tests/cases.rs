//! Peers as the agent tells of them.

use crate::explain::{HostFacts, KernelSettings, Page, StatusFacts, Subject};
use crate::host::pressure::{InterfaceCounts, InterfaceReport, TcpMemory};
use crate::time_text;
use detector_core::snapshot::{
    Advice, AdviceCode, Assessment, BenignCause, Change, ChangeCode, Confidence, Connection,
    Considered, Event, EventType, Evidence, EvidenceCode, FlagKind, HeldWorkers, Numbers, Outcome,
    Peer, PeerDetail, Process, Retransmits, Severity, Shrinks, SourceName, StallCause,
    StandingFlag, Verdict,
};

const NOW: &str = "2026-12-29T21:16:10Z";
const SINCE: &str = "2026-12-29T21:04:05Z";

type Pairs<'a> = &'a [(&'a str, f64)];

const HOARD: [(&str, f64); 2] = [("hoard_connections", 20.0), ("hoard_bytes", 67_108_864.0)];
const QUIET: [(&str, f64); 1] = [("quiet_seconds", 600.0)];

fn numbers(pairs: Pairs<'_>) -> Numbers {
    let owned = |(name, number): &(&str, f64)| ((*name).to_owned(), *number);
    pairs.iter().map(owned).collect()
}

fn evidence(code: EvidenceCode, pairs: Pairs<'_>) -> Evidence {
    Evidence {
        code,
        numbers: numbers(pairs),
    }
}

fn change(code: ChangeCode, verdict: Verdict, pairs: Pairs<'_>) -> Change {
    Change {
        code,
        verdict: Some(verdict),
        numbers: numbers(pairs),
    }
}

fn advice(code: AdviceCode, pairs: Pairs<'_>) -> Advice {
    Advice {
        code,
        numbers: numbers(pairs),
    }
}

fn considered(given: &[(BenignCause, Outcome, Pairs<'_>)]) -> Vec<Considered> {
    let usual: [(BenignCause, Pairs<'_>); 8] = [
        (
            BenignCause::ScalingGranularity,
            &[("granularity_retreats", 0.0), ("shrinks", 0.0)],
        ),
        (
            BenignCause::ReceiverOutOfMemory,
            &[("quick_reopens", 0.0), ("shrinks_treason", 0.0)],
        ),
        (
            BenignCause::ShrinkingKernel,
            &[("shrinks", 0.0), ("holding_connections", 0.0)],
        ),
        (
            BenignCause::PausedReader,
            &[
                ("recovered_stalls", 0.0),
                ("holding_connections", 0.0),
                ("longest_stall_seconds", 0.0),
            ],
        ),
        (BenignCause::IdleKeepAlive, &[("stalled_connections", 1.0)]),
        (
            BenignCause::SlowReader,
            &[
                ("drain_bytes_per_second", 0.0),
                ("floor_bytes_per_second", 500.0),
                ("holding_connections", 0.0),
            ],
        ),
        (
            BenignCause::PathLoss,
            &[
                ("unanswered_connections", 0.0),
                ("silences_ended", 0.0),
                ("interface_errors", 0.0),
                ("networks", 0.0),
            ],
        ),
        (
            BenignCause::Middlebox,
            &[("networks", 0.0), ("networks_bound", 8.0)],
        ),
    ];
    usual
        .into_iter()
        .map(|(cause, pairs)| {
            let special = given.iter().find(|(given, ..)| *given == cause);
            let (outcome, special) =
                special.map_or((Outcome::RuledOut, pairs), |each| (each.1, each.2));
            let mut all = numbers(pairs);
            all.extend(numbers(special));
            Considered {
                cause,
                outcome,
                numbers: all,
            }
        })
        .collect()
}

fn process(pid: u32, comm: &str, executable: &str, unit: &str, thread: Option<u32>) -> Process {
    Process {
        pid,
        comm: comm.to_owned(),
        unit: Some(unit.to_owned()),
        executable: Some(executable.to_owned()),
        thread,
    }
}

fn nginx() -> Process {
    process(812, "nginx", "/usr/sbin/nginx", "nginx.service", None)
}

fn connection(remote: &str, stall: StallCause, owner: &[Process]) -> Connection {
    Connection {
        peer: String::new(),
        local: local_of(remote).to_owned(),
        remote: remote.to_owned(),
        netns: 4_026_531_840,
        state: "ESTABLISHED".to_owned(),
        stall: Some(stall),
        stalled_seconds: 725.0,
        in_zero_window: stall == StallCause::ZeroWindow,
        window_bytes: 0,
        window_shift: 7,
        max_window_bytes: 65_535,
        retracted_bytes: 0,
        retracted_max_bytes: 0,
        queued_bytes: 4_186_112,
        in_flight_bytes: 0,
        pinned_bytes: 4_220_292,
        mss_bytes: 1_448,
        zero_window_episodes: 1,
        zero_window_seconds: 725.0,
        window_shrinks: Shrinks::default(),
        granularity_retreats: 0,
        ambiguous_windows: 0,
        ignored_segments: 0,
        retransmits: Retransmits::default(),
        bytes_acked: 65_535,
        bytes_acked_per_second: 0.0,
        rtt_seconds: 0.02,
        timer: "window_probe".to_owned(),
        is_orphan: false,
        inode: Some(1),
        processes: owner.to_vec(),
        source: SourceName::Both,
        first_seen: SINCE.to_owned(),
        last_seen: NOW.to_owned(),
    }
}

fn local_of(remote: &str) -> &'static str {
    if remote.starts_with('[') {
        "[2001:db8::1]:443"
    } else {
        "192.0.2.1:443"
    }
}

fn flag(kind: FlagKind, connections: u64) -> StandingFlag {
    StandingFlag {
        kind,
        since: SINCE.to_owned(),
        connections,
    }
}

fn event(peer: &str, kind: FlagKind, remote: Option<&str>, pairs: Pairs<'_>) -> Event {
    Event {
        id: 1,
        time: SINCE.to_owned(),
        event: EventType::Flag,
        kind,
        verdict: None,
        severity: Severity::Info,
        peer: peer.to_owned(),
        local: remote.map(|remote| local_of(remote).to_owned()),
        remote: remote.map(str::to_owned),
        netns: remote.map(|_| 4_026_531_840),
        evidence: numbers(pairs),
        source: if remote.is_some() {
            SourceName::Hook
        } else {
            SourceName::Both
        },
    }
}

/// A peer with these connections, all of them stalled, and no words about it yet.
fn subject(name: &str, verdict: Verdict, connections: Vec<Connection>) -> Subject {
    let stalled = connections
        .iter()
        .filter(|each| each.stall.is_some())
        .count() as u64;
    let mut processes: Vec<Process> = Vec::new();
    for process in connections.iter().flat_map(|each| &each.processes) {
        if !processes.contains(process) {
            processes.push(process.clone());
        }
    }
    let peer = Peer {
        peer: name.to_owned(),
        verdict: Some(verdict),
        confidence: Some(Confidence::Medium),
        trusted: false,
        flags: Vec::new(),
        severity: Severity::Info,
        connections: connections.len() as u64,
        stalled_connections: stalled,
        pinned_bytes: connections.iter().map(|each| each.pinned_bytes).sum(),
        pinned_byte_seconds: 1e9,
        zero_window_episodes: connections.len() as u64,
        zero_window_seconds: connections
            .iter()
            .map(|each| each.zero_window_seconds)
            .sum(),
        longest_stall_seconds: connections
            .iter()
            .map(|each| each.stalled_seconds)
            .fold(0.0, f64::max),
        window_shrinks: Shrinks::default(),
        retransmits: Retransmits::default(),
        bytes_acked_per_second: connections
            .iter()
            .map(|each| each.bytes_acked_per_second)
            .sum(),
        services: vec![443],
        processes,
        first_seen: "2026-12-29T21:04:00Z".to_owned(),
        last_seen: NOW.to_owned(),
    };
    let assessment = Assessment {
        verdict: Some(verdict),
        confidence: Some(Confidence::Medium),
        since: Some(SINCE.to_owned()),
        evidence_for: Vec::new(),
        evidence_against: Vec::new(),
        considered: considered(&[]),
        would_change: Vec::new(),
        advice: Vec::new(),
    };
    Subject {
        page: Page {
            detail: PeerDetail {
                peer,
                assessment,
                connections_total: connections.len() as u64,
                connections,
            },
            events: Vec::new(),
        },
        host: HostFacts {
            tcp_memory: Some(TcpMemory {
                used_bytes: 200_000_000,
                pressure_bytes: 500_000_000,
                limit_bytes: 800_000_000,
            }),
            interfaces: None,
        },
        status: StatusFacts::default(),
        kernel: KernelSettings {
            tcp_wmem: Some([4_096, 16_384, 4_194_304]),
            tcp_orphan_retries: Some(0),
        },
        now_unix_ns: time_text::rfc3339_unix_ns(NOW).unwrap(),
        asked: None,
    }
}

pub(super) fn zero_window_hoard() -> Subject {
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

pub(super) fn treason() -> Subject {
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

pub(super) fn dribble() -> Subject {
    let connections: Vec<Connection> = (0..24)
        .map(|port| {
            let remote = format!("[2001:db8:1:2::{port:x}]:50000");
            let mut each = connection(&remote, StallCause::Dribble, &[nginx()]);
            each.window_bytes = 128;
            each.mss_bytes = 128;
            each.bytes_acked_per_second = 120.0;
            each.source = SourceName::Hook;
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

pub(super) fn slow_client() -> Subject {
    let mut slow = connection("198.51.100.80:55000", StallCause::ZeroWindow, &[nginx()]);
    slow.stalled_seconds = 8.4;
    slow.bytes_acked_per_second = 200_000.0;
    slow.source = SourceName::Hook;
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

pub(super) fn vanished() -> Subject {
    let mut silent = connection("198.51.100.5:33000", StallCause::Unanswered, &[]);
    silent.stalled_seconds = 300.0;
    silent.window_bytes = 64_240;
    silent.pinned_bytes = 59_200;
    silent.queued_bytes = 20_440;
    silent.in_flight_bytes = 14_600;
    silent.source = SourceName::Sweep;
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

pub(super) fn orphans() -> Subject {
    let connections: Vec<Connection> = (0..40)
        .map(|port| {
            let remote = format!("203.0.113.77:{}", 30_000 + port);
            let mut each = connection(&remote, StallCause::ZeroWindow, &[nginx()]);
            each.state = "FIN-WAIT-1".to_owned();
            each.is_orphan = true;
            each.inode = None;
            each.pinned_bytes = 2_100_000;
            each.queued_bytes = 2_080_000;
            each.source = SourceName::Sweep;
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

pub(super) fn trusted() -> Subject {
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

pub(super) fn all() -> Vec<Subject> {
    vec![
        zero_window_hoard(),
        treason(),
        dribble(),
        slow_client(),
        vanished(),
        orphans(),
        trusted(),
    ]
}
