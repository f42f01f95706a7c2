//! No room for more orphans is an incident: by their number, by what the kernel closes, or by its word.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use detector_api::recorded::OomKill;
use detector_api::snapshot::{HostPressure, IncidentEnd, IncidentKind, OrphansAtLimit, Severity};
use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, TcpState};
use support::{WALL, engine, ms, zero_window};

fn see(engine: &mut Engine, second: u64, orphans: u64) {
    engine.advance(ms(second * 1_000), WALL);
    engine.set_host_pressure(HostPressure {
        orphans: Some(orphans),
        orphan_limit: Some(1_000),
        ..HostPressure::default()
    });
}

fn kinds(engine: &mut Engine, second: u64) -> Vec<IncidentKind> {
    engine.advance(ms(second * 1_000), WALL);
    engine
        .open_incident()
        .map_or_else(Vec::new, |open| open.kinds)
}

#[test]
fn their_number_opens_it_and_it_ends_when_there_is_room() {
    let mut engine = engine();
    engine.advance(ms(90_000), WALL);
    // One that a peer holds up, and that no process holds any more.
    let held = zero_window("198.51.100.7:40000", ms(90_000), ms(90_000));
    engine.observe(&Observation {
        state: TcpState::FinWait1,
        is_orphan: true,
        inode: None,
        ..held
    });
    see(&mut engine, 100, 999);
    assert_eq!(kinds(&mut engine, 101), []);
    see(&mut engine, 105, 1_000);
    assert_eq!(kinds(&mut engine, 106), [IncidentKind::OrphanLimit]);
    see(&mut engine, 110, 1_004);
    assert_eq!(kinds(&mut engine, 111), [IncidentKind::OrphanLimit]);
    see(&mut engine, 115, 10);
    assert_eq!(kinds(&mut engine, 170), [IncidentKind::OrphanLimit]);
    assert_eq!(kinds(&mut engine, 180), []);
    let incident = &engine.incidents()[0];
    assert_eq!(incident.severity, Severity::Warning);
    assert_eq!(incident.end, Some(IncidentEnd::OrphansBelow));
    let most = OrphansAtLimit {
        orphans: Some(1_004),
        limit: Some(1_000),
        stalled: 1,
    };
    assert_eq!(incident.orphans, Some(most));
}

#[test]
fn it_stands_no_more_half_a_minute_after_though_the_incident_goes_on() {
    let mut engine = engine();
    let standing = |engine: &mut Engine, second: u64| {
        engine.advance(ms(second * 1_000), WALL);
        let metrics = engine.metrics();
        let counts = [metrics.incidents_open, metrics.incidents_standing];
        counts.map(|counts| counts[IncidentKind::OrphanLimit as usize])
    };
    see(&mut engine, 100, 1_000);
    assert_eq!(standing(&mut engine, 101), [1, 1]);
    // Nothing changes: it stands on.
    assert_eq!(standing(&mut engine, 200), [1, 1]);
    see(&mut engine, 201, 10);
    // The OOM killer keeps the incident open from here on.
    for second in (210_u64..600).step_by(30) {
        engine.advance(ms(second * 1_000), WALL);
        engine.witness_oom_kill(&OomKill::default());
    }
    assert_eq!(standing(&mut engine, 600), [1, 0]);
    see(&mut engine, 601, 1_000);
    assert_eq!(standing(&mut engine, 602), [1, 1]);
    see(&mut engine, 603, 10);
    // It may come back at once.
    assert_eq!(standing(&mut engine, 633), [1, 1]);
    assert_eq!(standing(&mut engine, 634), [1, 0]);
    assert_eq!(standing(&mut engine, 664), [0, 0]);
    assert_eq!(engine.incidents().len(), 1);
}

#[test]
fn the_word_of_the_kernel_opens_it_whatever_the_number() {
    let mut engine = engine();
    see(&mut engine, 100, 10);
    assert_eq!(kinds(&mut engine, 101), []);
    engine.witness_orphan_limit();
    assert_eq!(kinds(&mut engine, 102), [IncidentKind::OrphanLimit]);
    assert_eq!(kinds(&mut engine, 200), []);
}

#[test]
fn what_the_kernel_closes_opens_it_where_there_are_orphans_enough() {
    let closes = |orphans| {
        let mut engine = engine();
        see(&mut engine, 100, orphans);
        engine.add_aborted_on_memory(3);
        let kinds = kinds(&mut engine, 101);
        let incident = engine.incidents().pop();
        (kinds, incident.and_then(|incident| incident.counts))
    };
    // It was memory, then.
    assert_eq!(closes(249), (Vec::new(), None));
    let (kinds, counts) = closes(250);
    assert_eq!(kinds, [IncidentKind::OrphanLimit]);
    assert_eq!(counts.unwrap().aborted_on_memory, 3);
}
