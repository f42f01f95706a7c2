//! Verdicts over time, and what keeps the engine bounded.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{Advice, BenignCause, Outcome, PeerDetail, Severity, Verdict};
use detector_core::engine::Engine;
use detector_core::observe::observation::{Direction, Observation, Reason, Totals};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::WallClock;
use support::{WALL, answer_alone, census_wanted, engine, engine_with, healthy, ms, zero_window};

#[test]
fn a_lone_stall_of_a_few_kilobytes_is_info_for_ever() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window("198.51.100.7:40000", ms(1_000), ms(1_000)));
    for hours in [0, 1, 24, 24 * 7] {
        engine.advance(ms(40_000 + hours * 3_600_000), WALL);
        let peer = &engine.peers()[0];
        assert_eq!(peer.severity, Severity::Info, "{hours} h");
        assert_eq!(peer.verdict, Some(Verdict::SlowClient), "{hours} h");
    }
}

#[test]
fn a_trusted_peer_gets_the_path_advice_with_the_counters() {
    let trusted = vec!["10.0.0.0/8".parse().unwrap()];
    let (detect, tables) = (DetectSettings::default(), TableSettings::default());
    let mut engine = Engine::new(detect, tables, Vec::new(), trusted);
    engine.advance(ms(1_000), WALL);
    for host in 1..=8 {
        for port in 1..=3 {
            let remote = format!("10.0.0.{host}:{port}");
            engine.observe(&zero_window(&remote, ms(1_000), ms(1_000)));
        }
    }
    engine.advance(ms(31_000), WALL);
    engine.observe(&zero_window("10.0.0.1:1", ms(1_000), ms(31_500)));
    let detail = engine.peer("10.0.0.1").unwrap();
    assert!(detail.peer.trusted);
    assert_eq!(detail.peer.verdict, Some(Verdict::SlowClient));
    let advice = &detail.assessment.advice[0];
    assert!(matches!(advice, Advice::LookAtPath { .. }), "{advice:?}");
}

#[test]
fn a_peer_that_reads_on_as_often_as_it_holds_is_no_attacker() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let remote = |port: u64| format!("198.51.100.7:{port}");
    for port in 1..=25 {
        engine.observe(&zero_window(&remote(port), ms(1_000), ms(1_000)));
    }
    engine.advance(ms(20_000), WALL);
    for port in 1..=25 {
        engine.observe(&Observation {
            snd_una: 60_000,
            bytes_acked: 59_999,
            ..healthy(&remote(port), ms(20_000))
        });
    }
    // The same players pause again.
    for port in 1..=25 {
        engine.observe(&Observation {
            snd_una: 60_000,
            snd_nxt: 60_000,
            bytes_acked: 59_999,
            write_seq: 200_000,
            ..zero_window(&remote(port), ms(21_000), ms(21_000))
        });
    }
    engine.advance(ms(60_000), WALL);
    let detail = engine.peer("198.51.100.7").unwrap();
    assert_eq!(detail.peer.stalled_connections, 25);
    assert_eq!(detail.peer.verdict, Some(Verdict::SlowClient));
    assert_eq!(pause(&detail), (Outcome::Likely, 25));
}

/// Whether a pause explains what was seen, and how many stalls ended by reading on.
fn pause(detail: &PeerDetail) -> (Outcome, u64) {
    let mut considered = detail.assessment.considered.iter();
    let paused = considered.find_map(|each| match each.cause {
        BenignCause::PausedReader {
            recovered_stalls, ..
        } => Some((each.outcome, recovered_stalls)),
        _ => None,
    });
    paused.unwrap()
}

/// Stalls at `from_ms` and reads on ten seconds later, each time from where it was before.
fn pause_and_read_on(engine: &mut Engine, remote: &str, round: u32, from_ms: u64) {
    let read = |rounds: u32| Observation {
        snd_una: 60_000 * rounds + 1,
        snd_nxt: 60_000 * rounds + 1,
        bytes_acked: u64::from(60_000 * rounds),
        write_seq: 60_000 * rounds + 1 + 140_000,
        ..zero_window(remote, ms(from_ms), ms(from_ms))
    };
    engine.observe(&read(round));
    engine.advance(ms(from_ms + 10_000), WALL);
    engine.observe(&Observation {
        snd_una: 60_000 * (round + 1) + 1,
        write_seq: 60_000 * (round + 1) + 1,
        bytes_acked: u64::from(60_000 * (round + 1)),
        ..healthy(remote, ms(from_ms + 10_000))
    });
}

