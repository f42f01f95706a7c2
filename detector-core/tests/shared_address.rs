//! What is said of all connections of an address.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{BenignCause, Evidence, PeerDetail};
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::{Census, Suspect};
use detector_core::observe::peer_address::PeerAddress;
use support::{WALL, engine, ms, zero_window};

const PEER: &str = "198.51.100.7";

fn stall(engine: &mut Engine, ports: impl Iterator<Item = u16>, at_ms: u64) {
    for port in ports {
        engine.observe(&zero_window(
            &format!("{PEER}:{port}"),
            ms(at_ms),
            ms(at_ms),
        ));
    }
}

/// Looks at the peer `at_ms`, after the kernel has said so.
fn answer(engine: &mut Engine, at_ms: u64, census: Census) -> PeerDetail {
    let suspect = Suspect::Peer(PeerAddress::of(PEER.parse().unwrap(), 64));
    let counted = Counted {
        census,
        ..Counted::default()
    };
    engine.advance(ms(at_ms), WALL);
    assert!(engine.set_census(suspect, Some(&counted)));
    engine.peer(PEER).unwrap()
}

/// All connections and those that are well, as the benign cause names them.
fn of_cause(detail: &PeerDetail) -> Option<(u64, u64)> {
    let mut considered = detail.assessment.considered.iter();
    considered.find_map(|each| match each.cause {
        BenignCause::SharedAddress {
            connections_all,
            connections_well,
            ..
        } => Some((connections_all, connections_well)),
        _ => None,
    })
}

/// The same as the evidence that others behave does.
fn of_evidence(detail: &PeerDetail) -> Option<(u64, u64)> {
    let mut evidence = detail.assessment.evidence_for.iter();
    evidence.find_map(|each| match *each {
        Evidence::OthersBehave {
            connections_all,
            connections_well,
            ..
        } => Some((connections_all, connections_well)),
        _ => None,
    })
}

/// The same as tables show it.
fn of_table(detail: &PeerDetail) -> Option<(u64, u64)> {
    let peer = &detail.peer;
    peer.connections_all.zip(peer.connections_well)
}

/// Those that came since the kernel was asked are tracked.
#[test]
fn table_and_cause_name_the_same_number_while_connections_come() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    stall(&mut engine, 1..=24, 1_000);
    let alone = Census {
        connections: 24,
        ..Census::default()
    };
    let detail = answer(&mut engine, 8_000, alone);
    assert_eq!(of_cause(&detail), Some((24, 0)));
    stall(&mut engine, 25..=100, 10_000);
    engine.advance(ms(16_000), WALL);
    let detail = engine.peer(PEER).unwrap();
    assert_eq!(detail.peer.stalled_connections, 100);
    assert_eq!(of_table(&detail), Some((100, 0)));
    assert_eq!(of_cause(&detail), Some((100, 0)));
}

/// One answer without others is doubted, and what is said meanwhile is that of the answer before.
#[test]
fn others_who_are_still_believed_are_told_with_their_numbers() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    stall(&mut engine, 1..=30, 1_000);
    let with_others = Census {
        connections: 40,
        well: 10,
        well_before: Some(10),
        ..Census::default()
    };
    let alone = Census {
        connections: 30,
        ..Census::default()
    };
    answer(&mut engine, 8_000, with_others);
    let doubted = answer(&mut engine, 32_000, alone);
    assert_eq!(of_evidence(&doubted), Some((40, 10)));
    assert_eq!(of_cause(&doubted), Some((40, 10)));
    assert_eq!(of_table(&doubted), Some((40, 10)));
    let believed = answer(&mut engine, 38_000, alone);
    assert_eq!(of_evidence(&believed), None);
    assert_eq!(of_table(&believed), Some((30, 0)));
}
