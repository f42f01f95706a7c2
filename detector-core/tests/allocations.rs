//! In the steady state the engine allocates nothing: connections that stay as they are, sweep after sweep.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::observe::observation::{Observation, Reason, Source};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::settings::TableSettings;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use support::{WALL, census_wanted, engine_with, ms, sweep, zero_window};

/// Counts what a thread asks for, on the way to the system's allocator.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: u32 = 640;
/// Enough for a hoard.
const CONNECTIONS_A_PEER: u32 = 32;
/// Enough for a warning, as in `examples/many.rs`.
const CONNECTIONS_OF_MANY: u32 = 16;

#[test]
fn what_stays_as_it_is_allocates_nothing() {
    for each in [CONNECTIONS_A_PEER, CONNECTIONS_OF_MANY] {
        let settled = play(each, 200);
        let last = &settled[settled.len() - 20..];
        assert_eq!(last, [0; 20], "{each} a peer, of {settled:?}");
    }
}

/// Twice as long as anything is remembered of a peer.
#[test]
fn nor_does_it_much_later() {
    let settled = play(CONNECTIONS_OF_MANY, 1_200);
    assert_eq!(settled[200..].iter().sum::<u64>(), 0);
}

#[test]
fn who_is_to_be_counted_is_listed_once() {
    let mut engine = engine_with(TableSettings::default());
    let template = zero_window("10.0.0.1:1", ms(1_000), ms(1_000));
    for number in 0..CONNECTIONS {
        engine.observe(&of(number, CONNECTIONS_A_PEER, &template));
    }
    engine.advance(ms(6_000), WALL);
    let before = ALLOCATIONS.get();
    let wanted = census_wanted(&engine);
    let allocated = ALLOCATIONS.get() - before;
    // Twenty peers and their network: of each the namespaces, in order and then as they are asked for.
    assert_eq!(wanted.len(), 21);
    assert!(allocated < 3 * 21, "{allocated}");
}

/// Allocations of each second after the first.
fn play(connections_a_peer: u32, seconds: u64) -> Vec<u64> {
    let mut engine = engine_with(TableSettings::default());
    let template = zero_window("10.0.0.1:1", ms(1_000), ms(1_000));
    let swept = Observation {
        reason: Reason::Sweep,
        source: Source::Sweep,
        ..template
    };
    let mut round = |at_ms: u64, seen: Observation| {
        let before = ALLOCATIONS.get();
        let now = ms(at_ms);
        for number in 0..CONNECTIONS {
            let seen = Observation { at: now, ..seen };
            engine.observe(&of(number, connections_a_peer, &seen));
        }
        engine.end_sweep(&sweep(now, now));
        engine.advance(now, WALL);
        ALLOCATIONS.get() - before
    };
    // Flags, verdicts and the incident come first, and tables take the size they need.
    assert!(round(1_000, template) > 0);
    let seconds = 2..seconds;
    seconds.map(|second| round(second * 1_000, swept)).collect()
}

fn of(number: u32, connections_a_peer: u32, template: &Observation) -> Observation {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + number / connections_a_peer);
    let port = u16::try_from(10_000 + number % connections_a_peer).unwrap();
    let mut seen = *template;
    seen.connection.socket = u64::from(number) << 6;
    seen.connection.remote = SocketAddr::from((address, port));
    seen.peer = PeerAddress::of(address.into(), 64);
    seen
}
