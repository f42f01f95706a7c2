//! A neighbour that holds little, and is one of a hoard of many.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::engine::Engine;
use detector_core::observe::census::Suspect;
use detector_core::observe::observation::{Observation, Reason};
use detector_core::time::MonotonicTime;
use std::cmp::Ordering;
use support::{WALL, accused_hosts, answer_with, engine, ms, zero_window};

const PEER: &str = "198.51.100.7";

/// Four addresses and one neighbour at which one download pauses: they hold together, until others are seen to use the
/// four from one second on, or until these close what they hold. How many are accused before that, and at the end.
fn neighbour_of_four(shared_from: u64, closed_from: u64) -> (usize, usize) {
    let mut engine = engine();
    let mut before = 0;
    for second in 1..=200 {
        let at = ms(second * 1_000);
        engine.advance(at, WALL);
        match second.cmp(&closed_from) {
            Ordering::Less => look_at_four(&mut engine, at, Reason::Window),
            Ordering::Equal => look_at_four(&mut engine, at, Reason::Closed),
            Ordering::Greater => {}
        }
        engine.observe(&zero_window(&format!("{PEER}:1"), ms(1_000), at));
        answer_with(&mut engine, |each| match each.suspect {
            Suspect::Peer(peer) if peer.to_string() == PEER => 0,
            _ if second < shared_from => 0,
            _ => 2,
        });
        if second == 50 {
            before = accused_hosts(&engine);
        }
    }
    (before, accused_hosts(&engine))
}

#[test]
fn who_was_accused_with_others_is_accused_no_more_once_they_are_shared() {
    assert_eq!(neighbour_of_four(60, u64::MAX), (5, 0));
}

#[test]
fn who_is_left_of_a_hoard_that_is_closed_stays_accused() {
    assert_eq!(neighbour_of_four(u64::MAX, 60).0, 5);
    assert!(neighbour_of_four(u64::MAX, 60).1 >= 1);
}

/// Five connections of each of four, as they are or as they end.
fn look_at_four(engine: &mut Engine, at: MonotonicTime, reason: Reason) {
    for host in 10..14 {
        for port in 1..=5 {
            let last = zero_window(&format!("198.51.100.{host}:{port}"), ms(1_000), at);
            engine.observe(&Observation { reason, ..last });
        }
    }
}