fn hold(engine: &mut Engine, now_ms: u64) {
    for port in 1..=25 {
        let remote = format!("198.51.100.7:{port}");
        engine.observe(&zero_window(&remote, ms(1_000), ms(now_ms)));
    }
    answer_alone(engine);
}

#[test]
fn one_connection_that_reads_on_again_and_again_excuses_no_hoard() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    hold(&mut engine, 1_000);
    for round in 0..105 {
        let from_ms = 2_000 + u64::from(round) * 12_000;
        pause_and_read_on(&mut engine, "198.51.100.7:99", round, from_ms);
        hold(&mut engine, from_ms + 10_000);
    }
    let detail = engine.peer("198.51.100.7").unwrap();
    assert_eq!(pause(&detail).1, 1);
    assert_eq!(detail.peer.verdict, Some(Verdict::ZeroWindowAttack));
}

#[test]
fn who_read_on_once_is_not_believed_for_ever() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 101..=130 {
        pause_and_read_on(&mut engine, &format!("198.51.100.7:{port}"), 0, 1_000);
    }
    let verdict_at = |engine: &mut Engine, now_ms: u64| {
        engine.advance(ms(now_ms), WALL);
        hold(engine, now_ms);
        engine.peer("198.51.100.7").unwrap().peer.verdict
    };
    assert_eq!(verdict_at(&mut engine, 60_000), Some(Verdict::SlowClient));
    assert_eq!(verdict_at(&mut engine, 600_000), Some(Verdict::SlowClient));
    for seconds in 601..1_210 {
        verdict_at(&mut engine, seconds * 1_000);
    }
    assert_eq!(
        verdict_at(&mut engine, 1_215_000),
        Some(Verdict::ZeroWindowAttack)
    );
}

#[test]
fn steps_of_the_wall_clock_change_no_judgement() {
    let judged = |walls: &[i128]| {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for port in 1..=20 {
            let remote = format!("198.51.100.7:{port}");
            engine.observe(&zero_window(&remote, ms(1_000), ms(1_000)));
        }
        for (step, &offset_ns) in (1..).zip(walls) {
            engine.advance(ms(1_000 + step * 10_000), WallClock { offset_ns });
            answer_alone(&mut engine);
        }
        let events: Vec<_> = engine
            .events_after(0)
            .map(|event| (event.kind(), event.verdict))
            .collect();
        let peer = engine.peers().remove(0);
        (events, peer.verdict, peer.longest_stall_seconds.to_bits())
    };
    let steady = judged(&[WALL.offset_ns; 4]);
    assert_eq!(steady.1, Some(Verdict::ZeroWindowAttack));
    let stepped = judged(&[0, i128::MAX / 2, i128::MIN / 2, WALL.offset_ns]);
    assert_eq!(stepped, steady);
}

#[test]
fn a_moment_from_before_turns_nothing_back() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window("198.51.100.7:1", ms(1_000), ms(1_000)));
    engine.advance(ms(40_000), WALL);
    let before = engine.peers();
    engine.advance(ms(2_000), WALL);
    engine.advance(ms(0), WALL);
    assert_eq!(engine.peers(), before);
}

#[test]
fn the_detail_of_a_peer_is_bounded_and_says_how_many_there_are() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 1..=3_000u64 {
        engine.observe(&Observation {
            pinned_bytes: port,
            ..zero_window(&format!("198.51.100.7:{port}"), ms(1_000), ms(1_000))
        });
    }
    engine.advance(ms(7_000), WALL);
    let detail = engine.peer("198.51.100.7").unwrap();
    assert_eq!(detail.connections_total, 3_000);
    assert_eq!(detail.connections.len(), PeerDetail::CONNECTIONS_MAX);
    assert_eq!(detail.connections[0].pinned_bytes, 3_000);
    assert_eq!(detail.connections[999].pinned_bytes, 2_001);
}

