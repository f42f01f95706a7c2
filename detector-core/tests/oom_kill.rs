//! A kill by the OOM killer is an incident by itself, or part of the one that is open.

#![allow(clippy::unwrap_used, missing_docs)]

use detector_api::recorded::{KillScope, OomKill};
use detector_api::snapshot::{HostPressure, IncidentEnd, IncidentKill, IncidentKind, Severity};
use detector_core::engine::Engine;
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, SECOND_NS, WallClock};

fn advance(engine: &mut Engine, second: u64) {
    let wall = WallClock { offset_ns: 0 };
    engine.advance(MonotonicTime::from_ns(second * SECOND_NS), wall);
}

fn engine() -> Engine {
    Engine::new(
        DetectSettings::default(),
        TableSettings::default(),
        Vec::new(),
        Vec::new(),
    )
}

fn take_tcp_memory(engine: &mut Engine, bytes: u64) {
    engine.set_host_pressure(HostPressure {
        tcp_memory_bytes: Some(bytes),
        memory_total_bytes: Some(4_000_000_000),
        ..HostPressure::default()
    });
}

/// What the host holds a minute later is not what it held at the kill.
#[test]
fn the_numbers_of_the_kill_stay_with_it() {
    let mut engine = engine();
    advance(&mut engine, 100);
    take_tcp_memory(&mut engine, 400_000_000);
    let by_line = OomKill {
        pid: Some(870),
        ..OomKill::default()
    };
    engine.witness_oom_kill(&by_line);
    take_tcp_memory(&mut engine, 1_000_000);
    advance(&mut engine, 101);
    // The kernel counts one more, and the report of the first is complete.
    take_tcp_memory(&mut engine, 2_000_000);
    engine.witness_oom_kill(&OomKill::default());
    engine.learn_of_oom_kill(&OomKill {
        scope: KillScope::ControlGroup,
        socket_bytes: Some(4_200_000),
        limit_bytes: Some(268_435_456),
        ..by_line
    });
    take_tcp_memory(&mut engine, 3_000_000);
    advance(&mut engine, 102);
    // It is the one that was counted.
    engine.name_oom_kill(&OomKill {
        pid: Some(871),
        ..OomKill::default()
    });
    let incident = &engine.incidents()[0];
    assert_eq!(incident.host.unwrap().tcp_memory_bytes, Some(1_000_000));
    let [first, second] = incident.kills.as_slice() else {
        panic!("{:?}", incident.kills);
    };
    let tcp_memory = |kill: &IncidentKill| kill.host.unwrap().tcp_memory_bytes;
    assert_eq!(first.time, "1970-01-01T00:01:40.000Z");
    assert_eq!(tcp_memory(first), Some(400_000_000));
    assert_eq!(
        (first.pid, first.scope),
        (Some(870), KillScope::ControlGroup)
    );
    assert_eq!(first.socket_bytes, Some(4_200_000));
    assert_eq!(first.limit_bytes, Some(268_435_456));
    assert_eq!(tcp_memory(second), Some(2_000_000));
    assert_eq!((second.pid, second.scope), (Some(871), KillScope::Unknown));
}

#[test]
fn a_kill_opens_an_incident_that_ends_when_nothing_follows() {
    let mut engine = engine();
    advance(&mut engine, 100);
    engine.witness_oom_kill(&OomKill::default());
    advance(&mut engine, 101);
    let open = engine.open_incident().unwrap();
    assert_eq!(open.kinds, [IncidentKind::OomKill]);
    // Another kill belongs to the same.
    advance(&mut engine, 130);
    engine.witness_oom_kill(&OomKill::default());
    advance(&mut engine, 180);
    assert_eq!(engine.open_incident().map(|open| open.id), Some(open.id));
    advance(&mut engine, 200);
    assert_eq!(engine.open_incident(), None);
    let incident = &engine.incidents()[0];
    assert_eq!(incident.severity, Severity::Critical);
    assert_eq!(incident.end, Some(IncidentEnd::NoMoreKills));
    assert!(incident.peers.is_empty());
}

/// Any user with a control group of his own can have such kills, one incident a minute.
#[test]
fn kills_of_groups_alone_push_out_no_other_incident() {
    let mut engine = engine();
    let mut second = 100;
    let mut one = |scope, pid| {
        advance(&mut engine, second);
        engine.witness_oom_kill(&OomKill {
            pid: Some(pid),
            scope,
            ..OomKill::default()
        });
        advance(&mut engine, second + 1);
        advance(&mut engine, second + 62);
        advance(&mut engine, second + 123);
        second += 200;
    };
    for pid in 1..=40 {
        one(KillScope::Host, pid);
    }
    for pid in 101..=200 {
        one(KillScope::ControlGroup, pid);
    }
    let kept = |engine: &Engine, is_one: fn(u64) -> bool| {
        let incidents = engine.incidents();
        let pids = incidents.iter().filter_map(|each| each.kills[0].pid);
        pids.filter(|pid| is_one(*pid)).collect::<Vec<_>>()
    };
    assert_eq!(kept(&engine, |pid| pid <= 40), Vec::from_iter(1..=40));
    let of_groups = kept(&engine, |pid| pid > 40);
    assert_eq!(of_groups.last(), Some(&200));
    assert!(of_groups.len() >= 16, "{of_groups:?}");
}
