//! What the engine costs by the number of connections it tracks: `many MOST` plays sweeps over ever
//! more stalled connections, sixteen a peer, met in no order that a cache could guess. Part of
//! `cargo xtask bench engine`.
//!
//! Prints a line `CONNECTIONS NANOSECONDS BYTES ALLOCATIONS` for each size: processor time of an
//! observation (the middle of three rounds), memory of a connection with its share of a peer, and
//! allocations in the last round. Where the next size would take more than three quarters of the memory that is
//! there, the last is the one that takes half of those: tables double while they grow.

#![allow(clippy::unwrap_used, reason = "a bench may fail where it stands")]
#![allow(clippy::print_stdout, reason = "what it prints is its answer")]

#[path = "../tests/support/mod.rs"]
mod support;

use detector_core::observe::observation::{Observation, Reason, Source};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::settings::TableSettings;
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use support::{WALL, engine_with, ms, sweep, zero_window};

/// Counts on the way to the system's allocator.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS_A_PEER: u64 = 16;
/// Observations in a round at least: the scheduler's count of time comes in milliseconds.
const LEAST: u64 = 1_000_000;
const START_MS: u64 = 1_000;
/// Larger than any table, and prime: steps of it meet everything once, in no order.
const STRIDE: u64 = 2_147_483_647;

fn main() {
    let most: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let room = available_bytes() / 4 * 3;
    let mut count = 1_000;
    let mut bytes_each = 0;
    while count <= most && count * bytes_each <= room {
        bytes_each = play(count);
        count *= 10;
    }
    if count <= most {
        let last = room / 2 / bytes_each / 1_000_000 * 1_000_000;
        if last > count / 10 {
            play(last);
        }
    }
}

/// Memory of one connection.
fn play(count: u64) -> u64 {
    let capacity = usize::try_from(count).unwrap();
    let before = BYTES.load(Ordering::Relaxed);
    let mut engine = engine_with(TableSettings {
        peers_capacity: capacity,
        connections_capacity: capacity,
        ..TableSettings::default()
    });
    let template = zero_window("10.0.0.1:1", ms(START_MS), ms(START_MS));
    engine.advance(ms(START_MS), WALL);
    for number in 0..count {
        engine.observe(&of(number, &template));
    }
    let mut now_ms = START_MS + 60_000;
    engine.advance(ms(now_ms), WALL);
    let bytes_each = (BYTES.load(Ordering::Relaxed) - before) / count;
    let swept = Observation {
        reason: Reason::Sweep,
        source: Source::Sweep,
        ..template
    };
    let sweeps = LEAST.div_ceil(count);
    let mut times = Vec::new();
    let mut allocations = 0;
    // One to get used to it.
    for _ in 0..4 {
        let (began, allocated) = (thread_time_ns(), ALLOCATIONS.load(Ordering::Relaxed));
        for _ in 0..sweeps {
            now_ms += 1_000;
            let now = ms(now_ms);
            let seen = Observation { at: now, ..swept };
            for index in 0..count {
                engine.observe(&of(index * STRIDE % count, &seen));
            }
            engine.end_sweep(&sweep(now, now));
            engine.advance(now, WALL);
        }
        allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocated;
        times.push((thread_time_ns() - began) / (sweeps * count));
    }
    let rounds = &mut times[1..];
    rounds.sort_unstable();
    println!("{count} {} {bytes_each} {allocations}", rounds[1]);
    bytes_each
}

fn of(number: u64, template: &Observation) -> Observation {
    let peer = u32::try_from(number / CONNECTIONS_A_PEER).unwrap();
    let port = u16::try_from(10_000 + number % CONNECTIONS_A_PEER).unwrap();
    let address = Ipv4Addr::from_bits(0x0a00_0000 + peer);
    let mut seen = *template;
    seen.connection.socket = number << 6;
    seen.connection.remote = SocketAddr::from((address, port));
    seen.peer = PeerAddress::of(address.into(), 64);
    seen
}

/// Memory that programs can still have.
fn available_bytes() -> u64 {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<u64>().unwrap() * 1_024
}

/// Processor time of this thread: others on the machine do not count.
fn thread_time_ns() -> u64 {
    // Gives way first, so that the count is brought up to date.
    std::thread::yield_now();
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    said.split(' ').next().unwrap().parse().unwrap()
}