#[test]
fn a_million_short_lived_peers_leave_nothing_but_their_sums() {
    const PEERS: u32 = 1_000_000;
    let mut engine = engine_with(TableSettings {
        peers_capacity: 1_000,
        connections_capacity: 1_000,
        ..TableSettings::default()
    });
    let mut seen = healthy("198.51.100.7:40000", ms(1_000));
    engine.advance(ms(1_000), WALL);
    for number in 0..PEERS {
        let [_, a, b, c] = number.to_be_bytes();
        let address = std::net::Ipv4Addr::new(10, a, b, c);
        seen.connection.remote.set_ip(address.into());
        seen.peer = detector_core::observe::peer_address::PeerAddress::of(address.into(), 64);
        seen.reason = Reason::Closed;
        seen.at = ms(1_000 + u64::from(number) / 100);
        seen.totals = Totals {
            zero_window_episodes: 1,
            zero_window_ns: 1_000,
            ..Totals::default()
        };
        engine.observe(&seen);
    }
    assert_eq!(engine.peers_tracked(), 1_000);
    assert_eq!(engine.connections_tracked(), 0);
    let metrics = engine.metrics();
    assert_eq!(metrics.totals.ledger.zero_window_episodes, u64::from(PEERS));
    assert_eq!(metrics.totals.peer_evictions, u64::from(PEERS) - 1_000);
    let shown: u64 = metrics
        .peers
        .iter()
        .map(|peer| peer.ledger.zero_window_episodes)
        .sum();
    let other = metrics.other.zero_window_episodes;
    assert_eq!(shown + other, u64::from(PEERS));
}

#[test]
fn a_crowd_is_asked_for_before_it_stalls_unless_we_opened_it() {
    for (direction, is_asked_for) in [
        (Direction::Inbound, true),
        (Direction::Unknown, true),
        (Direction::Outbound, false),
    ] {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for port in 40_000..40_024 {
            engine.observe(&Observation {
                direction,
                ..healthy(&format!("198.51.100.7:{port}"), ms(1_000))
            });
        }
        let wanted = census_wanted(&engine).len();
        assert_eq!(wanted, usize::from(is_asked_for), "{direction:?}");
    }
}

/// Many connections read 8,000 bytes each ten seconds, above the floor, with 4 MB queued for each.
#[test]
fn the_memory_of_a_hoard_read_for_hours_is_a_warning() {
    let mut engine = engine();
    for second in 1..=129u32 {
        let now = ms(u64::from(second) * 1_000);
        engine.advance(now, WALL);
        for port in 1..=100 {
            let acked = 1 + second / 10 * 8_000;
            let remote = format!("198.51.100.7:{port}");
            engine.observe(&Observation {
                snd_una: acked,
                snd_nxt: acked,
                bytes_acked: u64::from(acked - 1),
                write_seq: acked + 4_000_000,
                pinned_bytes: 4_200_000,
                ..zero_window(&remote, ms(1_000), now)
            });
        }
    }
    let peer = engine.peer("198.51.100.7").unwrap().peer;
    assert_eq!(peer.verdict, Some(Verdict::SlowClient));
    assert_eq!(peer.severity, Severity::Warning, "{peer:?}");
}

#[test]
fn windows_closed_for_long_are_no_quick_ones_because_the_record_is_late() {
    let verdict_after = |zero_window_ns: u64| {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        engine.observe(&healthy("198.51.100.7:1", ms(1_000)));
        let mut late = healthy("198.51.100.7:1", ms(30_000));
        late.totals.shrinks.treason = 3;
        late.totals.zero_window_episodes = 3;
        late.totals.zero_window_ns = zero_window_ns;
        engine.advance(ms(30_000), WALL);
        engine.observe(&late);
        engine.peer("198.51.100.7").unwrap().peer.verdict
    };
    assert_eq!(verdict_after(900_000_000), Some(Verdict::Benign));
    assert_eq!(verdict_after(20_000_000_000), Some(Verdict::ShrinkingPeer));
}
