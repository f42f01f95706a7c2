//! Which connections want an owner, and how long they keep it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{Process, StallCause};
use detector_core::engine::{Engine, Owner, OwnerWanted, Owners, WaitingTasks};
use detector_core::observe::observation::{Observation, Reason, Shrinks, TcpState, Totals};
use std::sync::Arc;
use support::{WALL, engine, healthy, ms, zero_window};

const PEER: &str = "198.51.100.7:40000";

fn process(pid: u32) -> Process {
    Process {
        pid,
        comm: "nginx".to_owned(),
        unit: Some("nginx.service".to_owned()),
        executable: Some("/usr/sbin/nginx".to_owned()),
        thread: None,
    }
}

fn owner(pids: &[u32]) -> Owners {
    let owner = |&pid| Owner {
        process: process(pid),
        service: "nginx.service".into(),
    };
    pids.iter().map(owner).map(Arc::new).collect()
}

#[test]
fn an_owner_is_wanted_once_data_has_been_held_up_for_a_second() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let held = zero_window(PEER, ms(1_000), ms(1_000));
    engine.observe(&held);
    engine.observe(&healthy("198.51.100.8:40001", ms(1_000)));
    assert_eq!(engine.owners_wanted(), []);
    engine.advance(ms(2_000), WALL);
    let wanted = OwnerWanted {
        connection: held.connection,
        inode: 4711,
        is_stalled: false,
        is_of_peer: true,
    };
    assert_eq!(engine.owners_wanted(), [wanted]);
    engine.advance(ms(6_000), WALL);
    let stalled = OwnerWanted {
        is_stalled: true,
        ..wanted
    };
    assert_eq!(engine.owners_wanted(), [stalled]);
}

#[test]
fn an_owner_is_wanted_of_a_flagged_connection() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&Observation {
        totals: Totals {
            shrinks: Shrinks {
                below_flight: 1,
                ..Shrinks::default()
            },
            ..Totals::default()
        },
        edge_max: Some(1_000 + 262_144),
        retracted_max_bytes: 131_072,
        ..healthy(PEER, ms(1_000))
    });
    assert_eq!(engine.owners_wanted().len(), 1);
}

#[test]
fn an_orphan_keeps_its_owner_and_wants_no_other() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let held = zero_window(PEER, ms(1_000), ms(1_000));
    engine.observe(&held);
    engine.advance(ms(6_000), WALL);
    engine.set_owner(&held.connection, 4711, &owner(&[10, 11]), None);
    engine.observe(&Observation {
        at: ms(7_000),
        state: TcpState::FinWait1,
        is_orphan: true,
        inode: None,
        ..held
    });
    assert_eq!(engine.owners_wanted(), []);
    let detail = engine.peer("198.51.100.7").unwrap();
    let (peer, connections) = (detail.peer, detail.connections);
    assert_eq!(connections[0].stall, Some(StallCause::ZeroWindow));
    assert_eq!(connections[0].processes, [process(10), process(11)]);
    assert_eq!(peer.processes, [process(10), process(11)]);
}

#[test]
fn an_owner_of_another_socket_is_not_taken() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let held = zero_window(PEER, ms(1_000), ms(1_000));
    engine.observe(&held);
    engine.set_owner(&held.connection, 4712, &owner(&[10]), None);
    let unknown = zero_window("198.51.100.9:1", ms(1_000), ms(1_000));
    engine.set_owner(&unknown.connection, 4711, &owner(&[10]), None);
    assert_eq!(engine.connections()[0].processes, []);
}

