//! What judging costs, an observation and a scrape at a time: at most 1 µs an observation on average.
//!
//! `cargo bench -p detector-core`. Times are of one observation (`elements`), not of a round.

#![allow(clippy::unwrap_used, reason = "a bench may fail where it stands")]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, Reason, Source, Totals};
use detector_core::time::MonotonicTime;
use std::hint::black_box;
use support::{WALL, engine, healthy, ms, sweep, zero_window};

/// Connections of a full table.
const FULL: u64 = 65_536;
/// Where the monotonic clock stands when a bench begins.
const START_MS: u64 = 1_000;

fn remote(number: u64, connections_a_peer: u64) -> String {
    let peer = number / connections_a_peer;
    let [_, a, b, c] = u32::try_from(peer).unwrap().to_be_bytes();
    format!("10.{a}.{b}.{c}:{}", 10_000 + number % connections_a_peer)
}

/// Connections whose window has been zero for long enough to be stalled, and below the drain floor.
fn stalled(count: u64, connections_a_peer: u64) -> (Engine, Vec<Observation>) {
    let mut engine = engine();
    engine.advance(ms(START_MS), WALL);
    let since = ms(START_MS);
    let seen: Vec<Observation> = (0..count)
        .map(|number| zero_window(&remote(number, connections_a_peer), since, since))
        .collect();
    for observation in &seen {
        engine.observe(observation);
    }
    engine.advance(ms(START_MS + 40_000), WALL);
    (engine, seen)
}

/// The same sockets, met by the next sweep.
fn met_by_sweep(seen: &mut [Observation], at: MonotonicTime) {
    for observation in seen {
        observation.at = at;
        observation.reason = Reason::Sweep;
        observation.source = Source::Sweep;
    }
}

/// A sweep of a host under attack: every row says what the last one said.
fn sweeps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe");
    for (name, count, connections_a_peer) in [
        ("stalled, 16 a peer", 5_000, 16),
        ("stalled, one a peer", FULL, 1),
        ("stalled, all of one peer", FULL / 2, FULL),
    ] {
        let (mut engine, mut seen) = stalled(count, connections_a_peer);
        let mut now_ms = START_MS + 40_000;
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                now_ms += 1_000;
                met_by_sweep(&mut seen, ms(now_ms));
                for observation in &seen {
                    engine.observe(black_box(observation));
                }
                engine.end_sweep(&sweep(ms(now_ms), ms(now_ms)));
            });
        });
    }
    group.finish();
}

/// Windows that close and open again, as honest readers' do a thousand times a second.
fn transitions(criterion: &mut Criterion) {
    const COUNT: u64 = 1_000;
    let mut engine = engine();
    engine.advance(ms(START_MS), WALL);
    let mut now_ms = START_MS;
    let mut round = 0;
    let remotes: Vec<String> = (0..COUNT).map(|number| remote(number, 4)).collect();
    let mut closed: Vec<Observation> = remotes
        .iter()
        .map(|remote| zero_window(remote, ms(now_ms), ms(now_ms)))
        .collect();
    let mut opened: Vec<Observation> = remotes
        .iter()
        .map(|remote| healthy(remote, ms(now_ms)))
        .collect();
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(2 * COUNT));
    group.bench_function("windows close and open", |bencher| {
        bencher.iter(|| {
            now_ms += 10;
            round += 1;
            for observation in &mut closed {
                let since = Some(ms(now_ms));
                observation.at = ms(now_ms);
                (observation.zero_window_since, observation.harmful_since) = (since, since);
                observation.totals.zero_window_episodes = round;
                engine.observe(black_box(observation));
            }
            for observation in &mut opened {
                observation.at = ms(now_ms + 5);
                observation.snd_una += 1_448;
                observation.bytes_acked += 1_448;
                observation.write_seq += 1_448;
                observation.totals = Totals {
                    zero_window_episodes: round,
                    zero_window_ns: round * 5_000_000,
                    ..Totals::default()
                };
                engine.observe(black_box(observation));
            }
        });
    });
    group.finish();
}

/// Connections that come, misbehave once and go, each of another peer.
fn short_lived(criterion: &mut Criterion) {
    const COUNT: u64 = 20_000;
    let at = ms(START_MS);
    let opened: Vec<Observation> = (0..COUNT)
        .map(|number| zero_window(&remote(number, 1), at, at))
        .collect();
    let closed: Vec<Observation> = opened
        .iter()
        .map(|opened| Observation {
            reason: Reason::Closed,
            at: ms(START_MS + 1),
            ..*opened
        })
        .collect();
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(2 * COUNT));
    group.sample_size(20);
    group.bench_function("one short episode of each peer", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut engine = engine();
                engine.advance(at, WALL);
                engine
            },
            |engine| {
                for (opened, closed) in opened.iter().zip(&closed) {
                    engine.observe(black_box(opened));
                    engine.observe(black_box(closed));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// What a scrape takes of the engine's time, with every window of a full table closed.
fn scrapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    for (name, connections_a_peer) in [("65,536 peers", 1), ("64 peers", 1_024)] {
        let (mut engine, _) = stalled(FULL, connections_a_peer);
        let mut now_ms = START_MS + 40_000;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                // Not so far that spans end: that is judging, not scraping.
                now_ms += 1;
                engine.advance(ms(now_ms), WALL);
                black_box(engine.metrics());
            });
        });
    }
    let (engine, _) = stalled(FULL / 2, FULL);
    group.bench_function("detail of a peer with 32,768 connections", |bencher| {
        bencher.iter(|| black_box(engine.peer("10.0.0.0")).is_some());
    });
    group.finish();
}

criterion_group!(benches, sweeps, transitions, short_lived, scrapes);
criterion_main!(benches);
