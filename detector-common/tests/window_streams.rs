//! Whole streams of acknowledgements: honest peers are never accused, whatever the network does
//! to the order of their segments, and no shrinking peer slips through, however small its steps.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_common::acceptance::{Acceptance, Segment, Sender, acceptance};
use detector_common::window::{Retreat, edge, is_after, later, retracted_bytes, retreat};
use proptest::prelude::*;

/// The sending side as the kernel keeps it, and the edges as our kernel side keeps them.
struct Judge {
    sender: Sender,
    edge_max: u32,
    last_edge: u32,
    shift: u8,
}

/// What the peer puts into one segment.
#[derive(Clone, Copy, Debug)]
struct Offer {
    acked: u32,
    window: u32,
    timestamp: Option<u32>,
}

const PEER_SEQ: u32 = 77;
const IN_FLIGHT: u32 = 1 << 20;

impl Judge {
    fn new(start: u32, window: u32, shift: u8, ts_recent: u32) -> Self {
        Self {
            sender: Sender {
                snd_una: start,
                snd_nxt: start.wrapping_add(IN_FLIGHT),
                snd_wnd: window,
                snd_wl1: PEER_SEQ,
                rcv_nxt: PEER_SEQ,
                rcv_wup: PEER_SEQ,
                rcv_wnd: 65_535,
                rcv_mwnd_seq: None,
                receive_queue: None,
                ts_recent,
                ts_recent_has_expired: false,
            },
            edge_max: edge(start, window),
            last_edge: edge(start, window),
            shift,
        }
    }

    fn take(&mut self, start: u32, offer: Offer) -> Retreat {
        let segment = Segment {
            seq: PEER_SEQ,
            end_seq: PEER_SEQ,
            ack: start.wrapping_add(offer.acked),
            window: offer.window,
            has_fin: false,
            timestamp: offer.timestamp,
            is_settled: true,
        };
        let verdict = acceptance(&self.sender, &segment);
        if let Some(value) = offer.timestamp
            && verdict != Acceptance::Ignored
        {
            self.sender.ts_recent = later(value, self.sender.ts_recent);
        }
        if verdict != Acceptance::Taken {
            return Retreat::None;
        }
        let (ack, window) = (segment.ack, segment.window);
        let told = retreat(
            self.edge_max,
            self.last_edge,
            ack,
            window,
            self.sender.snd_nxt,
            self.shift,
        );
        self.last_edge = edge(ack, window);
        self.edge_max = later(self.edge_max, self.last_edge);
        self.sender.snd_una = ack;
        self.sender.snd_nxt = later(self.sender.snd_nxt, self.last_edge);
        self.sender.snd_wnd = window;
        told
    }
}

/// A connection as the hooks see it, who look at it when its edge moves left and keep the highest from
/// then on, until a sweep forgets it.
struct Watched {
    snd_una: u32,
    snd_wnd: u32,
    snd_nxt: u32,
    edge_max: Option<u32>,
}

impl Watched {
    fn take(&mut self, ack: u32, window: u32, shift: u8) -> Retreat {
        let (before, after) = (edge(self.snd_una, self.snd_wnd), edge(ack, window));
        let mut told = Retreat::None;
        if is_after(before, after) {
            let known = self.edge_max.unwrap_or(self.snd_nxt);
            let edge_max = later(known, before);
            told = retreat(edge_max, before, ack, window, self.snd_nxt, shift);
            self.edge_max = Some(edge_max);
        }
        (self.snd_una, self.snd_wnd) = (ack, window);
        told
    }

    fn sweep(&mut self) {
        let in_force = edge(self.snd_una, self.snd_wnd);
        self.edge_max
            .take_if(|edge_max| retracted_bytes(*edge_max, in_force) == 0);
    }
}

const fn is_shrink(told: Retreat) -> bool {
    matches!(
        told,
        Retreat::Polite | Retreat::BelowFlight | Retreat::Treason
    )
}

/// A receiver that never takes back what it offered: its true right edge only grows, its window
/// is that edge rounded down to the granularity (RFC 7323 section 2.4, Appendix F).
fn honest(shift: u8, steps: &[(u16, u16)], ticks: Option<u32>) -> Vec<Offer> {
    let granularity = 1u32 << shift;
    let (mut acked, mut true_edge) = (0u32, 4 * granularity.max(16_384));
    let mut time = 1_000;
    let mut offers = Vec::new();
    for &(taken, freed) in steps {
        acked = (acked + u32::from(taken)).min(true_edge);
        true_edge += u32::from(freed);
        time += ticks.unwrap_or(0);
        offers.push(Offer {
            acked,
            window: (true_edge - acked) / granularity * granularity,
            timestamp: ticks.map(|_| time),
        });
    }
    offers
}

/// Displaces each offer by up to `reach` places and doubles some.
fn disturb(offers: &[Offer], moves: &[(usize, bool)]) -> Vec<Offer> {
    let mut places: Vec<(usize, Offer)> = Vec::new();
    for (place, offer) in offers.iter().enumerate() {
        let (delay, is_doubled) = moves[place % moves.len()];
        places.push((place + delay, *offer));
        if is_doubled {
            places.push((place + 2 * delay, *offer));
        }
    }
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, offer)| offer).collect()
}

