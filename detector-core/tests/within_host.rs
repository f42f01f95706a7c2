//! A proxy of ours shows each client twice; an address of ours alone is no proof of one.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{Evidence, Severity, Verdict};
use detector_core::engine::Engine;
use detector_core::observe::observation::Observation;
use support::{WALL, answer_alone, engine, ms, zero_window};

const GATEWAY: &str = "172.17.0.1";

/// More than a hoard, for longer than it takes to be one, towards an address of ours.
fn held_up() -> (Engine, Vec<Observation>) {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let held: Vec<_> = (0..30)
        .map(|port| {
            let remote = format!("{GATEWAY}:{}", 40_000 + port);
            zero_window(&remote, ms(1_000), ms(1_000))
        })
        .collect();
    for each in &held {
        engine.observe(each);
    }
    engine.set_own_addresses([GATEWAY.parse().unwrap()].into());
    (engine, held)
}

fn hold_on(engine: &mut Engine, held: &[Observation]) {
    for second in 2..60_u64 {
        engine.advance(ms(second * 1_000), WALL);
        for each in held {
            engine.observe(&Observation {
                at: ms(second * 1_000),
                ..*each
            });
        }
    }
}

#[test]
fn what_a_proxy_of_ours_holds_up_counts_nowhere() {
    let (mut engine, held) = held_up();
    let candidates = engine.maybe_within_host();
    assert_eq!(candidates.len(), 30);
    for each in &candidates {
        engine.set_within_host(each, true);
    }
    assert_eq!(engine.maybe_within_host(), []);
    hold_on(&mut engine, &held);
    let detail = engine.peer(GATEWAY).unwrap();
    assert_eq!(detail.peer.verdict, Some(Verdict::Benign));
    assert_eq!(detail.peer.severity, Severity::Info);
    assert_eq!(detail.peer.stalled_connections, 0);
    assert_eq!(engine.totals().ledger.stalled_connections, 0);
    let reason = Evidence::WithinHost { connections: 30 };
    assert!(detail.assessment.evidence_for.contains(&reason));
    assert!(
        detail
            .connections
            .iter()
            .all(|each| each.within_host && each.stall.is_some())
    );
    assert_eq!(engine.incidents(), []);
    // The memory is held all the same, but by no peer.
    assert_eq!(engine.stalled_send_bytes(), 0);
}

#[test]
fn a_stranger_under_an_address_of_ours_is_judged() {
    let (mut engine, held) = held_up();
    for each in engine.maybe_within_host() {
        engine.set_within_host(&each, false);
    }
    assert_eq!(engine.maybe_within_host(), []);
    hold_on(&mut engine, &held);
    // Nobody shares its address.
    answer_alone(&mut engine);
    let peer = engine.peer(GATEWAY).unwrap().peer;
    assert_eq!(peer.verdict, Some(Verdict::ZeroWindowAttack));
    assert_eq!(peer.severity, Severity::Critical);
    assert_eq!(peer.stalled_connections, 30);
}

#[test]
fn only_addresses_of_ours_are_looked_up() {
    let (mut engine, _) = held_up();
    engine.observe(&zero_window("198.51.100.7:40000", ms(1_000), ms(1_000)));
    assert_eq!(engine.maybe_within_host().len(), 30);
    engine.set_own_addresses([].into());
    assert_eq!(engine.maybe_within_host(), []);
}

/// There may be more of them than are looked up in half a minute, and who is led here by the address of a service has
/// another one there.
#[test]
fn what_comes_from_an_address_of_ours_presses_nothing_whatever_is_found() {
    let (mut engine, held) = held_up();
    hold_on(&mut engine, &held);
    engine.set_within_host(&held[0].connection, false);
    let of_peers = |engine: &Engine| {
        let wanted = engine.owners_wanted();
        wanted.iter().filter(|each| each.is_of_peer).count()
    };
    assert_eq!((engine.pinned_by_peers(), of_peers(&engine)), (0, 0));
    engine.set_own_addresses([].into());
    assert!(engine.pinned_by_peers() > 0);
    assert_eq!(of_peers(&engine), 30);
}
