//! What counts as progress of a peer, and what it can only seem to have made.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{EventType, FlagKind, StallCause, Verdict};
use detector_core::observe::observation::{
    CongestionState, Direction, Observation, PendingTimer, Reason, Source,
};
use detector_core::settings::{DetectSettings, TableSettings};
use support::{WALL, engine, healthy, ms, zero_window};

const PEER: &str = "198.51.100.7:40000";
const IN_FLIGHT: u32 = 14_480;

/// The peer took its window back with data in flight.
fn held(at: u64) -> Observation {
    Observation {
        snd_nxt: 1_000 + IN_FLIGHT,
        in_flight_segments: 10,
        ..zero_window(PEER, ms(1_000), ms(at))
    }
}

fn swept(observation: Observation) -> Observation {
    Observation {
        reason: Reason::Sweep,
        direction: Direction::Inbound,
        source: Source::Sweep,
        ..observation
    }
}

/// A hook sees a segment that acknowledges all of it and opens the window.
fn opened(at: u64) -> Observation {
    Observation {
        snd_una: 1_000 + IN_FLIGHT,
        snd_nxt: 1_000 + IN_FLIGHT,
        bytes_acked: 999 + u64::from(IN_FLIGHT),
        ..healthy(PEER, ms(at))
    }
}

/// The same without acknowledging anything.
fn opened_only(at: u64) -> Observation {
    Observation {
        snd_nxt: 1_000 + IN_FLIGHT,
        in_flight_segments: 10,
        ..healthy(PEER, ms(at))
    }
}

#[test]
fn segments_that_the_kernel_drops_do_not_stop_the_clock_of_a_stall() {
    for forged in [opened, opened_only] {
        is_stalled_all_the_same(forged);
    }
}

fn is_stalled_all_the_same(forged: fn(u64) -> Observation) {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&held(1_000));
    for second in 1..=20 {
        let at = 1_000 + second * 1_000;
        if second % 4 == 0 {
            engine.observe(&forged(at - 300));
        }
        // The kernel's own numbers: nothing has changed but for the episode, which began anew.
        let since = if second < 4 { 1_000 } else { at - at % 4_000 };
        engine.observe(&swept(Observation {
            zero_window_since: Some(ms(since)),
            harmful_since: Some(ms(since)),
            ..held(at)
        }));
        engine.advance(ms(at), WALL);
    }
    let events: Vec<_> = engine.events_after(0).collect();
    let first = events.iter().find(|event| event.event == EventType::Flag);
    let flag = first.unwrap();
    assert_eq!(flag.kind(), FlagKind::ZeroWindowStall);
    assert_eq!(flag.time, "2026-12-29T21:00:06.000Z");
    assert_eq!(engine.connections()[0].stall, Some(StallCause::ZeroWindow));
    assert!(engine.connections()[0].stalled_seconds >= 19.0);
}

#[test]
fn an_opening_that_the_kernel_confirms_ends_the_stall() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&held(1_000));
    engine.observe(&opened_only(3_000));
    engine.observe(&swept(opened_only(4_000)));
    engine.advance(ms(20_000), WALL);
    assert_eq!(engine.connections()[0].stall, None);
    assert_eq!(engine.last_event_id(), 0);
}

#[test]
fn rows_of_a_namespace_that_is_swept_no_more_are_forgotten() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let small = |at| {
        swept(Observation {
            generation: None,
            window_bytes: 500,
            ..healthy(PEER, ms(at))
        })
    };
    engine.observe(&small(1_000));
    engine.observe(&small(7_000));
    engine.advance(ms(306_999), WALL);
    assert_eq!(engine.metrics().totals.ledger.stalled_connections, 1);
    engine.advance(ms(307_000), WALL);
    assert_eq!(engine.metrics().totals.ledger.stalled_connections, 0);
    assert_eq!(engine.connections_tracked(), 0);
}

#[test]
fn what_the_kernel_confirms_is_progress_from_when_the_hook_saw_it() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&held(1_000));
    engine.observe(&Observation {
        zero_window_since: Some(ms(4_000)),
        harmful_since: Some(ms(4_000)),
        window_bytes: 0,
        ..opened(4_000)
    });
    engine.observe(&swept(Observation {
        zero_window_since: Some(ms(4_000)),
        harmful_since: Some(ms(4_000)),
        window_bytes: 0,
        ..opened(4_900)
    }));
    engine.advance(ms(8_999), WALL);
    assert_eq!(engine.connections()[0].stall, None);
    engine.advance(ms(9_000), WALL);
    assert_eq!(engine.connections()[0].stall, Some(StallCause::ZeroWindow));
}

#[test]
fn an_open_window_into_which_nothing_is_taken_is_unanswered() {
    let unanswered = Some(StallCause::Unanswered);
    // Where answers draw fast retransmits, no timer ever fires.
    for (timeouts, head_retransmits, expected) in
        [(3, 3, None), (4, 0, unanswered), (0, 4, unanswered)]
    {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for second in 1..=8 {
            engine.observe(&swept(Observation {
                snd_nxt: 1_000 + IN_FLIGHT,
                in_flight_segments: 10,
                timeouts,
                head_retransmits,
                // Each segment that is sent again draws a duplicate acknowledgement.
                retransmits_unanswered: 0,
                ..healthy(PEER, ms(second * 1_000))
            }));
        }
        assert_eq!(
            engine.connections()[0].stall,
            expected,
            "{timeouts} {head_retransmits}"
        );
    }
}

#[test]
fn a_trusted_address_makes_its_network_trusted() {
    let peer = "[2001:db8::10]:40000";
    for (trusted, expected) in [("2001:db8::10/128", true), ("2001:db8:0:1::/64", false)] {
        let mut engine = detector_core::engine::Engine::new(
            DetectSettings::default(),
            TableSettings::default(),
            Vec::new(),
            vec![trusted.parse().unwrap()],
        );
        engine.advance(ms(1_000), WALL);
        engine.observe(&zero_window(peer, ms(1_000), ms(1_000)));
        assert_eq!(engine.peers()[0].trusted, expected, "{trusted}");
    }
}

/// A window is open, what is in flight is sent again, and one byte of it acknowledged each second: to
/// the kernel's timer that is progress each time.
#[test]
fn who_acknowledges_a_byte_now_and_then_does_not_answer() {
    let mut engine = engine();
    for second in 1..=90u32 {
        let now = ms(u64::from(second) * 1_000);
        engine.advance(now, WALL);
        let acked = 1_000 + second;
        engine.observe(&Observation {
            reason: Reason::Sweep,
            source: Source::Sweep,
            snd_una: acked,
            snd_nxt: 11_000,
            bytes_acked: u64::from(acked) - 1,
            congestion: CongestionState::Loss,
            timer: PendingTimer::Retransmit,
            timeouts: 2,
            in_flight_segments: 7,
            ..healthy("198.51.100.7:1", now)
        });
    }
    let peer = engine.peer("198.51.100.7").unwrap().peer;
    assert_eq!(peer.stalled_connections, 1);
    assert_eq!(peer.pinned_bytes, 70_000);
    assert_eq!(peer.verdict, Some(Verdict::SlowClient));
    assert_eq!(peer.flags[0].kind, FlagKind::Unanswered);
}