fn steps() -> impl Strategy<Value = Vec<(u16, u16)>> {
    prop::collection::vec(
        (
            prop_oneof![Just(0u16), 1u16..3_000, any::<u16>()],
            prop_oneof![Just(0u16), 1u16..3_000, any::<u16>()],
        ),
        1..60,
    )
}

fn moves() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0usize..6, any::<bool>()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn honest_rounding_is_never_a_shrink(start in any::<u32>(), shift in 0u8..=14, steps in steps()) {
        let offers = honest(shift, &steps, None);
        let mut judge = Judge::new(start, 4 * (1u32 << shift).max(16_384), shift, 0);
        for offer in offers {
            prop_assert!(!is_shrink(judge.take(start, offer)));
        }
    }

    #[test]
    fn reordered_and_doubled_segments_with_timestamps_accuse_nobody(
        start in any::<u32>(), shift in 0u8..=14, steps in steps(), moves in moves(),
    ) {
        // More than the one tick that PAWS lets pass lies between two segments.
        let offers = disturb(&honest(shift, &steps, Some(2)), &moves);
        let mut judge = Judge::new(start, 4 * (1u32 << shift).max(16_384), shift, 1_000);
        for offer in offers {
            prop_assert!(!is_shrink(judge.take(start, offer)));
        }
    }

    #[test]
    fn reordered_and_doubled_segments_without_timestamps_accuse_nobody(
        start in any::<u32>(), shift in 0u8..=14, steps in steps(), moves in moves(),
    ) {
        // A zero window that arrives late cannot be told from a peer that closes again; Linux
        // takes it too.
        let mut offers = honest(shift, &steps, None);
        offers.retain(|offer| offer.window > 0);
        let mut judge = Judge::new(start, 4 * (1u32 << shift).max(16_384), shift, 0);
        for offer in disturb(&offers, &moves) {
            prop_assert!(!is_shrink(judge.take(start, offer)));
        }
    }

    #[test]
    fn an_edge_that_is_back_may_be_forgotten(
        start in any::<u32>(),
        shift in 0u8..=14,
        steps in prop::collection::vec((0u32..=100, 0u32..40, 0u32..=100), 1..80),
    ) {
        let new = || Watched {
            snd_una: start,
            snd_wnd: 20 << shift,
            snd_nxt: start,
            edge_max: None,
        };
        let (mut kept, mut swept) = (new(), new());
        for (acked_part, units, sent_part) in steps {
            let in_force = edge(kept.snd_una, kept.snd_wnd);
            let room = if is_after(in_force, kept.snd_nxt) {
                in_force.wrapping_sub(kept.snd_nxt)
            } else {
                0
            };
            let snd_nxt = kept.snd_nxt.wrapping_add(room * sent_part / 100);
            (kept.snd_nxt, swept.snd_nxt) = (snd_nxt, snd_nxt);
            let in_flight = snd_nxt.wrapping_sub(kept.snd_una);
            let ack = kept.snd_una.wrapping_add(in_flight * acked_part / 100);
            let window = units << shift;
            prop_assert_eq!(
                swept.take(ack, window, shift),
                kept.take(ack, window, shift)
            );
            swept.sweep();
        }
    }

    #[test]
    fn many_small_steps_do_not_slip_through(
        start in any::<u32>(),
        shift in 0u8..=14,
        step_parts in prop::collection::vec(1u32..=100, 10..40),
    ) {
        // Each step is less than the granularity; together they exceed it many times.
        let granularity = 1i64 << shift;
        let window = 60_000i64 + 60 * granularity;
        let mut judge = Judge::new(start, u32::try_from(window).unwrap(), shift, 1);
        let (mut edge_now, mut shrinks, mut expected) = (window, 0, 0);
        for (tick, part) in step_parts.iter().enumerate() {
            let step = (granularity * i64::from(*part) / 100).max(1);
            edge_now -= step;
            expected += u32::from(window - edge_now >= granularity);
            let offer = Offer {
                acked: 0,
                window: u32::try_from(edge_now).unwrap(),
                timestamp: Some(2 + u32::try_from(tick).unwrap()),
            };
            shrinks += u32::from(is_shrink(judge.take(start, offer)));
        }
        prop_assert_eq!(shrinks, expected);
        prop_assert!(shrinks > 0 || window - edge_now < granularity);
    }
}

#[test]
fn closing_the_window_with_data_in_flight_is_treason_and_back_to_one_byte_is_not_the_end() {
    let start = u32::MAX - 100;
    let mut judge = Judge::new(start, 65_536, 0, 0);
    let offer = |window| Offer {
        acked: 0,
        window,
        timestamp: None,
    };
    assert_eq!(judge.take(start, offer(0)), Retreat::Treason);
    assert_eq!(judge.take(start, offer(1)), Retreat::None);
    assert_eq!(judge.take(start, offer(0)), Retreat::Treason);
    assert_eq!(judge.take(start, offer(0)), Retreat::None);
}
