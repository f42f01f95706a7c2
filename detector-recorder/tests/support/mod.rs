//! A recorder in a folder of its own, and seconds to write into it.

#![allow(dead_code, reason = "each test binary uses its own part")]

use detector_api::fixtures;
use detector_api::snapshot::{FlagKind, Incident, PeerDetail};
use detector_recorder::{
    Batch, ClockReading, EventsWanted, HostSecond, Limits, Opened, PeerSecond, Reader, Recorder,
    Span,
};
use std::path::Path;

/// 29 December 2026, 21:04:05 UTC.
pub(crate) const BEGAN_MS: i64 = 1_798_578_245_000;

pub(crate) const LIMITS: Limits = Limits {
    bytes: 256 << 20,
    age_ms: 30 * 24 * 3_600_000,
};

pub(crate) fn at(second: i64) -> ClockReading {
    ClockReading {
        unix_ms: BEGAN_MS + second * 1_000,
        boot_ms: 500_000 + second * 1_000,
    }
}

pub(crate) fn opened(second: i64, boot_id: &str) -> Opened<'_> {
    Opened {
        host: "web1",
        boot_id,
        version: "0.1.0",
        at: at(second),
    }
}

pub(crate) fn open(folder: &Path, second: i64) -> Recorder {
    let (recorder, aside) = Recorder::open(folder, LIMITS, &opened(second, "boot")).unwrap();
    assert_eq!(aside, None);
    recorder
}

/// A second with a host, two peers and an event of this number.
pub(crate) fn batch(second: i64, event: u64) -> Batch {
    let mut flag = fixtures::event(
        event,
        FlagKind::ZeroWindowStall,
        &[("stalled_seconds", 5.0)],
    );
    flag.time = detector_api::time::rfc3339(i128::from(at(second).unix_ms) * 1_000_000);
    let peer = |name: &str, pinned_bytes| PeerSecond {
        peer: name.to_owned(),
        verdict: Some("slow-client".to_owned()),
        stalled_connections: 1,
        pinned_bytes,
        zero_window_episodes: 2,
        window_shrinks_treason: 3,
        severity: Some("warning".to_owned()),
        bytes_acked_per_second: 4,
        ..PeerSecond::default()
    };
    Batch {
        at: at(second),
        host: Some(HostSecond {
            load_one: Some(1.5),
            pinned_bytes: Some(second % 7),
            ..HostSecond::default()
        }),
        peers: vec![
            peer("198.51.100.7", 4 << 20),
            peer("2001:db8::/64", 1 << 20),
        ],
        events: vec![flag],
        ..Batch::default()
    }
}

/// What is known of a peer, for its card.
pub(crate) fn detail(peer: &str) -> PeerDetail {
    PeerDetail {
        unit_shares: Vec::new(),
        peer: fixtures::peer(peer, 4 << 20).peer,
        assessment: fixtures::assessment(),
        connections_total: 0,
        connections: Vec::new(),
    }
}

pub(crate) fn incident(id: &str, began_second: i64) -> Incident {
    let began = i128::from(at(began_second).unix_ms) * 1_000_000;
    fixtures::incident(id, &detector_api::time::rfc3339(began))
}

/// Numbers of all events.
pub(crate) fn all_events(reader: &Reader) -> Vec<u64> {
    let wanted = EventsWanted {
        span: Span::ALL,
        peer: None,
        kind: None,
        limit: usize::MAX,
    };
    let events = reader.events(&wanted).unwrap();
    events.into_iter().map(|event| event.id).collect()
}

/// The same second with so many events, numbered on from `number`.
pub(crate) fn busy(second: i64, events: u32, number: &mut u64) -> Batch {
    let mut busy = batch(second, 0);
    busy.events.clear();
    for _ in 0..events {
        *number += 1;
        busy.events.extend(batch(second, *number).events);
    }
    busy
}
