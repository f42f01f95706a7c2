//! Who drains next to nothing because of a long way and a small window, and who only looks so.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::Verdict;
use detector_core::observe::observation::{Observation, Reason, Source};
use support::{WALL, answer_alone, engine, healthy, ms};

const PEER: &str = "198.51.100.7";

/// How connections take what they are sent.
#[derive(Clone, Copy)]
struct Way {
    /// Their window, all of which they take at once, each time after so long.
    segment: u32,
    trip_ms: u64,
    /// What the kernel takes for the round trip when they are seen first, and from then on.
    srtt_us: (u32, u32),
}

/// A small machine whose window is a segment, over a round trip of three seconds: it takes each at once, and drains next to nothing.
const FAR: Way = Way {
    segment: 1_400,
    trip_ms: 3_000,
    srtt_us: (3_000_000, 3_000_000),
};

/// What twenty-five connections of one address are called after a minute of that.
fn verdict(way: Way) -> Option<Verdict> {
    let mut engine = engine();
    for trip in 0..=61_000 / way.trip_ms {
        let at = ms(1_000 + trip * way.trip_ms);
        let acked = u32::try_from(trip).unwrap() * way.segment;
        let (first, later) = way.srtt_us;
        engine.advance(at, WALL);
        for port in 1..=25 {
            let snd_una = 1 + acked;
            engine.observe(&Observation {
                reason: Reason::Sweep,
                source: Source::Sweep,
                snd_una,
                snd_nxt: snd_una + way.segment,
                write_seq: snd_una + 200_000,
                bytes_acked: acked.into(),
                window_bytes: way.segment,
                max_window_bytes: way.segment,
                edge_max: Some(snd_una + way.segment),
                mss_bytes: way.segment,
                in_flight_segments: 1,
                srtt_us: if trip == 0 { first } else { later },
                ..healthy(&format!("{PEER}:{port}"), at)
            });
        }
        answer_alone(&mut engine);
    }
    engine.peer(PEER).and_then(|found| found.peer.verdict)
}

#[test]
fn who_reads_at_once_from_far_away_is_no_attacker() {
    let attack = Some(Verdict::SlowReadAttack);
    let seen = |srtt_us| {
        verdict(Way {
            srtt_us: (srtt_us, srtt_us),
            ..FAR
        })
    };
    assert_eq!(seen(40_000), attack);
    assert_ne!(seen(3_000_000), attack);
    // Nobody is as far away as that.
    for waits_us in [9_900_000, 30_000_000] {
        assert_eq!(seen(waits_us), attack);
    }
}

/// The wait before each acknowledgement is in the kernel's smoothed round trip.
#[test]
fn who_waits_before_it_acknowledges_is_not_far_away() {
    let attack = Some(Verdict::SlowReadAttack);
    let waits = Way {
        segment: 300,
        trip_ms: 1_000,
        srtt_us: (20_000, 1_000_000),
    };
    assert_eq!(verdict(waits), attack);
    let is_bare = Way {
        segment: 48,
        ..waits
    };
    assert_eq!(verdict(is_bare), attack);
    // A path that is a little longer at times is the same.
    let varies = Way {
        srtt_us: (1_700_000, 3_000_000),
        ..FAR
    };
    assert_ne!(verdict(varies), attack);
}

/// Over no round trip that a network has is so little all that is possible.
#[test]
fn a_window_of_less_than_a_byte_a_second_excuses_nobody() {
    let next_to_none = Way { segment: 2, ..FAR };
    assert_eq!(verdict(next_to_none), Some(Verdict::SlowReadAttack));
}
