//! A word once said of a peer stands for as long as its evidence does.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::Verdict;
use detector_common::window::{self, Retreat};
use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, Totals};
use detector_core::time::MonotonicTime;
use proptest::prelude::*;
use support::{WALL, engine, healthy, ms};

const PEER: &str = "198.51.100.7:40000";
const WRITTEN: u32 = 1_000 + 200_000;

/// What a peer does after a pause.
#[derive(Clone, Copy, Debug)]
struct Offer {
    pause_ms: u64,
    /// Bytes that it acknowledges, of what is in flight.
    taken: u32,
    window: u32,
    /// Whether our probe timer fires before its next word.
    is_probed: bool,
}

const fn offer(pause_ms: u64, taken: u32, window: u32) -> Offer {
    Offer {
        pause_ms,
        taken,
        window,
        is_probed: false,
    }
}

/// A peer without window scaling that has filled its window and plays with it, as the kernel side would tell of it.
struct Player {
    seen: Observation,
    last_edge: u32,
}

impl Player {
    fn new() -> Self {
        let mut seen = healthy(PEER, ms(1_000));
        seen.window_shift = 0;
        seen.write_seq = WRITTEN;
        seen.edge_max = Some(seen.snd_una);
        Self {
            last_edge: seen.snd_una,
            seen,
        }
    }

    /// Takes some of what is in flight and offers a window from there on.
    fn offer(&mut self, at: MonotonicTime, offer: Offer) {
        let Offer {
            taken,
            window,
            is_probed,
            ..
        } = offer;
        let seen = &mut self.seen;
        let acked = taken.min(window::span_bytes(seen.snd_una, seen.snd_nxt));
        seen.at = at;
        seen.snd_una += acked;
        seen.bytes_acked += u64::from(acked);
        seen.window_bytes = window;
        let edge = window::edge(seen.snd_una, window);
        let edge_max = window::later(seen.edge_max.unwrap(), edge);
        let shrinks = &mut seen.totals.shrinks;
        match window::retreat(
            edge_max,
            self.last_edge,
            seen.snd_una,
            window,
            seen.snd_nxt,
            0,
        ) {
            Retreat::Polite => shrinks.polite += 1,
            Retreat::BelowFlight => shrinks.below_flight += 1,
            Retreat::Treason => shrinks.treason += 1,
            Retreat::None | Retreat::Granularity => {}
        }
        seen.edge_max = Some(edge_max);
        self.last_edge = edge;
        self.follow_episode(at);
        // The kernel sends whole segments, and a piece cut down to the window when its timer fires.
        if window < self.seen.mss_bytes && !is_probed {
            return;
        }
        let may_send = window::later(self.seen.snd_nxt, edge);
        self.seen.snd_nxt = if window::is_after(may_send, WRITTEN) {
            WRITTEN
        } else {
            may_send
        };
    }

    fn follow_episode(&mut self, at: MonotonicTime) {
        let seen = &mut self.seen;
        let goes_on = window::episode_continues(
            seen.snd_una,
            seen.window_bytes,
            seen.write_seq,
            seen.mss_bytes,
        );
        match seen.zero_window_since {
            None if seen.window_bytes == 0 => {
                seen.totals.zero_window_episodes += 1;
                (seen.zero_window_since, seen.harmful_since) = (Some(at), Some(at));
            }
            Some(since) if !goes_on => {
                seen.totals.zero_window_ns += at.since_ns(since);
                (seen.zero_window_since, seen.harmful_since) = (None, None);
            }
            _ => {}
        }
    }
}

/// The verdicts of a peer that offers these windows, each as it changes.
fn verdicts(engine: &mut Engine, offers: &[Offer]) -> Vec<Verdict> {
    let mut player = Player::new();
    let mut at_ms = 1_000;
    let mut heard = Vec::new();
    for &offer in offers {
        at_ms += offer.pause_ms;
        engine.advance(ms(at_ms), WALL);
        heard.extend(engine.peers().first().and_then(|peer| peer.verdict));
        player.offer(ms(at_ms), offer);
        engine.observe(&player.seen);
        heard.extend(engine.peers()[0].verdict);
    }
    heard.dedup();
    heard
}

#[test]
fn a_peer_that_alternates_nothing_and_a_byte_has_one_verdict() {
    for is_probed in [false, true] {
        let steps = 0..400;
        let offers: Vec<_> = steps
            .map(|step| Offer {
                is_probed,
                ..offer(300, 0, step % 2)
            })
            .collect();
        let mut engine = engine();
        let heard = verdicts(&mut engine, &offers);
        assert_eq!(heard, [Verdict::ShrinkingPeer], "{is_probed}");
        // Only stalls and the first shrinks of each severity are told.
        assert!(engine.last_event_id() < 10, "{}", engine.last_event_id());
    }
}

#[test]
fn ten_minutes_after_the_last_shrink_only_the_stall_is_left() {
    let mut engine = engine();
    // Takes a byte of window back and offers it again.
    let offers = [
        (1_000, 0, 1),
        (1_000, 0, 0),
        (1_000, 0, 1),
        (300_000, 0, 1),
        (301_000, 0, 1),
    ];
    let offers = offers.map(|(pause_ms, taken, window)| offer(pause_ms, taken, window));
    let heard = verdicts(&mut engine, &offers);
    assert_eq!(heard, [Verdict::ShrinkingPeer, Verdict::SlowClient]);
    assert_eq!(engine.peers()[0].window_shrinks.polite, 1);
}

proptest! {
    /// Whatever a peer does to its window: while a shrink is remembered, nothing it does next takes
    /// the word back.
    #[test]
    fn a_shrinking_peer_stays_one_while_its_shrinks_are_remembered(
        offers in prop::collection::vec(
            (
                10u64..4_000,
                0u32..3,
                prop_oneof![Just(0u32), 0u32..3, Just(1_448), 0u32..60_000],
                prop::bool::weighted(0.1),
            ),
            1..120,
        ),
    ) {
        let offers: Vec<_> = offers
            .into_iter()
            .map(|(pause_ms, taken, window, is_probed)| Offer { pause_ms, taken, window, is_probed })
            .collect();
        let mut engine = engine();
        let heard = verdicts(&mut engine, &offers);
        let first = heard.iter().position(|verdict| *verdict == Verdict::ShrinkingPeer);
        // One that opens again at once is a receiver's without memory, until one does not.
        let said = first.map_or(&[][..], |first| &heard[first..]);
        prop_assert!(said.len() <= 3 && !said.contains(&Verdict::SlowClient), "{:?}", heard);
        let shrinks = engine.peers()[0].window_shrinks;
        prop_assert!(first.is_some() || shrinks == Totals::default().shrinks, "{:?}", heard);
    }
}
