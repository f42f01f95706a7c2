//! A recorder as an agent might have left it, for the tests of every crate.

use crate::{
    Batch, Card, ClockReading, HostSecond, Limits, Note, NoteKind, Opened, PeerSecond, Recorder,
    RecorderError, WindowPoint,
};
use detector_api::fixtures;
use detector_api::snapshot::{Event, FlagKind, Incident, PeerDetail, Severity};
use detector_api::time::rfc3339;
use rusqlite::Connection;
use std::path::Path;

/// 29 December 2026, 21:00:00 UTC.
pub const BEGAN_MS: i64 = 1_798_578_000_000;
/// Who holds most.
pub const WORST: &str = "198.51.100.7";
/// Another one, and one of IPv6.
pub const OTHERS: [&str; 2] = ["198.51.100.9", "2001:db8:1:2::/64"];

/// When in `second` of the recording.
#[must_use]
pub const fn at(second: i64) -> ClockReading {
    ClockReading {
        unix_ms: BEGAN_MS + second * 1_000,
        boot_ms: 500_000 + second * 1_000,
    }
}

/// Writes it into `folder`: one peer closes its window in second 30 and more connections of it follow;
/// an incident opens in second 60; in second 90 a worker is killed, and in 120 the host goes down. From
/// second 600 on an agent runs again, for half a minute.
///
/// # Errors
///
/// The folder cannot be written.
pub fn night(folder: &Path) -> Result<(), RecorderError> {
    let mut number = 0;
    for (boot_id, began, ends) in [("before", 0, 120), ("after", 600, 630)] {
        let limits = Limits {
            bytes: 256 << 20,
            age_ms: 30 * 24 * 3_600_000,
        };
        let who = Opened {
            host: "web1",
            boot_id,
            version: "0.1.0",
            at: at(began),
        };
        let (mut recorder, _) = Recorder::open(folder, limits, &who)?;
        for second in began + 1..=ends {
            recorder.record(&batch(second, &mut number))?;
        }
    }
    Ok(())
}

fn time(second: i64) -> String {
    rfc3339(i128::from(at(second).unix_ms) * 1_000_000)
}

/// Connections of the worst peer that are stalled in this second.
const fn stalled(second: i64) -> i64 {
    match second {
        31..=120 => second - 30,
        _ => 0,
    }
}

fn batch(second: i64, number: &mut u64) -> Batch {
    let stalled = stalled(second);
    let pinned = stalled * 4_000_000;
    let mut batch = Batch {
        at: at(second),
        host: Some(HostSecond {
            load_one: Some(0.5 + f64::from(u32::try_from(stalled).unwrap_or(0)) / 6.0),
            cpu_some_percent: Some(3.0),
            memory_some_percent: Some(if stalled > 60 { 41.0 } else { 0.0 }),
            memory_total_bytes: Some(8_300_000_000),
            memory_available_bytes: Some(5_200_000_000 - pinned * 12),
            tcp_memory_bytes: Some(40_000_000 + pinned),
            tcp_memory_pressure_bytes: Some(590_000_000),
            tcp_memory_limit_bytes: Some(780_000_000),
            held_stalled_send_bytes: Some(pinned),
            held_send_bytes: Some(32_000_000),
            held_receive_bytes: Some(6_000_000),
            held_orphans_bytes: Some(0),
            held_unlisted_bytes: Some(2_000_000),
            orphans: Some(12),
            oom_kills: Some(i64::from((90..600).contains(&second))),
            stalled_connections: Some(stalled),
            pinned_bytes: Some(pinned),
            peers: Some(3),
            agent_cpu_share: Some(0.003),
            agent_resident_bytes: Some(24_000_000),
            ..HostSecond::default()
        }),
        ..Batch::default()
    };
    if stalled == 0 {
        return batch;
    }
    batch.peers = vec![
        peer(WORST, "slow-read-attack", stalled, pinned),
        peer(OTHERS[0], "slow-client", 1, 80_000),
        peer(OTHERS[1], "shrinking-peer", 0, 0),
    ];
    if second % 10 == 0 {
        *number += 1;
        batch.events = vec![event(*number, second)];
        batch.cards = [WORST, OTHERS[0], OTHERS[1]]
            .into_iter()
            .map(|peer| card(peer, second))
            .collect();
    }
    if second >= 60 {
        batch.incidents = vec![incident(second)];
    }
    if second == 90 {
        batch.notes = vec![Note {
            at: at(second),
            kind: NoteKind::OomKill,
            peer: None,
            text: "killed 870 (httpd)".to_owned(),
            kill: None,
        }];
    }
    batch.windows = vec![WindowPoint {
        at: at(second),
        peer: WORST.to_owned(),
        local: "192.0.2.1:80".to_owned(),
        remote: format!("{WORST}:40000"),
        snd_una: 3_584_164_780,
        snd_nxt: 3_584_164_970,
        edge: 3_584_164_780
            + 64_000_u32.saturating_sub(u32::try_from(stalled * 1_000).unwrap_or(0)),
        edge_max: 3_584_164_780 + 64_000,
        window_bytes: (64_000 - stalled * 1_000).max(0),
        queued_bytes: stalled * 40_000,
    }];
    batch
}

fn peer(name: &str, verdict: &str, stalled_connections: i64, pinned_bytes: i64) -> PeerSecond {
    PeerSecond {
        peer: name.to_owned(),
        verdict: Some(verdict.to_owned()),
        stalled_connections,
        pinned_bytes,
        zero_window_episodes: stalled_connections + 2,
        window_shrinks_treason: 3,
        severity: Some("warning".to_owned()),
        bytes_acked_per_second: 120,
        ..PeerSecond::default()
    }
}

fn event(id: u64, second: i64) -> Event {
    let mut event = fixtures::event(id, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
    event.time = time(second);
    if id.is_multiple_of(3) {
        OTHERS[1].clone_into(&mut event.peer);
        event.remote = Some("[2001:db8:1:2::7]:40000".to_owned());
    }
    event
}

fn card(name: &str, second: i64) -> Card {
    let stalled = stalled(second).unsigned_abs();
    let mut peer = fixtures::peer(name, stalled * 4_000_000).peer;
    peer.stalled_connections = stalled;
    peer.connections = stalled + 3;
    peer.severity = Severity::Critical;
    peer.last_seen = time(second);
    let connections = (0..3).map(|number| {
        let mut connection = fixtures::connection(&format!("{name}:{}", 40_000 + number), 800_000);
        name.clone_into(&mut connection.peer);
        connection.last_seen = time(second);
        connection
    });
    Card {
        at: at(second),
        detail: PeerDetail {
            unit_shares: Vec::new(),
            peer,
            assessment: fixtures::assessment(),
            connections_total: stalled + 3,
            connections: connections.collect(),
        },
        thresholds: Some(fixtures::thresholds()),
    }
}

fn incident(second: i64) -> Incident {
    let mut incident = fixtures::incident("20261229T210100.000Z", &time(60));
    incident.duration_seconds = f64::from(u32::try_from(second - 60).unwrap_or(0));
    incident
}

/// Another program that keeps everybody else from writing the recorder in a folder, until it is dropped.
#[derive(Debug)]
pub struct Held {
    _connection: Connection,
}

/// Holds it.
///
/// # Errors
///
/// There is none, or somebody writes it at this moment.
pub fn hold(folder: &Path) -> Result<Held, RecorderError> {
    let file = crate::file_in(folder);
    let failed = |error| RecorderError::of(&file, error);
    let connection = Connection::open(&file).map_err(failed)?;
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    Ok(Held {
        _connection: connection,
    })
}
