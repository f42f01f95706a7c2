//! The parts that the peers of these cases are made of.

use crate::cards::{HostFacts, KernelSettings, StatusFacts, Subject};
use detector_api::fixtures;
use detector_api::host::TcpMemory;
use detector_api::page::PeerPage;
use detector_api::snapshot::{
    Assessment, BenignCause, Change, Condition, Confidence, Connection, Considered, Direction,
    Event, EventType, FlagKind, HoardThresholds, Outcome, Peer, PeerDetail, Process, Retransmits,
    SequenceNumbers, Severity, Shrinks, Source, StallCause, StandingFlag, Verdict,
};
use detector_api::time;

pub(super) const NOW: &str = "2026-12-29T21:16:10Z";
pub(super) const SINCE: &str = "2026-12-29T21:04:05Z";

pub(super) type Pairs<'a> = &'a [(&'a str, f64)];

pub(super) const HOARD: HoardThresholds = HoardThresholds {
    hoard_connections: 20,
    hoard_bytes: 67_108_864,
};
pub(super) const HOLDS_A_HOARD: Condition = Condition::HoldsAHoard {
    hoard: HOARD,
    over_seconds: 30.0,
};

pub(super) fn change(condition: Condition, verdict: Verdict) -> Change {
    Change {
        condition,
        verdict: Some(verdict),
    }
}

pub(super) fn stays_quiet() -> Change {
    let quiet_seconds = 600.0;
    change(Condition::StaysQuiet { quiet_seconds }, Verdict::Benign)
}

/// All causes, of which only these were found.
pub(super) fn considered(found: Vec<(Outcome, BenignCause)>) -> Vec<Considered> {
    let mut all: Vec<Considered> = BenignCause::samples()
        .into_iter()
        .map(|cause| Considered {
            cause: match cause {
                BenignCause::IdleKeepAlive { .. } => BenignCause::IdleKeepAlive {
                    stalled_connections: 1,
                },
                BenignCause::ReceiverOutOfMemory { .. } => out_of_memory(0),
                BenignCause::SlowReader { .. } => BenignCause::SlowReader {
                    drain_bytes_per_second: 0,
                    floor_bytes_per_second: 500,
                    holding_connections: 0,
                },
                BenignCause::Middlebox { .. } => middlebox(0),
                other => other,
            },
            outcome: Outcome::RuledOut,
        })
        .collect();
    for (outcome, cause) in found {
        let mut known = all.iter_mut();
        let known = known.find(|each| each.cause.code() == cause.code());
        *known.unwrap() = Considered { cause, outcome };
    }
    all
}

pub(super) fn out_of_memory(shrinks_treason: u64) -> BenignCause {
    BenignCause::ReceiverOutOfMemory {
        quick_reopens: 0,
        reopen_seconds_bound: 1.0,
        shrinks_treason,
    }
}

pub(super) fn middlebox(networks: u64) -> BenignCause {
    BenignCause::Middlebox {
        networks,
        networks_bound: 8,
    }
}

pub(super) fn process(
    pid: u32,
    comm: &str,
    executable: &str,
    unit: &str,
    thread: Option<u32>,
) -> Process {
    Process {
        pid,
        comm: comm.to_owned(),
        unit: Some(unit.to_owned()),
        executable: Some(executable.to_owned()),
        thread,
    }
}

pub(super) fn nginx() -> Process {
    process(812, "nginx", "/usr/sbin/nginx", "nginx.service", None)
}

pub(super) fn connection(remote: &str, stall: StallCause, owner: &[Process]) -> Connection {
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
        sequence: SequenceNumbers::default(),
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
        retransmits_needless: 0,
        bytes_acked: 65_535,
        bytes_acked_per_second: 0,
        rtt_seconds: 0.02,
        timer: "window_probe".to_owned(),
        owner_out_of_sight: false,
        within_host: false,
        is_orphan: false,
        is_subflow: false,
        inode: Some(1),
        processes: owner.to_vec(),
        direction: Direction::Inbound,
        source: Source::Both,
        first_seen: SINCE.to_owned(),
        last_seen: NOW.to_owned(),
    }
}

pub(super) fn local_of(remote: &str) -> &'static str {
    if remote.starts_with('[') {
        "[2001:db8::1]:443"
    } else {
        "192.0.2.1:443"
    }
}

pub(super) fn flag(kind: FlagKind, connections: u64) -> StandingFlag {
    StandingFlag {
        kind,
        since: SINCE.to_owned(),
        connections,
    }
}

pub(super) fn event(peer: &str, kind: FlagKind, remote: Option<&str>, pairs: Pairs<'_>) -> Event {
    Event {
        id: 1,
        time: SINCE.to_owned(),
        event: EventType::Flag,
        flag: fixtures::flag(kind, pairs),
        verdict: None,
        severity: Severity::Info,
        peer: peer.to_owned(),
        local: remote.map(|remote| local_of(remote).to_owned()),
        remote: remote.map(str::to_owned),
        netns: remote.map(|_| 4_026_531_840),
        direction: Direction::Inbound,
        sequence: remote.map(|_| SequenceNumbers::default()),
        source: if remote.is_some() {
            Source::Hook
        } else {
            Source::Both
        },
        guard: None,
    }
}

/// A peer with these connections, all of them stalled, and no words about it yet.
pub(super) fn subject(name: &str, verdict: Verdict, connections: Vec<Connection>) -> Subject {
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
        connections_all: None,
        connections_well: None,
        pinned_bytes: connections.iter().map(|each| each.pinned_bytes).sum(),
        held_workers: None,
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
        direction: Direction::Inbound,
        retransmits_needless: 0,
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
        considered: considered(Vec::new()),
        would_change: Vec::new(),
        advice: Vec::new(),
    };
    Subject {
        page: PeerPage {
            detail: PeerDetail {
                unit_shares: Vec::new(),
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
        status: StatusFacts {
            held_workers: Vec::new(),
            thresholds: Some(fixtures::thresholds()),
            recorder: None,
        },
        kernel: KernelSettings {
            tcp_wmem: Some([4_096, 16_384, 4_194_304]),
            tcp_orphan_retries: Some(0),
        },
        now_unix_ns: time::rfc3339_unix_ns(NOW).unwrap(),
        asked: None,
        recorded: None,
    }
}
