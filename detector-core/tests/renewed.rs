//! A hoard that is opened anew before any of its connections has been held for long.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod support;

use detector_api::snapshot::{Confidence, Evidence, Severity, Source, Verdict};
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::Census;
use detector_core::observe::observation::{Observation, Reason};
use support::{WALL, answer_alone, census_wanted, engine, healthy, ms, sweep, zero_window};

const PEER: &str = "198.51.100.7";
const CONNECTIONS: u16 = 24;
/// Shorter than the span over which a pace is measured.
const HELD_MS: u64 = 25_000;

fn remote(port: u16) -> String {
    format!("{PEER}:{port}")
}

/// How the connections of each round end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Closed with all that is queued.
    Unread,
    /// The peer takes everything first.
    Read,
    /// Every other one.
    HalfRead,
}

/// Four rounds of connections one after another, each held for less than a span; what the kernel is told to
/// say of others comes from `answer`.
fn rounds(end: End, answer: fn(&mut Engine)) -> Engine {
    let mut engine = engine();
    for round in 0..4_u16 {
        let began = 1_000 + u64::from(round) * HELD_MS;
        let ports = || (1..=CONNECTIONS).map(move |port| port + round * 100);
        for port in ports() {
            engine.observe(&zero_window(&remote(port), ms(began), ms(began)));
        }
        for later in (1_000..HELD_MS).step_by(1_000) {
            engine.advance(ms(began + later), WALL);
            answer(&mut engine);
        }
        if round == 3 {
            return engine;
        }
        let at = ms(began + HELD_MS - 1);
        for port in ports() {
            let is_read = end == End::Read || (end == End::HalfRead && port % 2 == 0);
            let last = match is_read {
                false => zero_window(&remote(port), ms(began), at),
                true => Observation {
                    snd_una: 66_536,
                    snd_nxt: 66_536,
                    bytes_acked: 66_535,
                    totals: zero_window(&remote(port), ms(began), at).totals,
                    ..healthy(&remote(port), at)
                },
            };
            engine.observe(&Observation {
                reason: Reason::Closed,
                ..last
            });
        }
    }
    engine
}

fn others_behave(engine: &mut Engine) {
    for wanted in census_wanted(engine) {
        let counted = Counted {
            census: Census {
                connections: 60,
                well: 30,
                well_before: Some(30),
                ..Census::default()
            },
            ..Counted::default()
        };
        engine.set_census(wanted.suspect, Some(&counted));
    }
}

fn verdict(engine: &Engine) -> (Option<Verdict>, Option<Confidence>, Severity) {
    let peer = engine.peer(PEER).unwrap().peer;
    (peer.verdict, peer.confidence, peer.severity)
}

/// Of the last round, which has just begun to stand still: how many of those before ended so.
fn abandoned(engine: &Engine) -> Option<u64> {
    let evidence = engine.peer(PEER).unwrap().assessment.evidence_for;
    evidence.into_iter().find_map(|evidence| match evidence {
        Evidence::OpenedAnew {
            renewed_connections,
            abandoned_connections,
            ..
        } => {
            assert_eq!(renewed_connections, u64::from(CONNECTIONS));
            Some(abandoned_connections)
        }
        Evidence::DrainsNothing { .. } => panic!("none was held for so long: {evidence:?}"),
        _ => None,
    })
}

/// A server whose timeouts are shorter than the span ends them itself; so may the peer.
#[test]
fn a_hoard_that_is_opened_anew_each_time_is_one() {
    let engine = rounds(End::Unread, answer_alone);
    assert_eq!(
        verdict(&engine),
        (
            Some(Verdict::ZeroWindowAttack),
            Some(Confidence::Medium),
            Severity::Critical
        )
    );
    assert_eq!(abandoned(&engine), Some(72));
}

