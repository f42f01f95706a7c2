//! The engine as the agent uses it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{Confidence, EventType, FlagKind, StallCause, Verdict};
use detector_core::observe::observation::{Observation, Reason, Shrinks, Totals, UntrackedTotals};
use detector_core::settings::{DetectSettings, TableSettings};
use support::{WALL, answer_alone, engine, engine_with, healthy, ms, sweep, zero_window};

const PEER: &str = "198.51.100.7:40000";

#[test]
fn a_zero_window_becomes_a_stall_after_five_seconds_and_is_cleared_when_it_opens() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    engine.advance(ms(5_999), WALL);
    let before = engine.metrics();
    assert_eq!(before.totals.ledger.stalled_connections, 0);
    assert_eq!(before.totals.ledger.pinned_bytes, 0);
    assert!((before.totals.ledger.zero_window_seconds - 4.999).abs() < 1e-9);
    assert_eq!(engine.next_deadline(), Some(ms(6_000)));

    engine.advance(ms(6_000), WALL);
    let stalled = engine.metrics();
    assert_eq!(stalled.totals.ledger.stalled_connections, 1);
    assert_eq!(stalled.totals.stalled_by_cause, [1, 0, 0, 0]);
    assert_eq!(stalled.totals.ledger.pinned_bytes, 70_000);
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
    assert_eq!(after.totals.ledger.stalled_connections, 0);
    assert!((after.totals.ledger.zero_window_seconds - 6.0).abs() < 1e-9);
    assert!((after.totals.ledger.pinned_byte_seconds - 70_000.0).abs() < 1e-6);
    assert_eq!(after.peers[0].flagged, None);

    let events: Vec<_> = engine.events_after(0).collect();
    let told: Vec<_> = events.iter().map(|e| (e.event, e.kind())).collect();
    assert_eq!(
        told,
        [
            (EventType::Flag, FlagKind::ZeroWindowStall),
            (EventType::Episode, FlagKind::ZeroWindowStall),
            (EventType::Cleared, FlagKind::ZeroWindowStall),
        ]
    );
    assert_eq!(events[0].time, "2026-12-29T21:00:06.000Z");
    assert_eq!(events[0].flag.stalled_seconds(), Some(5.0));
}

#[test]
fn a_closed_connection_leaves_and_its_numbers_stay() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    let closed = Observation {
        reason: Reason::Closed,
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
    let peer = engine.peer("::ffff:198.51.100.7").unwrap().peer;
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
    engine.advance(ms(67_010), WALL);
    assert!(engine.connections().is_empty());
}

/// The same record as the sweep hands it on.
fn swept(observation: Observation) -> Observation {
    Observation {
        reason: Reason::Sweep,
        ..observation
    }
}

#[test]
fn a_row_older_than_its_sweep_still_counts_as_mentioned() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    engine.advance(ms(7_000), WALL);
    // A hook saw the socket just before the sweep began; the row carries the hook's time.
    engine.observe(&swept(zero_window(PEER, ms(1_000), ms(7_090))));
    engine.end_sweep(&sweep(ms(7_100), ms(7_110)));
    assert_eq!(engine.connections()[0].stall, Some(StallCause::ZeroWindow));
    engine.end_sweep(&sweep(ms(8_100), ms(8_110)));
    assert_eq!(engine.connections()[0].stall, None);
}

#[test]
fn an_incomplete_sweep_proves_nothing() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    let mut end = sweep(ms(7_000), ms(7_010));
    end.is_complete = false;
    engine.end_sweep(&end);
    assert_eq!(engine.connections()[0].stall, Some(StallCause::ZeroWindow));
}

#[test]
fn what_the_kernel_could_not_keep_is_booked_under_other() {
    let mut engine = engine();
    let told = |polite| UntrackedTotals {
        shrinks: Shrinks {
            polite,
            ..Shrinks::default()
        },
        zero_window_episodes: 2,
        ..UntrackedTotals::default()
    };
    engine.set_untracked(told(4));
    engine.set_untracked(told(3));
    engine.set_untracked(told(6));
    let metrics = engine.metrics();
    assert_eq!(metrics.totals.ledger.shrinks.polite, 6);
    assert_eq!(metrics.other, metrics.totals.ledger);
}

