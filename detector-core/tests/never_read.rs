//! A hoard that was never read is named within eight seconds, and nobody who reads, or has offered a
//! window that was worth it, any sooner than by a whole span below the drain floor.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::bounds::NEVER_READ_BYTES;
use detector_api::snapshot::{Severity, Verdict};
use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, Reason, Source};
use proptest::prelude::*;
use support::{WALL, answer_alone, census_wanted, engine, ms, zero_window};

const PEER: &str = "198.51.100.7";
const FIRST_MS: u64 = 1_000;

/// What one connection of the peer does.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// When it comes, after the first.
    begins_ms: u64,
    /// The largest window that it ever offered, and what it has taken of it.
    window: u32,
    taken: u32,
    /// What of that it had read before it stopped.
    read: u32,
    /// How often it reads a little, from when it comes on; never if `None`.
    reads_every_ms: Option<u64>,
}

/// What the sweep sees of it at `at_ms`, if it is there.
fn seen(number: usize, plan: Plan, at_ms: u64) -> Option<Observation> {
    let begins_ms = FIRST_MS + plan.begins_ms;
    let age_ms = at_ms.checked_sub(begins_ms)?;
    let reads = plan.reads_every_ms.map_or(0, |every| age_ms / every);
    let taken = u64::from(plan.taken) + reads * 32;
    let acked = u32::try_from(taken).unwrap();
    let remote = format!("{PEER}:{}", 40_000 + number);
    Some(Observation {
        reason: Reason::Sweep,
        source: Source::Sweep,
        snd_una: 1 + acked,
        snd_nxt: 1 + acked,
        write_seq: 1 + acked + 200_000,
        edge_max: Some(
            1 + plan.window.saturating_add(plan.read) + u32::try_from(reads * 32).unwrap(),
        ),
        bytes_acked: taken,
        max_window_bytes: plan.window,
        ..zero_window(&remote, ms(begins_ms), ms(at_ms))
    })
}

/// The moment of the first accusation, looked for until `until_ms`, and how loud it was.
fn accused_at(engine: &mut Engine, plans: &[Plan], until_ms: u64) -> Option<(u64, Severity)> {
    for at_ms in (FIRST_MS..until_ms).step_by(500) {
        engine.advance(ms(at_ms), WALL);
        for (number, plan) in plans.iter().enumerate() {
            if let Some(seen) = seen(number, *plan, at_ms) {
                engine.observe(&seen);
            }
        }
        // Nobody shares its address.
        answer_alone(engine);
        let peer = engine.peers().into_iter().next();
        if let Some(peer) = peer.filter(|peer| is_accusation(peer.verdict)) {
            return Some((at_ms, peer.severity));
        }
    }
    None
}

fn is_accusation(verdict: Option<Verdict>) -> bool {
    matches!(
        verdict,
        Some(Verdict::ZeroWindowAttack | Verdict::SlowReadAttack)
    )
}

/// Connections that offer next to nothing and take no more than that.
fn never_read() -> impl Strategy<Value = Plan> {
    (0u64..3_000, 0..=NEVER_READ_BYTES).prop_flat_map(|(begins_ms, window)| {
        (0..=window).prop_map(move |taken| Plan {
            begins_ms,
            window,
            taken,
            read: 0,
            reads_every_ms: None,
        })
    })
}

/// More than rounding a window up can give.
const READ_LEAST: u32 = 129;

/// A small machine that has read what its window takes, and then does something else for long.
fn has_read() -> impl Strategy<Value = Plan> {
    (0u64..3_000, READ_LEAST..NEVER_READ_BYTES).prop_flat_map(|(begins_ms, window)| {
        (READ_LEAST..=window).prop_map(move |read| Plan {
            begins_ms,
            window,
            taken: read,
            read,
            reads_every_ms: None,
        })
    })
}

