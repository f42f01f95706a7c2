//! Rows and events as an agent might send them, for the tests of every crate.

use crate::row::PeerRow;
use crate::snapshot::{
    Assessment, Confidence, Connection, Direction, Event, EventType, Evidence, FlagEvidence,
    FlagKind, HoardThresholds, Incident, IncidentKind, Peer, Process, Retransmits, SequenceNumbers,
    Severity, Shrinks, Source, StallCause, Thresholds, Verdict,
};

/// A flag of this kind with these numbers.
#[must_use]
pub fn event(id: u64, kind: FlagKind, evidence: &[(&str, f64)]) -> Event {
    Event {
        id,
        time: "2026-12-29T21:04:05.123Z".to_owned(),
        event: EventType::Flag,
        flag: flag(kind, evidence),
        verdict: None,
        severity: Severity::Warning,
        peer: "198.51.100.7".to_owned(),
        local: Some("192.0.2.1:80".to_owned()),
        remote: Some("198.51.100.7:40000".to_owned()),
        netns: Some(1),
        direction: Direction::Inbound,
        sequence: Some(SEQUENCE),
        source: Source::Sweep,
        guard: None,
    }
}

/// 190 bytes in flight, and no window for them any more.
const SEQUENCE: SequenceNumbers = SequenceNumbers {
    snd_una: 3_584_164_780,
    snd_nxt: 3_584_164_970,
    edge: 3_584_164_780,
    edge_max: Some(3_584_170_620),
};

/// Evidence with these numbers and all others zero.
#[must_use]
pub fn flag(kind: FlagKind, numbers: &[(&str, f64)]) -> FlagEvidence {
    let mut evidence = FlagEvidence::sample(kind).numbers();
    for (name, number) in numbers {
        let number = serde_json::Number::from_f64(*number).unwrap_or_else(|| 0.into());
        evidence.insert((*name).to_owned(), number);
    }
    let value = serde_json::json!({ "kind": kind, "evidence": evidence });
    serde_json::from_value(value).unwrap_or_else(|_| FlagEvidence::sample(kind))
}

/// The thresholds of an agent without a configuration.
#[must_use]
pub const fn thresholds() -> Thresholds {
    Thresholds {
        stall_after_seconds: 5.0,
        dribble_floor_bytes_per_second: 500,
        dribble_over_seconds: 30.0,
        hoard_connections: 20,
        hoard_bytes: 64 << 20,
    }
}

/// A peer that costs much.
#[must_use]
pub fn peer(address: &str, pinned_bytes: u64) -> PeerRow {
    PeerRow::from(Peer {
        peer: address.to_owned(),
        verdict: Some(Verdict::SlowReadAttack),
        confidence: None,
        trusted: false,
        flags: Vec::new(),
        severity: Severity::Warning,
        connections: 3,
        stalled_connections: 2,
        connections_all: None,
        connections_well: None,
        pinned_bytes,
        held_workers: None,
        pinned_byte_seconds: 1e9,
        zero_window_episodes: 4,
        zero_window_seconds: 75.0,
        longest_stall_seconds: 60.0,
        window_shrinks: Shrinks {
            polite: 1,
            below_flight: 2,
            treason: 3,
        },
        retransmits: Retransmits {
            loss: 5,
            tail_probe: 7,
            window_probe: 6,
        },
        retransmits_needless: 4,
        bytes_acked_per_second: 120,
        direction: Direction::Inbound,
        services: vec![80, 443],
        processes: vec![process(7, "httpd", Some("httpd.service"))],
        first_seen: "2026-12-29T21:00:00.000Z".to_owned(),
        last_seen: "2026-12-29T21:04:00.000Z".to_owned(),
    })
}

/// A process that holds a connection.
#[must_use]
pub fn process(pid: u32, comm: &str, unit: Option<&str>) -> Process {
    Process {
        pid,
        comm: comm.to_owned(),
        unit: unit.map(str::to_owned),
        executable: None,
        thread: None,
    }
}

/// A connection that is held up.
#[must_use]
pub fn connection(remote: &str, pinned_bytes: u64) -> Connection {
    Connection {
        peer: "198.51.100.7".to_owned(),
        local: "192.0.2.1:80".to_owned(),
        remote: remote.to_owned(),
        netns: 4_026_531_840,
        state: "CLOSE-WAIT".to_owned(),
        stall: Some(StallCause::ZeroWindow),
        stalled_seconds: 60.0,
        in_zero_window: true,
        window_bytes: 0,
        window_shift: 7,
        max_window_bytes: 65_535,
        sequence: SEQUENCE,
        retracted_bytes: 0,
        retracted_max_bytes: 0,
        queued_bytes: 100_000,
        in_flight_bytes: 0,
        pinned_bytes,
        mss_bytes: 1_448,
        zero_window_episodes: 1,
        zero_window_seconds: 60.0,
        window_shrinks: Shrinks::default(),
        granularity_retreats: 0,
        ambiguous_windows: 0,
        ignored_segments: 0,
        retransmits: Retransmits::default(),
        retransmits_needless: 0,
        bytes_acked: 1,
        bytes_acked_per_second: 0,
        rtt_seconds: 0.02,
        timer: "window_probe".to_owned(),
        owner_out_of_sight: false,
        within_host: false,
        is_orphan: false,
        is_subflow: false,
        inode: Some(1),
        processes: vec![process(7, "httpd", Some("httpd.service"))],
        direction: Direction::Inbound,
        source: Source::Both,
        first_seen: "2026-12-29T21:00:00.000Z".to_owned(),
        last_seen: "2026-12-29T21:04:00.000Z".to_owned(),
    }
}

/// An incident that goes on.
#[must_use]
pub fn incident(id: &str, began: &str) -> Incident {
    Incident {
        id: id.to_owned(),
        open: true,
        began: began.to_owned(),
        ended: None,
        duration_seconds: 60.0,
        kinds: vec![IncidentKind::Hoard],
        severity: Severity::Critical,
        peak_stalled_connections: 24,
        peak_pinned_bytes: 96 << 20,
        peak_time: began.to_owned(),
        host: None,
        counts: None,
        tcp_memory_held: None,
        orphans: None,
        kills: Vec::new(),
        peers_total: 1,
        peers: Vec::new(),
        owners: Vec::new(),
        first_flag: None,
        worst_flag: None,
        end: None,
    }
}

/// A weighing of a peer that holds a hoard and drains nothing.
#[must_use]
pub fn assessment() -> Assessment {
    Assessment {
        verdict: Some(Verdict::SlowReadAttack),
        confidence: Some(Confidence::High),
        since: Some("2026-12-29T21:00:00.000Z".to_owned()),
        evidence_for: vec![
            Evidence::HoardOfPeer {
                hoard: HoardThresholds {
                    hoard_connections: 20,
                    hoard_bytes: 67_108_864,
                },
                stalled_connections: 60,
                pinned_bytes: 48_200_000,
            },
            Evidence::DrainsNothing {
                holding_connections: 60,
                holding_pinned_bytes: 48_200_000,
                floor_bytes_per_second: 500,
                over_seconds: 30.0,
            },
        ],
        evidence_against: vec![Evidence::TooShort {
            holding_connections: 4,
            over_seconds: 12.0,
        }],
        considered: Vec::new(),
        would_change: Vec::new(),
        advice: Vec::new(),
    }
}
