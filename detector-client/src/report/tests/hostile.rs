//! A recorder of somebody who means harm.

use super::story::{Host, at, card, incident};
use detector_api::fixtures;
use detector_api::snapshot::{
    Advice, EventType, Incident, IncidentKill, IncidentKind, OrphansAtLimit,
};
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};
use detector_recorder::{
    Batch, ClockReading, Gap, GapReason, HostSecond, KillScope, NoteKind, OomKill, PeerSecond,
    WindowPoint,
};
use tempfile::TempDir;

const EVIL: &str = "</style><script>alert(1)</script><img src=x onerror=alert(1)>\"onload=\"x'\u{1b}]0;\u{7}\u{202e}";

/// A recorder in which every string is hostile and every number wild.
pub(super) fn hostile() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let now = at("22:00:00");
    let mut host = Host::start(folder.path(), EVIL, EVIL, 0, now);
    let mut event = host.event(now, EVIL, 1, EventType::Flag);
    event.local = Some(EVIL.to_owned());
    event.remote = Some(EVIL.to_owned());
    let mut card = card(host.moment(now), EVIL, 5);
    card.detail.peer.processes = vec![fixtures::process(1, EVIL, Some(EVIL))];
    for connection in &mut card.detail.connections {
        connection.local = EVIL.to_owned();
        connection.state = EVIL.to_owned();
        connection.stalled_seconds = -1e300;
    }
    card.detail.assessment.advice = vec![Advice::Other {
        code: EVIL.to_owned(),
        numbers: [(EVIL.to_owned(), 1.into())].into(),
    }];
    let of_night = evil_incident(now);
    let point = |unix_ms: i64| WindowPoint {
        at: ClockReading {
            unix_ms,
            boot_ms: i64::MIN,
        },
        peer: EVIL.to_owned(),
        local: EVIL.to_owned(),
        remote: EVIL.to_owned(),
        snd_una: u32::MAX,
        snd_nxt: 0,
        edge: 1 << 31,
        edge_max: 7,
        window_bytes: i64::MIN,
        queued_bytes: i64::MAX,
    };
    let all = [
        NoteKind::OomKill,
        NoteKind::Kernel,
        NoteKind::Action,
        NoteKind::Verdict,
    ];
    let mut notes = all.map(|kind| host.note(now, kind, Some(EVIL), EVIL).notes.remove(0));
    notes[0].kill = Some(evil_kill());
    let wild = HostSecond {
        load_one: Some(f64::INFINITY),
        memory_some_percent: Some(-1e300),
        memory_total_bytes: Some(i64::MIN),
        memory_available_bytes: Some(i64::MAX),
        tcp_memory_bytes: Some(i64::MAX),
        tcp_memory_limit_bytes: Some(0),
        held_stalled_send_bytes: Some(i64::MAX),
        held_send_bytes: Some(i64::MIN),
        held_receive_bytes: Some(i64::MAX),
        held_orphans_bytes: Some(i64::MAX),
        held_unlisted_bytes: Some(-1),
        stalled_connections: Some(i64::MAX),
        pinned_bytes: Some(i64::MAX),
        held_workers: Some(i64::MAX),
        records_lost: Some(i64::MIN),
        ..HostSecond::default()
    };
    let peer = PeerSecond {
        peer: EVIL.to_owned(),
        verdict: Some(EVIL.to_owned()),
        stalled_connections: i64::MAX,
        pinned_bytes: i64::MIN,
        zero_window_episodes: -1,
        severity: Some(EVIL.to_owned()),
        window_shrinks_polite: -1,
        window_shrinks_below_flight: i64::MAX,
        window_shrinks_treason: i64::MIN,
        held_workers: Some(i64::MIN),
        bytes_acked_per_second: -1,
    };
    for place in 0..3 {
        let batch = Batch {
            at: ClockReading {
                unix_ms: now + place,
                boot_ms: i64::MAX - place,
            },
            host: Some(wild),
            peers: vec![peer.clone()],
            cards: vec![card.clone()],
            events: vec![event.clone()],
            notes: notes.to_vec(),
            incidents: vec![of_night.clone()],
            windows: vec![point(now - 5), point(now + place)],
            gaps: vec![Gap {
                from_ms: i64::MIN,
                until_ms: i64::MAX,
                reason: GapReason::Frozen,
            }],
        };
        host.recorder.record(&batch).unwrap();
    }
    folder
}

fn evil_kill() -> OomKill {
    OomKill {
        name: Some(EVIL.to_owned()),
        unit: Some(EVIL.to_owned()),
        cgroup: Some(EVIL.to_owned()),
        scope: KillScope::ControlGroup,
        anonymous_bytes: Some(u64::MAX),
        socket_bytes: Some(u64::MAX),
        limit_bytes: Some(0),
        ..OomKill::default()
    }
}

/// Of every kind, short of memory and of room.
fn evil_incident(now: i64) -> Incident {
    let process = fixtures::process(1, EVIL, Some(EVIL));
    Incident {
        id: EVIL.to_owned(),
        duration_seconds: -1e308,
        kinds: IncidentKind::ALL.into(),
        tcp_memory_held: Some(TcpMemoryHeld {
            time: EVIL.to_owned(),
            counted_bytes: 1,
            held_bytes: HeldBytes {
                stalled_send: u64::MAX,
                send: u64::MAX,
                receive: u64::MAX,
                orphans: u64::MAX,
                unlisted: u64::MAX,
            },
            unread: vec![Unread {
                process: Some(process.clone()),
                bytes: u64::MAX,
                sockets: u64::MAX,
                not_accepted: u64::MAX,
            }],
            ..TcpMemoryHeld::default()
        }),
        orphans: Some(OrphansAtLimit {
            orphans: Some(u64::MAX),
            limit: Some(u64::MAX),
            stalled: u64::MAX,
        }),
        kills: vec![IncidentKill {
            time: EVIL.to_owned(),
            pid: None,
            scope: KillScope::ControlGroup,
            host: None,
            stalled_connections: u64::MAX,
            pinned_bytes: u64::MAX,
            socket_bytes: Some(u64::MAX),
            limit_bytes: Some(0),
        }],
        owners: vec![process],
        ..incident(now, &[(EVIL, 7)])
    }
}