/// Connections that read at least each five seconds, or have offered or taken more.
fn reads() -> impl Strategy<Value = Plan> {
    let often = (never_read(), 500u64..5_000).prop_map(|(plan, every)| Plan {
        reads_every_ms: Some(every),
        ..plan
    });
    let offered = (never_read(), NEVER_READ_BYTES + 1..1 << 20)
        .prop_map(|(plan, window)| Plan { window, ..plan });
    let took = (never_read(), NEVER_READ_BYTES + 1..1 << 20)
        .prop_map(|(plan, taken)| Plan { taken, ..plan });
    prop_oneof![often, offered, took, has_read()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hoard_that_was_never_read_is_named_within_eight_seconds(
        plans in prop::collection::vec(never_read(), 20..40),
    ) {
        let mut begins: Vec<u64> = plans.iter().map(|plan| plan.begins_ms).collect();
        begins.sort_unstable();
        let last_ms = FIRST_MS + begins[19];
        let found = accused_at(&mut engine(), &plans, last_ms + 30_000);
        let (at_ms, severity) = found.unwrap();
        prop_assert!(at_ms <= last_ms + 7_500, "{} ms after the last", at_ms - last_ms);
        prop_assert_eq!(severity, Severity::Critical);
    }

    #[test]
    fn whoever_reads_is_named_no_sooner_than_before(
        few in prop::collection::vec(never_read(), 0..20),
        others in prop::collection::vec(reads(), 0..30),
    ) {
        let plans: Vec<Plan> = few.into_iter().chain(others).collect();
        let found = accused_at(&mut engine(), &plans, FIRST_MS + 30_000);
        prop_assert_eq!(found, None);
    }
}

/// A small window from the first byte on, filled, and no more.
const TAKES_NOTHING: Plan = Plan {
    begins_ms: 0,
    window: 2_048,
    taken: 2_048,
    read: 0,
    reads_every_ms: None,
};

/// As soon as one stall has ended by reading on, a peer is judged over the whole span.
#[test]
fn a_peer_that_has_read_on_is_judged_as_late_as_before() {
    let mut engine = engine();
    let plan = TAKES_NOTHING;
    let slow = Plan {
        window: 65_536,
        ..plan
    };
    engine.advance(ms(FIRST_MS), WALL);
    engine.observe(&seen(100, slow, FIRST_MS).unwrap());
    engine.advance(ms(10_000), WALL);
    engine.observe(&Observation {
        zero_window_since: None,
        harmful_since: None,
        window_bytes: 65_536,
        snd_una: 100_000,
        snd_nxt: 100_000,
        write_seq: 100_000,
        bytes_acked: 99_999,
        ..seen(100, slow, 10_000).unwrap()
    });
    let late = Plan {
        begins_ms: 10_000,
        ..plan
    };
    let found = accused_at(&mut engine, &[late; 25], 40_000);
    assert_eq!(found, None);
    assert!(accused_at(&mut engine, &[late; 25], 60_000).is_some());
}

/// What small windows are flagged for comes with the handshake, long before anything is stalled.
#[test]
fn a_crowd_with_tiny_windows_is_asked_for_before_any_of_it_is_stalled() {
    let mut engine = engine();
    let plan = TAKES_NOTHING;
    let look_at = |engine: &mut Engine, at_ms| {
        engine.advance(ms(at_ms), WALL);
        for number in 0..24 {
            engine.observe(&seen(number, plan, at_ms).unwrap());
        }
    };
    look_at(&mut engine, FIRST_MS);
    look_at(&mut engine, 1_500);
    let peer = engine.peer(PEER).unwrap().peer;
    assert_eq!((peer.flags.len(), peer.stalled_connections), (1, 0));
    let wanted = census_wanted(&engine);
    assert_eq!(wanted.len(), 1, "{wanted:?}");
    look_at(&mut engine, 3_500);
    answer_alone(&mut engine);
    look_at(&mut engine, 6_900);
    assert!(!is_accusation(engine.peer(PEER).unwrap().peer.verdict));
    look_at(&mut engine, 7_000);
    let peer = engine.peer(PEER).unwrap().peer;
    assert_eq!(peer.verdict, Some(Verdict::ZeroWindowAttack));
}