#[test]
fn one_peer_cannot_fill_the_ring_of_events() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 1..=1_000 {
        engine.observe(&zero_window(
            &format!("198.51.100.7:{port}"),
            ms(1_000),
            ms(1_000),
        ));
    }
    engine.advance(ms(6_000), WALL);
    let metrics = engine.metrics();
    assert_eq!(metrics.flags[FlagKind::ZeroWindowStall as usize], 1_000);
    assert_eq!(metrics.flags[FlagKind::StallHoard as usize], 1);
    assert_eq!(metrics.peers[0].flagged, Some(Verdict::SlowClient));
    let told = engine.events_after(0).count();
    assert_eq!(told, 65);
    assert_eq!(engine.events_suppressed(), 1_000 - 64);
    assert!(
        engine
            .events_after(0)
            .any(|event| event.kind() == FlagKind::StallHoard)
    );
    // Thirty seconds without a byte, the kernel knows of no others, and no benign cause is left.
    answer_alone(&mut engine);
    engine.advance(ms(25_000), WALL);
    answer_alone(&mut engine);
    engine.advance(ms(30_999), WALL);
    assert_eq!(engine.peers()[0].verdict, Some(Verdict::SlowClient));
    engine.advance(ms(31_000), WALL);
    assert_eq!(engine.peers()[0].verdict, Some(Verdict::ZeroWindowAttack));
    assert_eq!(engine.peers()[0].confidence, Some(Confidence::High));
}

#[test]
fn a_trusted_network_is_never_accused() {
    let mut engine = detector_core::engine::Engine::new(
        DetectSettings::default(),
        TableSettings::default(),
        Vec::new(),
        vec!["198.51.100.0/24".parse().unwrap()],
    );
    engine.advance(ms(1_000), WALL);
    for port in 1..=30 {
        engine.observe(&zero_window(
            &format!("198.51.100.7:{port}"),
            ms(1_000),
            ms(1_000),
        ));
    }
    engine.advance(ms(6_000), WALL);
    assert_eq!(engine.peers()[0].verdict, Some(Verdict::SlowClient));
}

#[test]
fn events_are_numbered_without_gaps_and_the_oldest_are_forgotten() {
    let mut engine = engine_with(TableSettings {
        events_capacity: 3,
        ..TableSettings::default()
    });
    assert_eq!((engine.first_event_id(), engine.last_event_id()), (1, 0));
    engine.advance(ms(1_000), WALL);
    for host in 1..=5 {
        engine.observe(&zero_window(
            &format!("198.51.100.{host}:1"),
            ms(1_000),
            ms(1_000),
        ));
    }
    engine.advance(ms(6_000), WALL);
    let ids = |after| -> Vec<u64> { engine.events_after(after).map(|event| event.id).collect() };
    assert_eq!(ids(0), [3, 4, 5]);
    assert_eq!(ids(4), [5]);
    assert_eq!(ids(u64::MAX), [0; 0]);
    assert_eq!((engine.first_event_id(), engine.last_event_id()), (3, 5));
    assert_eq!(engine.events_dropped(), 2);
}

#[test]
fn a_record_from_the_far_future_is_refused() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&healthy(PEER, ms(1_000_000)));
    assert!(engine.peers().is_empty());
    assert_eq!(engine.metrics().totals.records_refused, 1);
}

#[test]
fn a_record_from_before_the_moment_admitted_is_taken_however_late_the_clock_is() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.admit_until(ms(1_000_000));
    // An earlier moment takes nothing back.
    engine.admit_until(ms(2_000));
    engine.observe(&healthy(PEER, ms(1_000_000)));
    assert_eq!(engine.clock(), ms(1_000_000));
    engine.end_sweep(&sweep(ms(2_000_000), ms(2_000_000)));
    assert_eq!(engine.metrics().totals.records_refused, 1);
}

#[test]
fn a_restart_of_totals_counts_on() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let with = |generation: u64, episodes, at| Observation {
        generation: Some(ms(generation)),
        totals: Totals {
            zero_window_episodes: episodes,
            ..Totals::default()
        },
        ..healthy(PEER, ms(at))
    };
    engine.observe(&with(10, 4, 1_000));
    engine.observe(&with(20, 1, 2_000));
    // Late news of the first generation, then the second goes on.
    engine.observe(&with(10, 5, 1_500));
    engine.observe(&with(20, 3, 2_500));
    assert_eq!(engine.peers()[0].zero_window_episodes, 8);
    assert_eq!(engine.connections()[0].zero_window_episodes, 7);
}

#[test]
fn an_older_record_changes_no_newer_state() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&Observation {
        totals: Totals {
            zero_window_episodes: 1,
            ..Totals::default()
        },
        ..healthy(PEER, ms(3_000))
    });
    engine.observe(&zero_window(PEER, ms(1_000), ms(2_000)));
    let connection = &engine.connections()[0];
    assert!(!connection.in_zero_window);
    assert_eq!(connection.window_bytes, 131_072);
    engine.advance(ms(20_000), WALL);
    assert_eq!(engine.metrics().flags, [0; FlagKind::COUNT]);
}
