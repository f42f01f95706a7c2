//! Why an incident ended: what became of the connections that stood to the last.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::IncidentEnd;
use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, Reason};
use support::{WALL, engine, healthy, ms, zero_window};

const CONNECTIONS: u16 = 24;

fn remote(port: u16) -> String {
    format!("198.51.100.7:{port}")
}

fn close(engine: &mut Engine, last: &Observation) {
    engine.observe(&Observation {
        reason: Reason::Closed,
        ..*last
    });
}

/// What ends an incident of connections that are `held` for half a minute, and then end as `act` has it.
fn end(
    held: fn(u16, u64) -> Observation,
    act: fn(&mut Engine, u16, &Observation),
) -> Option<IncidentEnd> {
    let mut engine = engine();
    for second in [1, 6, 40] {
        engine.advance(ms(second * 1_000), WALL);
        for port in 1..=CONNECTIONS {
            engine.observe(&held(port, second * 1_000));
        }
    }
    engine.advance(ms(45_200), WALL);
    assert_eq!(engine.incidents().len(), 1);
    for port in 1..=CONNECTIONS {
        act(&mut engine, port, &held(port, 45_200));
    }
    engine.advance(ms(50_000), WALL);
    engine.incidents()[0].end
}

fn closed_window(port: u16, at_ms: u64) -> Observation {
    zero_window(&remote(port), ms(1_000), ms(at_ms))
}

fn silent(port: u16, at_ms: u64) -> Observation {
    Observation {
        probes_unanswered: 6,
        ..closed_window(port, at_ms)
    }
}

fn takes(bytes: u32, before: &Observation) -> Observation {
    Observation {
        snd_una: before.snd_una + bytes,
        snd_nxt: before.snd_una + bytes,
        bytes_acked: before.bytes_acked + u64::from(bytes),
        totals: before.totals,
        ..healthy(&before.connection.remote.to_string(), before.at)
    }
}

#[test]
fn connections_that_end_close_it() {
    let found = end(closed_window, |engine, _, last| close(engine, last));
    assert_eq!(found, Some(IncidentEnd::Closed));
}

#[test]
fn a_peer_that_takes_one_byte_has_not_read_on() {
    let found = end(closed_window, |engine, port, last| {
        if port == 1 {
            engine.observe(&Observation {
                window_bytes: 0,
                ..takes(1, last)
            });
        } else {
            close(engine, last);
        }
    });
    assert_eq!(found, Some(IncidentEnd::BelowWarning));
}

#[test]
fn a_peer_that_takes_much_or_all_has_read_on() {
    let much = end(closed_window, |engine, _, last| {
        engine.observe(&takes(20_000, last));
    });
    assert_eq!(much, Some(IncidentEnd::ReadOn));
    let little = |port, at_ms| Observation {
        write_seq: 1_500,
        ..closed_window(port, at_ms)
    };
    let all = end(little, |engine, _, last| {
        engine.observe(&Observation {
            write_seq: 1_500,
            ..takes(500, last)
        });
    });
    assert_eq!(all, Some(IncidentEnd::ReadOn));
}

#[test]
fn a_peer_that_answers_after_silence_ends_it() {
    let found = end(silent, |engine, _, last| {
        engine.observe(&takes(1_448, last))
    });
    assert_eq!(found, Some(IncidentEnd::ReadOn));
}
