//! What takes an accusation back, and what does not.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{Advice, Condition, Evidence, Severity, Verdict};
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::{Census, Suspect};
use detector_core::observe::observation::{
    CongestionState, Observation, PendingTimer, Reason, Shrinks, Totals,
};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::MonotonicTime;
use std::collections::HashMap;
use support::{WALL, accused_hosts, answer_alone, census_wanted, engine, healthy, ms, zero_window};

const PEER: &str = "198.51.100.7";

fn remote(port: u16) -> String {
    format!("{PEER}:{port}")
}

/// Window taken back to zero under data in flight, and nothing taken since.
fn treason(port: u16, at: MonotonicTime) -> Observation {
    let seen = zero_window(&remote(port), ms(1_000), at);
    let shrinks = Shrinks {
        treason: 1,
        ..Shrinks::default()
    };
    Observation {
        totals: Totals {
            shrinks,
            ..seen.totals
        },
        ..seen
    }
}

/// An engine that calls [`PEER`] an attacker, for thirty connections.
fn accused(hold: impl Fn(u16, MonotonicTime) -> Observation) -> Engine {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 1..=30 {
        engine.observe(&hold(port, ms(1_000)));
    }
    for second in [6, 15, 24, 31] {
        engine.advance(ms(second * 1_000), WALL);
        answer_alone(&mut engine);
    }
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
    engine
}

fn verdict(engine: &Engine) -> Option<Verdict> {
    engine.peer(PEER).unwrap().peer.verdict
}

fn close(engine: &mut Engine, ports: impl Iterator<Item = u16>, at: MonotonicTime) {
    for port in ports {
        engine.observe(&Observation {
            reason: Reason::Closed,
            ..zero_window(&remote(port), ms(1_000), at)
        });
    }
}

fn others_behave(engine: &mut Engine) {
    let address = PeerAddress::of(PEER.parse().unwrap(), 64);
    let counted = Counted {
        census: Census {
            connections: 20,
            well: 10,
            well_before: Some(10),
            ..Census::default()
        },
        ..Counted::default()
    };
    assert!(engine.set_census(Suspect::Peer(address), Some(&counted)));
}

#[test]
fn an_attack_whose_connections_are_reset_stays_one() {
    let mut engine = accused(treason);
    close(&mut engine, 1..=25, ms(32_000));
    engine.advance(ms(33_000), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
    close(&mut engine, 26..=30, ms(34_000));
    engine.advance(ms(35_000), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
}

#[test]
fn who_reads_on_is_no_attacker_any_more() {
    let mut engine = accused(treason);
    close(&mut engine, 1..=25, ms(32_000));
    for port in 26..=30 {
        engine.observe(&Observation {
            snd_una: 90_000,
            snd_nxt: 90_000,
            write_seq: 90_000,
            bytes_acked: 89_999,
            totals: treason(port, ms(33_000)).totals,
            ..healthy(&remote(port), ms(33_000))
        });
    }
    engine.advance(ms(34_000), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::ShrinkingPeer));
}

/// Its host has gone down, or we have blocked it: what it did stays what it was.
#[test]
fn who_falls_silent_stays_an_attacker() {
    let mut engine = accused(|port, at| zero_window(&remote(port), ms(1_000), at));
    let at = ms(40_000);
    engine.advance(at, WALL);
    for port in 1..=30 {
        engine.observe(&Observation {
            probes_unanswered: 6,
            backoff: 6,
            ..zero_window(&remote(port), ms(1_000), at)
        });
    }
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
}

/// Others come just before it would be accused: until it is certain that they behave, what was counted before
/// accuses nobody.
#[test]
fn who_may_have_others_is_not_accused_on_an_older_count() {
    let mut engine = engine();
    for port in 1..=30 {
        engine.observe(&zero_window(&remote(port), ms(1_000), ms(1_000)));
    }
    engine.advance(ms(20_000), WALL);
    answer_alone(&mut engine);
    let address = PeerAddress::of(PEER.parse().unwrap(), 64);
    let first_pair = Counted {
        census: Census {
            connections: 40,
            well: 10,
            ..Census::default()
        },
        ..Counted::default()
    };
    assert!(!engine.set_census(Suspect::Peer(address), Some(&first_pair)));
    engine.advance(ms(31_500), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::SlowClient));
    let advice = engine.peer(PEER).unwrap().assessment.advice;
    let may_limit = |advice: &Advice| matches!(advice, Advice::LimitConnections { .. });
    assert!(!advice.iter().any(may_limit), "{advice:?}");
    assert!(engine.set_census(Suspect::Peer(address), None));
    engine.advance(ms(32_500), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::SlowClient), "no answer");
    engine.advance(ms(38_000), WALL);
    answer_alone(&mut engine);
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
}

