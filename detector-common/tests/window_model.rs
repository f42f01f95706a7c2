//! The window arithmetic against a plain, slow model.
//!
//! The model is written from the text of RFC 9293 and RFC 7323 on sequence numbers that never wrap. The
//! arithmetic under test sees the same numbers cut to 32 bits.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_common::window::{
    Retreat, edge, episode_continues, is_after, is_passed, later, retracted_bytes, retreat,
};
use proptest::prelude::*;
use support::{distance, signed, start, wire};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn order_survives_the_wrap(a in start(), offset in signed(distance())) {
        let b = a + offset;
        prop_assert_eq!(is_after(wire(a), wire(b)), a > b);
        prop_assert_eq!(later(wire(a), wire(b)), wire(a.max(b)));
    }

    #[test]
    fn the_model_classifies_retreats_alike(
        ack in start(),
        window in distance(),
        in_flight in distance(),
        last_offset in signed(distance()),
        max_above in distance(),
        shift in 0u8..=14,
    ) {
        let new_edge = ack + window;
        let last_edge = new_edge + last_offset;
        let edge_max = last_edge.max(new_edge - 1) + max_above % (1 << 30);
        let snd_nxt = ack + in_flight;
        let retracted = edge_max - new_edge;
        prop_assume!(retracted < 1 << 31);
        let expected = if new_edge >= last_edge || retracted <= 0 {
            Retreat::None
        } else if retracted < 1 << shift {
            Retreat::Granularity
        } else if window == 0 && snd_nxt > ack {
            Retreat::Treason
        } else if new_edge < snd_nxt {
            Retreat::BelowFlight
        } else {
            Retreat::Polite
        };
        let told = retreat(wire(edge_max), wire(last_edge), wire(ack), wire(window), wire(snd_nxt), shift);
        prop_assert_eq!(told, expected);
        prop_assert_eq!(edge(wire(ack), wire(window)), wire(new_edge));
        prop_assert_eq!(
            retracted_bytes(wire(edge_max), wire(new_edge)),
            u32::try_from(retracted.max(0)).unwrap()
        );
    }

    #[test]
    fn the_model_ends_episodes_alike(
        ack in start(),
        window in distance(),
        queued in distance(),
        mss in prop::sample::select(vec![1i128, 128, 536, 1_448, 65_495]),
    ) {
        let head = queued.min(mss);
        let may_go = window > 0 && window >= head;
        let told = episode_continues(wire(ack), wire(window), wire(ack + queued), wire(mss));
        prop_assert_eq!(told, !may_go);
    }

    #[test]
    fn the_model_knows_edges_that_were_passed(
        ack in start(),
        ahead in 0i128..1 << 30,
        acked in prop_oneof![0i128..1 << 32, 0i128..1 << 40],
    ) {
        // The edge lay ahead of what was acknowledged then; much may have been since.
        let told = is_passed(wire(ack + ahead), wire(ack + acked), u64::try_from(acked).unwrap());
        // At two gigabytes and more it is passed for sure: no window reaches that far.
        prop_assert_eq!(told, acked > ahead);
        // A count that ran ahead of the kernel proves nothing.
        prop_assert!(!is_passed(wire(ack + ahead), wire(ack), u64::MAX - 1_000));
    }

    #[test]
    fn no_numbers_at_all_panic(n in prop::array::uniform5(any::<u32>()), shift in any::<u8>()) {
        let _ = retreat(n[0], n[1], n[2], n[3], n[4], shift);
        let _ = episode_continues(n[0], n[1], n[2], n[3]);
    }
}