/// It reads until the windows are full: no reading on, as those before did the same.
#[test]
fn what_the_next_of_them_take_at_first_takes_no_accusation_back() {
    let mut engine = rounds(End::Unread, answer_alone);
    let began = 1_000 + 4 * HELD_MS;
    for port in 1..=CONNECTIONS {
        let last = zero_window(&remote(port + 300), ms(began - HELD_MS), ms(began));
        engine.observe(&Observation {
            reason: Reason::Closed,
            ..last
        });
    }
    for port in 401..=400 + CONNECTIONS {
        engine.observe(&Observation {
            bytes_acked: 0,
            ..healthy(&remote(port), ms(began + 100))
        });
    }
    let full = |port: u16| began + 1_200 + u64::from(port - 401) * 10;
    for port in 401..=400 + CONNECTIONS {
        let at = ms(full(port));
        engine.observe(&Observation {
            bytes_acked: 65_536,
            ..zero_window(&remote(port), at, at)
        });
    }
    let all_full = full(400 + CONNECTIONS);
    for now in (all_full..all_full + 10_000).step_by(10) {
        engine.advance(ms(now), WALL);
        answer_alone(&mut engine);
        let (found, ..) = verdict(&engine);
        assert_eq!(found, Some(Verdict::ZeroWindowAttack), "{now} ms");
    }
    assert_eq!(abandoned(&engine), Some(96));
}

#[test]
fn pauses_that_end_are_none() {
    let engine = rounds(End::Read, answer_alone);
    assert_eq!(
        verdict(&engine),
        (
            Some(Verdict::SlowClient),
            Some(Confidence::Medium),
            Severity::Info
        )
    );
    assert_eq!(abandoned(&engine), None);
}

/// Viewers who seek end what they have paused, and as many play on.
#[test]
fn where_as_many_read_on_as_end_unread_it_is_none() {
    let engine = rounds(End::HalfRead, answer_alone);
    assert_eq!(verdict(&engine).0, Some(Verdict::SlowClient));
    assert_eq!(
        (verdict(&engine).2, abandoned(&engine)),
        (Severity::Info, None)
    );
}

#[test]
fn among_others_who_behave_it_is_none() {
    let engine = rounds(End::Unread, others_behave);
    assert_eq!(verdict(&engine).0, Some(Verdict::SlowClient));
    assert_eq!(
        (verdict(&engine).2, abandoned(&engine)),
        (Severity::Info, None)
    );
}

/// Nobody says how many others there are.
#[test]
fn before_all_connections_are_counted_it_is_none() {
    let engine = rounds(End::Unread, |_| ());
    assert_eq!(
        (verdict(&engine).2, abandoned(&engine)),
        (Severity::Info, None)
    );
}

/// A row of a sweep: the peer offers next to nothing, takes 300 B/s, and has never taken a window back or closed
/// one, so that the kernel side keeps no record that could tell of the end.
fn dribbling(port: u16, taken_seconds: u64, at: u64) -> Observation {
    let taken = u32::try_from(300 * taken_seconds).unwrap();
    let before = healthy(&remote(port), ms(at));
    Observation {
        reason: Reason::Sweep,
        source: Source::Sweep,
        generation: None,
        snd_una: before.snd_una + taken,
        snd_nxt: before.snd_nxt + taken,
        write_seq: before.write_seq + taken,
        window_bytes: 90,
        edge_max: None,
        bytes_acked: before.bytes_acked + u64::from(taken),
        ..before
    }
}

#[test]
fn connections_whose_end_nobody_tells_are_not_read_on() {
    let mut engine = engine();
    for round in 0..2_u16 {
        let began = 1_000 + u64::from(round) * 110_000;
        for second in 0..40 {
            let at = began + second * 1_000;
            for port in 1..=CONNECTIONS {
                engine.observe(&dribbling(port + round * 100, second, at));
            }
            engine.end_sweep(&sweep(ms(at), ms(at + 1)));
            answer_alone(&mut engine);
        }
        assert_eq!(verdict(&engine).0, Some(Verdict::SlowReadAttack), "{round}");
        engine.end_sweep(&sweep(ms(began + 40_000), ms(began + 40_001)));
        engine.advance(ms(began + 105_000), WALL);
    }
}
