//! The engine as the agent uses it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::observation::{Cause, Observation, Totals};
use detector_core::snapshot::{EventType, FlagKind, StallCause, Verdict};
use support::{WALL, engine, healthy, ms, sweep, zero_window};

const PEER: &str = "198.51.100.7:40000";

#[test]
fn a_zero_window_becomes_a_stall_after_five_seconds_and_is_cleared_when_it_opens() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    engine.advance(ms(5_999), WALL);
    let before = engine.metrics();
    assert_eq!(before.host.stalled_connections, 0);
    assert_eq!(before.host.pinned_bytes, 0);
    assert!((before.host.zero_window_seconds - 4.999).abs() < 1e-9);
    assert_eq!(engine.next_deadline(), Some(ms(6_000)));

    engine.advance(ms(6_000), WALL);
    let stalled = engine.metrics();
    assert_eq!(stalled.host.stalled_connections, 1);
    assert_eq!(stalled.stalled_by_cause, [1, 0, 0, 0]);
    assert_eq!(stalled.host.pinned_bytes, 70_000);
    assert_eq!(stalled.peers[0].flagged, Some(Verdict::SlowClient));

    engine.observe(&Observation {
        totals: Totals {
            zero_window_episodes: 1,
            zero_window_ns: 6_000_000_000,
            ..Totals::default()
        },
        bytes_acked: 999,
        ..healthy(PEER, ms(7_000))
    });
    let after = engine.metrics();
    assert_eq!(after.host.stalled_connections, 0);
    assert!((after.host.zero_window_seconds - 6.0).abs() < 1e-9);
    assert!((after.host.pinned_byte_seconds - 70_000.0).abs() < 1e-6);
    assert_eq!(after.peers[0].flagged, None);

    let events: Vec<_> = engine.events_after(0).collect();
    let told: Vec<_> = events.iter().map(|e| (e.event, e.kind)).collect();
    assert_eq!(
        told,
        [
            (EventType::Flag, FlagKind::ZeroWindowStall),
            (EventType::Episode, FlagKind::ZeroWindowStall),
            (EventType::Cleared, FlagKind::ZeroWindowStall),
        ]
    );
    assert_eq!(events[0].time, "2026-12-29T21:00:06.000Z");
    assert_eq!(events[0].evidence["stalled_seconds"], 5.0);
}

#[test]
fn a_closed_connection_leaves_and_its_numbers_stay() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    let closed = Observation {
        cause: Cause::Closed,
        zero_window_since: None,
        harmful_since: None,
        totals: Totals {
            zero_window_episodes: 1,
            zero_window_ns: 500_000_000,
            ..Totals::default()
        },
        ..healthy(PEER, ms(1_500))
    };
    engine.observe(&closed);
    engine.observe(&closed);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_200)));
    assert!(engine.connections().is_empty());
    let (peer, _) = engine.peer("::ffff:198.51.100.7").unwrap();
    assert_eq!(peer.zero_window_episodes, 1);
    assert_eq!(peer.zero_window_seconds, 0.5);
}

#[test]
fn a_connection_that_a_complete_sweep_does_not_mention_is_not_stalled() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    engine.advance(ms(7_000), WALL);
    assert_eq!(engine.connections()[0].stall, Some(StallCause::ZeroWindow));
    engine.end_sweep(&sweep(ms(900), ms(7_000)));
    assert_eq!(engine.connections()[0].stall, Some(StallCause::ZeroWindow));
    engine.end_sweep(&sweep(ms(7_000), ms(7_010)));
    assert_eq!(engine.connections()[0].stall, None);
    engine.advance(ms(67_000), WALL);
    assert!(engine.connections().is_empty());
}
