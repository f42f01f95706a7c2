//! Who drains next to nothing because of a long way and a small window, and who only looks so.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::Verdict;
use detector_core::observe::observation::{Observation, Reason, Source};
use support::{WALL, answer_alone, engine, healthy, ms};

const PEER: &str = "198.51.100.7";

/// Twenty connections of one address over a round trip of three seconds, whose window is a segment: each
/// takes it at once, and drains next to nothing.
fn far_away(srtt_us: u32) -> Option<Verdict> {
    const SEGMENT: u32 = 1_400;
    let mut engine = engine();
    for trip in 0..14 {
        let at = ms(1_000 + u64::from(trip) * 3_000);
        engine.advance(at, WALL);
        for port in 1..=20 {
            let snd_una = 1 + trip * SEGMENT;
            engine.observe(&Observation {
                reason: Reason::Sweep,
                source: Source::Sweep,
                snd_una,
                snd_nxt: snd_una + SEGMENT,
                write_seq: snd_una + 200_000,
                bytes_acked: u64::from(trip * SEGMENT),
                window_bytes: SEGMENT,
                max_window_bytes: SEGMENT,
                edge_max: Some(snd_una + SEGMENT),
                mss_bytes: SEGMENT,
                in_flight_segments: 1,
                srtt_us,
                ..healthy(&format!("{PEER}:{port}"), at)
            });
        }
        answer_alone(&mut engine);
    }
    engine.peer(PEER).and_then(|found| found.peer.verdict)
}

#[test]
fn who_reads_at_once_from_far_away_is_no_attacker() {
    assert_eq!(far_away(40_000), Some(Verdict::SlowReadAttack));
    assert_ne!(far_away(3_000_000), Some(Verdict::SlowReadAttack));
    // Nobody is as far away as that.
    for waits_us in [9_900_000, 30_000_000] {
        assert_eq!(far_away(waits_us), Some(Verdict::SlowReadAttack));
    }
}
