//! Any user can lay out a network of his own and play any address in it: what he does there tells nothing of
//! whoever comes by this host's way in.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::Verdict;
use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, PendingTimer, Reason};
use detector_core::time::MonotonicTime;
use support::{WALL, accused_hosts, answer_alone, engine, healthy, ms, zero_window};

/// A peer with one download on pause.
const PAUSED: &str = "198.51.100.50";

/// Plays addresses with five connections each that stop reading, all alike, beside one download on pause that comes by
/// our way in; until all are below the drain floor, and counted.
fn play(engine: &mut Engine, played: &[String], is_on_our_way: bool) {
    for second in [1, 6, 15, 24, 31, 32, 33] {
        let at = ms(second * 1_000);
        engine.advance(at, WALL);
        engine.observe(&zero_window(&format!("{PAUSED}:1"), ms(1_000), at));
        play_on(engine, played, at, is_on_our_way);
    }
}

fn play_on(engine: &mut Engine, played: &[String], at: MonotonicTime, is_on_our_way: bool) {
    for address in played {
        for port in 11..=15 {
            engine.observe(&Observation {
                is_on_our_way,
                ..zero_window(&format!("{address}:{port}"), ms(1_000), at)
            });
        }
    }
    answer_alone(engine);
}

/// Those played are accused either way; the one on pause only where they come by our way in, too.
fn is_no_part_of_what_is_played_elsewhere(played: &[String]) {
    for (is_on_our_way, accused) in [(true, played.len() + 1), (false, played.len())] {
        let mut engine = engine();
        play(&mut engine, played, is_on_our_way);
        assert_eq!(accused_hosts(&engine), accused, "{is_on_our_way}");
        let suspects = engine.guard_suspects(None);
        let ours = suspects.iter().find(|each| each.peer.to_string() == PAUSED);
        let is_suspect = ours.is_some_and(|ours| ours.is_accused);
        assert_eq!(is_suspect, is_on_our_way, "{suspects:?}");
    }
}

#[test]
fn a_neighbour_of_addresses_played_elsewhere_is_no_part_of_their_hoard() {
    let neighbours: Vec<_> = (10..14).map(|host| format!("198.51.100.{host}")).collect();
    is_no_part_of_what_is_played_elsewhere(&neighbours);
}

#[test]
fn who_is_like_peers_played_elsewhere_is_no_part_of_their_hoard() {
    let alike: Vec<_> = (1..=5).map(|net| format!("203.0.{net}.7")).collect();
    is_no_part_of_what_is_played_elsewhere(&alike);
}

/// Its address is played, too, beside the others: that weighs once nothing of it comes by our way in.
#[test]
fn a_peer_hoards_with_others_elsewhere_only_while_it_holds_nothing_on_our_way() {
    let neighbours = (10..14).map(|host| format!("198.51.100.{host}"));
    let alike = (1..=5).map(|net| format!("203.0.{net}.7"));
    for mut played in [Vec::from_iter(neighbours), Vec::from_iter(alike)] {
        played.push(PAUSED.to_owned());
        let mut engine = engine();
        play(&mut engine, &played, false);
        let verdict = |engine: &Engine| engine.peer(PAUSED).unwrap().peer.verdict;
        assert_eq!(verdict(&engine), Some(Verdict::SlowClient), "{played:?}");
        let ends = Observation {
            reason: Reason::Closed,
            ..zero_window(&format!("{PAUSED}:1"), ms(1_000), ms(34_000))
        };
        engine.observe(&ends);
        play_on(&mut engine, &played, ms(34_000), false);
        assert_eq!(
            verdict(&engine),
            Some(Verdict::ZeroWindowAttack),
            "{played:?}"
        );
    }
}

/// Nothing is sick on our way because peers elsewhere fall silent.
#[test]
fn what_many_networks_show_elsewhere_is_no_sign_of_our_path() {
    for (is_on_our_way, verdict) in [(true, Verdict::PathLoss), (false, Verdict::Vanished)] {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for network in 1..=8 {
            let remote = format!("203.0.{network}.7:1");
            engine.observe(&Observation {
                is_on_our_way,
                ..silent(&remote, ms(1_000))
            });
        }
        engine.observe(&silent(&format!("{PAUSED}:1"), ms(1_000)));
        engine.advance(ms(7_000), WALL);
        engine.observe(&silent(&format!("{PAUSED}:1"), ms(7_000)));
        let peer = engine.peer(PAUSED).unwrap().peer;
        assert_eq!(peer.verdict, Some(verdict), "{is_on_our_way}");
    }
}

/// A connection on which nothing comes back.
fn silent(remote: &str, at: MonotonicTime) -> Observation {
    Observation {
        snd_nxt: 1_000 + 14_480,
        in_flight_segments: 10,
        timer: PendingTimer::Retransmit,
        backoff: 5,
        timeouts: 5,
        retransmits_unanswered: 5,
        head_retransmits: 5,
        ..healthy(remote, at)
    }
}

/// Of peers that somebody plays in a network of his own few events are written, however many they are.
#[test]
fn what_is_flagged_elsewhere_leaves_room_in_the_ring() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for number in 0..300 {
        for port in 1..=64 {
            let remote = format!("203.0.{}.{}:{port}", number / 100, number % 100);
            engine.observe(&Observation {
                is_on_our_way: false,
                ..zero_window(&remote, ms(1_000), ms(1_000))
            });
        }
    }
    engine.advance(ms(7_000), WALL);
    engine.observe(&zero_window(&format!("{PAUSED}:1"), ms(1_000), ms(7_000)));
    let events: Vec<_> = engine.events_after(0).collect();
    let ours = events.iter().filter(|event| event.peer == PAUSED).count();
    assert!(ours > 0);
    let elsewhere = events.len() - ours;
    assert!((1..=33).contains(&elsewhere), "{elsewhere}");
    let written = u64::try_from(events.len()).unwrap();
    let raised: u64 = engine.metrics().flags.iter().sum();
    assert_eq!(engine.events_suppressed(), raised - written);
}