#[test]
fn processes_of_a_peer_are_those_of_its_stalled_connections_each_once_and_bounded() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 0..20_u32 {
        let held = zero_window(
            &format!("198.51.100.7:{}", 40_000 + port),
            ms(1_000),
            ms(1_000),
        );
        engine.observe(&held);
        // Pairs share a process; each connection has a thread of its own.
        let thread = 1_000 + port;
        engine.set_owner(
            &held.connection,
            4711,
            &owner(&[100 + port / 2]),
            Some(thread),
        );
        let named = engine.connections().into_iter();
        let mut named = named.flat_map(|each| each.processes);
        assert!(named.any(|process| process.thread == Some(thread)));
    }
    // The last that were named, while nothing is stalled.
    let before = engine.peer("198.51.100.7").unwrap().peer;
    let pids: Vec<u32> = before.processes.iter().map(|each| each.pid).collect();
    assert_eq!(pids, [106, 107, 108, 109]);
    engine.advance(ms(6_000), WALL);
    let stalled = engine.peer("198.51.100.7").unwrap().peer;
    let pids: Vec<u32> = stalled.processes.iter().map(|each| each.pid).collect();
    assert_eq!(pids, (100..108).collect::<Vec<_>>());
    assert!(stalled.processes.iter().all(|each| each.thread.is_none()));
}

#[test]
fn a_peer_keeps_its_owners_when_its_sockets_have_closed() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let remotes = [PEER, "198.51.100.7:40001"];
    for (remote, pid) in remotes.into_iter().zip([10, 11]) {
        let held = zero_window(remote, ms(1_000), ms(1_000));
        engine.observe(&held);
        engine.set_owner(&held.connection, 4711, &owner(&[pid]), None);
    }
    engine.advance(ms(6_000), WALL);
    for remote in remotes {
        engine.observe(&Observation {
            at: ms(7_000),
            reason: Reason::Closed,
            state: TcpState::Close,
            inode: None,
            ..zero_window(remote, ms(1_000), ms(7_000))
        });
    }
    let detail = engine.peer("198.51.100.7").unwrap();
    assert_eq!(detail.connections, []);
    assert_eq!(detail.peer.processes, [process(10), process(11)]);
    // Whoever holds a stalled one now is named alone.
    let again = zero_window("198.51.100.7:40002", ms(8_000), ms(8_000));
    engine.observe(&again);
    engine.set_owner(&again.connection, 4711, &owner(&[12]), None);
    engine.advance(ms(14_000), WALL);
    let peer = engine.peer("198.51.100.7").unwrap().peer;
    assert_eq!(peer.processes, [process(12)]);
}

/// Workers that wait for each peer, at least; the first has two connections, the second one.
fn held_workers(tasks: &[(u64, &[&str])]) -> [Option<u64>; 2] {
    let ends = ["198.51.100.7:1", "198.51.100.7:2", "198.51.100.8:3"];
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for end in ends {
        engine.observe(&zero_window(end, ms(1_000), ms(1_000)));
    }
    engine.advance(ms(7_000), WALL);
    let waiting = tasks.iter().map(|(tasks, ends)| WaitingTasks {
        tasks: *tasks,
        connections: ends
            .iter()
            .map(|end| zero_window(end, ms(1_000), ms(1_000)).connection)
            .collect(),
    });
    engine.set_held_workers(&waiting.collect::<Vec<_>>());
    let of = |engine: &Engine, peer| engine.peer(peer).unwrap().peer.held_workers;
    let held = ["198.51.100.7", "198.51.100.8"].map(|peer| of(&engine, peer));
    engine.set_held_workers(&[]);
    assert_eq!(of(&engine, "198.51.100.7"), None);
    held
}

#[test]
fn workers_are_counted_for_the_peers_that_they_must_wait_for() {
    let [one, two, other] = ["198.51.100.7:1", "198.51.100.7:2", "198.51.100.8:3"];
    assert_eq!(held_workers(&[]), [None, None]);
    assert_eq!(
        held_workers(&[(1, &[one]), (1, &[other])]),
        [Some(1), Some(1)]
    );
    assert_eq!(held_workers(&[(1, &[one, two])]), [Some(1), None]);
    // One of the three connections has nobody: that may be any.
    assert_eq!(held_workers(&[(2, &[one, two, other])]), [Some(1), None]);
    assert_eq!(held_workers(&[(3, &[one, two, other])]), [Some(2), Some(1)]);
    assert_eq!(held_workers(&[(1, &[one, other])]), [None, None]);
    // A connection that has left by now may be whose task it is.
    assert_eq!(held_workers(&[(1, &[one, "198.51.100.9:4"])]), [None, None]);
}
