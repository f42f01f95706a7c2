//! A kill by the OOM killer is an incident by itself, or part of the one that is open.

#![allow(clippy::unwrap_used, missing_docs)]

use detector_api::snapshot::{IncidentEnd, IncidentKind, Severity};
use detector_core::engine::Engine;
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, SECOND_NS, WallClock};

fn advance(engine: &mut Engine, second: u64) {
    let wall = WallClock { offset_ns: 0 };
    engine.advance(MonotonicTime::from_ns(second * SECOND_NS), wall);
}

#[test]
fn a_kill_opens_an_incident_that_ends_when_nothing_follows() {
    let mut engine = Engine::new(
        DetectSettings::default(),
        TableSettings::default(),
        Vec::new(),
        Vec::new(),
    );
    advance(&mut engine, 100);
    engine.witness_oom_kill();
    advance(&mut engine, 101);
    let open = engine.open_incident().unwrap();
    assert_eq!(open.kinds, [IncidentKind::OomKill]);
    // Another kill belongs to the same.
    advance(&mut engine, 130);
    engine.witness_oom_kill();
    advance(&mut engine, 180);
    assert_eq!(engine.open_incident().map(|open| open.id), Some(open.id));
    advance(&mut engine, 200);
    assert_eq!(engine.open_incident(), None);
    let incident = &engine.incidents()[0];
    assert_eq!(incident.severity, Severity::Critical);
    assert_eq!(incident.end, Some(IncidentEnd::NoMoreKills));
    assert!(incident.peers.is_empty());
}