#[test]
fn others_at_its_address_excuse_it_however_little_is_held_by_then() {
    let hold = |port, at| zero_window(&remote(port), ms(1_000), at);
    for left in [10, 0] {
        let mut engine = accused(hold);
        close(&mut engine, left + 1..=30, ms(32_000));
        others_behave(&mut engine);
        engine.advance(ms(33_000), WALL);
        assert_eq!(verdict(&engine), Some(Verdict::SlowClient), "{left}");
    }
}

#[test]
fn an_accusation_is_not_washed_off_by_one_window_that_opens_again() {
    let mut engine = accused(|port, at| zero_window(&remote(port), ms(1_000), at));
    close(&mut engine, 1..=30, ms(32_000));
    let totals = treason(99, ms(33_000)).totals;
    engine.observe(&Observation {
        totals,
        ..zero_window(&remote(99), ms(33_000), ms(33_000))
    });
    engine.observe(&Observation {
        totals,
        ..healthy(&remote(99), ms(33_400))
    });
    engine.advance(ms(34_000), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
}

/// It takes one byte, to be let off once the server's timeouts end most of what it holds.
#[test]
fn an_accusation_is_not_washed_off_by_one_byte() {
    let mut engine = accused(|port, at| zero_window(&remote(port), ms(1_000), at));
    engine.advance(ms(40_000), WALL);
    engine.observe(&Observation {
        snd_una: 1_001,
        snd_nxt: 1_001,
        bytes_acked: 1_000,
        ..zero_window(&remote(1), ms(1_000), ms(40_000))
    });
    engine.advance(ms(46_000), WALL);
    assert_eq!(engine.peer(PEER).unwrap().peer.stalled_connections, 30);
    close(&mut engine, 2..=26, ms(60_000));
    engine.advance(ms(61_000), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
}

fn changes(engine: &Engine) -> Vec<Condition> {
    let detail = engine.peer(PEER).unwrap();
    let changes = detail.assessment.would_change.into_iter();
    changes.map(|change| change.condition).collect()
}

fn is_of_drain(condition: &Condition) -> bool {
    matches!(condition, Condition::DrainsAboveFloor { .. })
}

/// One quick download beside what it holds.
#[test]
fn what_would_change_an_accusation_is_nothing_that_is_so_already() {
    let mut engine = accused(|port, at| zero_window(&remote(port), ms(1_000), at));
    for second in 32..40_u32 {
        let at = ms(u64::from(second) * 1_000);
        let acked = (second - 31) * 200_000;
        engine.observe(&Observation {
            snd_una: acked,
            snd_nxt: acked,
            write_seq: acked + 65_536,
            bytes_acked: u64::from(acked) - 1,
            ..healthy(&remote(99), at)
        });
        engine.advance(at, WALL);
    }
    let drains = |evidence: &Evidence| matches!(evidence, Evidence::Drains { .. });
    let detail = engine.peer(PEER).unwrap();
    assert!(detail.assessment.evidence_against.iter().any(drains));
    assert_eq!(detail.peer.verdict, Some(Verdict::ZeroWindowAttack));
    assert!(!changes(&engine).iter().any(is_of_drain));
}

/// Only what is left of a hoard is excused by a drain.
#[test]
fn a_drain_would_change_an_accusation_once_no_hoard_is_held() {
    let mut engine = accused(|port, at| zero_window(&remote(port), ms(1_000), at));
    assert!(!changes(&engine).iter().any(is_of_drain));
    close(&mut engine, 15..=30, ms(32_000));
    engine.advance(ms(33_000), WALL);
    assert_eq!(verdict(&engine), Some(Verdict::ZeroWindowAttack));
    assert!(changes(&engine).iter().any(is_of_drain));
}

/// The kernel's probe into a window that is open by less than a segment, cut down to it and never
/// acknowledged, looks like loss.
#[test]
fn a_window_too_small_for_a_segment_is_held_like_a_closed_one() {
    let engine = accused(|port, at| Observation {
        window_bytes: 700,
        snd_nxt: 1_700,
        in_flight_segments: 1,
        cwnd_segments: 1,
        congestion: CongestionState::Loss,
        timer: PendingTimer::Retransmit,
        timeouts: 3,
        edge_max: Some(1_700),
        ..healthy(&remote(port), at)
    });
    assert_eq!(engine.peer(PEER).unwrap().peer.severity, Severity::Critical);
}

/// A look costs by all sockets that there are.
#[test]
fn who_is_due_soon_is_looked_at_with_whoever_is_due() {
    let mut engine = engine();
    let others = Counted {
        census: Census {
            connections: 60,
            well: 30,
            well_before: Some(30),
            ..Census::default()
        },
        ..Counted::default()
    };
    let mut answer = |second: u64, newcomer: Option<u8>| {
        let at = ms(second * 1_000);
        engine.advance(at, WALL);
        if let Some(last) = newcomer {
            for port in 1..=30 {
                let remote = format!("198.51.{last}.7:{port}");
                engine.observe(&zero_window(&remote, ms(1_000), at));
            }
            engine.advance(ms(second * 1_000 + 900), WALL);
        }
        let wanted = census_wanted(&engine);
        let peers = wanted.iter().map(|each| each.suspect);
        let peers: Vec<_> = peers
            .filter(|each| matches!(each, Suspect::Peer(_)))
            .collect();
        for suspect in wanted {
            engine.set_census(suspect.suspect, Some(&others));
        }
        peers.len()
    };
    assert_eq!(answer(6, Some(100)), 1);
    assert_eq!(answer(20, Some(101)), 1);
    assert_eq!(answer(60, None), 0, "nobody is due yet");
    assert_eq!(answer(70, None), 2, "one is, the other ten seconds later");
    assert_eq!(answer(100, None), 0);
}

/// Whoever hoards waits to be counted until he was, cannot be, or holds nothing any more.
#[test]
fn who_hoards_waits_to_be_counted() {
    let nobody = HashMap::new();
    let hoards = || {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for port in 1..=30 {
            engine.observe(&zero_window(&remote(port), ms(1_000), ms(1_000)));
        }
        engine.advance(ms(6_000), WALL);
        assert!(!engine.awaits_census(&nobody), "it may be a pause");
        engine.advance(ms(32_000), WALL);
        assert!(engine.awaits_census(&nobody));
        engine
    };
    let mut counted = hoards();
    for wanted in census_wanted(&counted) {
        counted.set_census(wanted.suspect, None);
    }
    assert!(!counted.awaits_census(&nobody), "nobody can say");
    counted.advance(ms(38_000), WALL);
    answer_alone(&mut counted);
    assert!(!counted.awaits_census(&nobody));
    let mut gone = hoards();
    close(&mut gone, 1..=30, ms(33_000));
    assert!(!gone.awaits_census(&nobody));
}

/// How many of 24 addresses in unrelated networks are accused, alike in all, that stopped reading once
/// they had taken so much.
fn alike_accused(taken_bytes: u64) -> usize {
    let mut engine = engine();
    let look = |engine: &mut Engine, at| {
        engine.advance(at, WALL);
        for network in 1..=24 {
            let remote = format!("198.{network}.100.7:40000");
            let seen = zero_window(&remote, ms(1_000), at);
            engine.observe(&Observation {
                bytes_acked: taken_bytes,
                ..seen
            });
        }
    };
    for second in [1, 6, 15, 24, 31, 32] {
        look(&mut engine, ms(second * 1_000));
        answer_alone(&mut engine);
    }
    accused_hosts(&engine)
}

/// Players of one sort stop when their buffers are full of the same film; what never reads on takes a
/// window.
#[test]
fn who_has_read_on_is_not_accused_for_being_like_others() {
    assert_eq!(alike_accused(65_535), 24);
    assert_eq!(alike_accused(5_000_000), 0);
}

/// Where `tcp_wmem` allows 16 MiB, the downloads that one browser has paused pin as much as a hoard.
#[test]
fn the_paused_downloads_of_one_browser_are_no_attack_whatever_they_pin() {
    for (downloads, accused) in [(6, 0), (7, 1)] {
        let mut engine = engine();
        for second in [1, 6, 15, 24, 31, 32] {
            let at = ms(second * 1_000);
            engine.advance(at, WALL);
            for port in 1..=downloads {
                engine.observe(&Observation {
                    pinned_bytes: 16 << 20,
                    bytes_acked: 300_000_000,
                    ..zero_window(&remote(port), ms(1_000), at)
                });
            }
            answer_alone(&mut engine);
        }
        let peer = engine.peer(PEER).unwrap().peer;
        assert_eq!(peer.severity, Severity::Critical, "its cost is as loud");
        assert_eq!(accused_hosts(&engine), accused, "{downloads} downloads");
    }
}
