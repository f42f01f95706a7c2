//! What segments that are sent again by fast retransmit alone, without any timeout, say of a peer.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::bounds::FRUITLESS_RETRANSMITS;
use detector_api::snapshot::{StallCause, Verdict};
use detector_core::observe::observation::{CongestionState, Observation, Reason, Source};
use proptest::prelude::*;
use support::{WALL, engine, healthy, ms};

const PEER: &str = "198.51.100.7";

proptest! {
    /// However many segments behind the first were sent again, and whatever the peer acknowledged of
    /// what is old: only the first segment counts, and silence takes a timer.
    #[test]
    fn the_first_segment_alone_counts_and_nobody_is_called_silent(
        head_retransmits in 0..12_u32,
        retransmits_unanswered in 0..200_u32,
    ) {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for second in 1..=8 {
            engine.observe(&Observation {
                reason: Reason::Sweep,
                source: Source::Sweep,
                snd_nxt: 15_480,
                in_flight_segments: 10,
                congestion: CongestionState::Recovery,
                head_retransmits,
                retransmits_unanswered,
                ..healthy("198.51.100.7:40000", ms(second * 1_000))
            });
        }
        let is_held_up = head_retransmits >= FRUITLESS_RETRANSMITS;
        let expected = is_held_up.then_some(StallCause::Unanswered);
        prop_assert_eq!(engine.connections()[0].stall, expected);
        let verdict = engine.peer(PEER).and_then(|detail| detail.peer.verdict);
        prop_assert_ne!(verdict, Some(Verdict::Vanished));
    }
}
