//! Connections that we opened ourselves: whoever holds them is no attacker.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{
    Advice, Confidence, Evidence, FlagKind, IncidentKind, PeerDetail, Verdict,
};
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::{Census, Suspect};
use detector_core::observe::observation::{CongestionState, Direction, Observation, PendingTimer};
use detector_core::observe::peer_address::PeerAddress;
use support::{WALL, census_wanted, engine, healthy, ms, zero_window};

const BACKEND: &str = "10.0.0.5";

/// A connection of ours to a server that has stopped reading.
fn to_server(remote: &str, local_port: u16, at_ms: u64) -> Observation {
    let mut held = zero_window(remote, ms(1_000), ms(at_ms));
    held.connection.local.set_port(local_port);
    held.connection.socket += u64::from(local_port);
    held.direction = Direction::Outbound;
    held
}

#[test]
fn a_backend_that_hangs_is_no_attacker() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for at_ms in [1_000, 61_000] {
        for local_port in 40_001..=40_025 {
            engine.observe(&to_server(&format!("{BACKEND}:8080"), local_port, at_ms));
        }
        engine.advance(ms(at_ms), WALL);
    }
    let peer = engine.peer(BACKEND).unwrap().peer;
    assert_eq!(peer.stalled_connections, 25);
    assert_eq!(peer.verdict, Some(Verdict::Tarpit));
    assert_eq!(engine.metrics().flags[FlagKind::StallHoard as usize], 0);
}

#[test]
fn a_server_that_read_on_before_is_no_tarpit() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&to_server(&format!("{BACKEND}:443"), 40_001, 1_000));
    engine.advance(ms(11_000), WALL);
    let read = |at_ms| Observation {
        snd_una: 60_000,
        snd_nxt: 60_000,
        bytes_acked: 59_999,
        write_seq: 200_000,
        ..to_server(&format!("{BACKEND}:443"), 40_001, at_ms)
    };
    engine.observe(&Observation {
        zero_window_since: None,
        harmful_since: None,
        window_bytes: 131_072,
        ..read(11_000)
    });
    engine.observe(&Observation {
        zero_window_since: Some(ms(12_000)),
        harmful_since: Some(ms(12_000)),
        ..read(12_000)
    });
    engine.advance(ms(60_000), WALL);
    let peer = engine.peer(BACKEND).unwrap().peer;
    assert_eq!(peer.stalled_connections, 1);
    assert_eq!(peer.verdict, Some(Verdict::SlowClient));
}

/// Requests in flight to a backend whose window is open, none of which is acknowledged.
fn unanswered_by_backend(is_silent: bool) -> (Engine, PeerDetail) {
    let mut engine = engine();
    for at_ms in [1_000, 7_000] {
        engine.advance(ms(at_ms), WALL);
        for local_port in 40_001..=40_024 {
            let mut sent = healthy(&format!("{BACKEND}:8080"), ms(at_ms));
            sent.connection.local.set_port(local_port);
            sent.connection.socket += u64::from(local_port);
            engine.observe(&Observation {
                direction: Direction::Outbound,
                snd_nxt: sent.write_seq,
                in_flight_segments: 46,
                congestion: CongestionState::Loss,
                timer: PendingTimer::Retransmit,
                timeouts: if is_silent { 3 } else { 5 },
                retransmits_unanswered: if is_silent { 3 } else { 0 },
                ..sent
            });
        }
    }
    engine.advance(ms(10_000), WALL);
    let detail = engine.peer(BACKEND).unwrap();
    assert_eq!(detail.peer.stalled_connections, 24);
    assert_eq!(engine.metrics().flags[FlagKind::StallHoard as usize], 0);
    let of_hoard = |kinds: &[IncidentKind]| kinds.contains(&IncidentKind::Hoard);
    assert!(!engine.incidents().iter().any(|each| of_hoard(&each.kinds)));
    (engine, detail)
}

/// Its host has lost power.
#[test]
fn a_backend_that_falls_silent_is_no_attacker() {
    let (_, detail) = unanswered_by_backend(true);
    assert_eq!(detail.peer.verdict, Some(Verdict::Vanished));
}

/// A path to it loses what is large.
#[test]
fn a_backend_that_acknowledges_nothing_is_not_to_be_limited() {
    let (engine, detail) = unanswered_by_backend(false);
    assert_eq!(detail.peer.verdict, Some(Verdict::SlowClient));
    assert_eq!(census_wanted(&engine), Vec::new(), "nobody may be accused");
    let assessment = detail.assessment;
    let ours = assessment.evidence_for.iter().find_map(|each| match each {
        Evidence::WeAreTheClient {
            outgoing_connections,
            ..
        } => Some(*outgoing_connections),
        _ => None,
    });
    assert_eq!(ours, Some(24));
    assert!(
        matches!(
            assessment.advice[..],
            [Advice::BoundOwnClient {
                outgoing_connections: 24
            }]
        ),
        "{:?}",
        assessment.advice
    );
}

#[test]
fn a_server_that_holds_one_of_our_connections_is_asked_for() {
    for (well, confidence) in [(0, Confidence::Medium), (40, Confidence::Low)] {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for port in 1..=2 {
            engine.observe(&Observation {
                direction: Direction::Outbound,
                ..zero_window(&format!("{BACKEND}:{port}"), ms(1_000), ms(1_000))
            });
        }
        engine.advance(ms(31_000), WALL);
        let wanted = census_wanted(&engine);
        let suspect = Suspect::Peer(PeerAddress::of(BACKEND.parse().unwrap(), 64));
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[0].suspect, suspect);
        let census = Census {
            connections: 2 + well,
            well,
            well_before: Some(well),
            ..Census::default()
        };
        let counted = Counted {
            census,
            ..Counted::default()
        };
        assert!(engine.set_census(suspect, Some(&counted)));
        let peer = engine.peer(BACKEND).unwrap().peer;
        assert_eq!(
            (peer.verdict, peer.confidence),
            (Some(Verdict::Tarpit), Some(confidence))
        );
        assert_eq!(peer.connections_all, Some(2 + well));
    }
}
