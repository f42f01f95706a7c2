//! For how long hosts were in danger, where a timeline shows few points of many.

use super::story::{Host, at, incident};
use super::{PLAIN, Wanted, made, wanted};
use crate::report::helped;
use crate::report::model::{Remedies, Time};
use detector_api::snapshot::EventType;
use detector_recorder::Batch;
use std::path::PathBuf;
use tempfile::TempDir;

const PEER: &str = "203.0.113.9";
const CONNECTIONS: i64 = 30;
const LASTS_MS: i64 = 60_000;

/// A day, half a minute apart, and second by second while thirty connections stand for a minute, ten times.
fn day_of_ten() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let day_ms = 24 * 3_600_000;
    let began = at("22:00:00") - day_ms;
    let booted = began - day_ms;
    let mut host = Host::start(folder.path(), "web1", "boot", booted, began);
    for number in 0..10 {
        let from = began + number * day_ms / 10;
        let incident_ms = from + 3_605_000;
        let quiet = |host: &mut Host<'_>, from: i64, until: i64| {
            for time in (from..until).step_by(30_000) {
                host.record(time, &[], Batch::default());
            }
        };
        quiet(&mut host, from, incident_ms);
        held_for_a_minute(&mut host, incident_ms);
        quiet(&mut host, incident_ms + LASTS_MS, from + day_ms / 10);
    }
    folder
}

fn held_for_a_minute(host: &mut Host<'_>, from: i64) {
    let mut held = incident(from, &[(PEER, CONNECTIONS)]);
    let over = from + LASTS_MS;
    held.ended = Some(Time(over).rfc3339());
    held.open = false;
    for time in (from..over).step_by(1_000) {
        let mut batch = Batch::default();
        if time == from {
            batch.incidents = vec![held.clone()];
        }
        if time == from + 5_000 {
            let flags = (1..=CONNECTIONS).map(|port| host.event(time, PEER, port, EventType::Flag));
            batch.events = flags.collect();
        }
        if time == over - 1_000 {
            let flags = 1..=CONNECTIONS;
            let flags = flags.map(|port| host.event(over, PEER, port, EventType::Cleared));
            batch.events = flags.collect();
        }
        host.record(time, &[(PEER, CONNECTIONS)], batch);
    }
}

fn danger_of(remedies: &Remedies) -> [f64; 2] {
    let timeout = remedies.timeouts.iter().find(|each| each.value == 15);
    [remedies.danger_seconds, timeout.unwrap().danger_seconds]
}

#[test]
fn danger_is_counted_second_by_second_however_few_points_are_shown() {
    let folder = day_of_ten();
    let paths: [PathBuf; 1] = [folder.path().to_owned()];
    let day = Wanted {
        since: Some("2026-12-28T22:00:00Z"),
        ..wanted()
    };
    let (report, recordings) = made(&day, &paths);
    assert_eq!(report.incidents.len(), 10);
    let shown = recordings[0].seconds.len();
    assert!(shown < 1_600, "{shown}");
    let told = danger_of(&report.remedies);
    for (told, expected) in told.iter().zip([600.0, 150.0]) {
        assert!((told - expected).abs() <= 12.0, "{told}, not {expected}");
    }
    let limit = report.remedies.limits.iter().find(|each| each.value == 10);
    assert!(limit.unwrap().danger_seconds <= 0.0, "{limit:?}");
    let summary = &report.summary[4];
    assert!(
        summary.contains("a limit of 10 connections an address would have kept the hosts out"),
        "{summary}"
    );
    // The same of the peer alone.
    let helped = helped(&paths[0], PEER, PLAIN).unwrap();
    let joined = helped.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains("as it was 0 0 B 0 10m 0s"), "{helped}");
    assert!(joined.contains(" 2m 30s "), "{helped}");
}

/// The host as a whole held more in the second beside it.
#[test]
fn the_worst_moment_of_a_peer_is_sought_in_all_seconds() {
    const OTHER: &str = "198.51.100.7";
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(
        folder.path(),
        "web1",
        "boot",
        at("00:00:00"),
        at("20:00:00"),
    );
    for second in 0..1_200 {
        let held = match second {
            600 => [(PEER, 40), (OTHER, 0)],
            _ => [(PEER, 5), (OTHER, 60)],
        };
        host.record(at("20:00:00") + second * 1_000, &held, Batch::default());
    }
    drop(host);
    let helped = helped(folder.path(), PEER, PLAIN).unwrap();
    let joined = helped.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        joined.contains("2026-12-29 20:10:00 UTC on web1 (40 stalled connections, 169 MB)"),
        "{helped}"
    );
    assert!(
        joined.contains("as it was 0 0 B 0 1.0 s 20:10:01"),
        "{helped}"
    );
}
