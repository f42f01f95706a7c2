//! Counts how the connections of a remote address end: the only place on the kernel side that writes
//! `det_history`, `det_proven` and `det_elsewhere`.

use crate::count::count_and_log;
use crate::globals;
use crate::helpers;
use crate::maps::{ELSEWHERE, HISTORY, PROVEN};
use crate::socket::TcpSocket;
use detector_common::address;
use detector_common::elsewhere::{Place, Turn, held_longer, places_of, turn};
use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, SPANS, has_read_much};

const _: () = assert!(SPANS.is_power_of_two());

/// A connection has ended, one that we had opened if it `is_opened`. One on which nothing was sent says nothing. What ends
/// in a network that a stranger has laid out, where any address may be anybody's, counts there alone.
#[inline(always)]
pub fn note_end(tcp: TcpSocket, is_opened: bool) {
    let has_queued = tcp.queued_bytes() > 0;
    // SYN and FIN count as one each where we opened the connection, else the FIN alone.
    let without_data = if is_opened { 2 } else { 1 };
    if !has_queued && tcp.bytes_acked() <= without_data {
        return;
    }
    // Whoever has read much and wants no more says so himself: what we cut off may have been held.
    let is_read = has_read_much(tcp.bytes_acked(), tcp.max_window());
    let is_early = has_queued && !(is_read && tcp.is_reset_by_peer());
    if tcp.is_on_our_way() {
        keep(tcp, is_early);
    } else if !is_early {
        keep_elsewhere(tcp);
    }
}

/// Not inlined: key and first entry lie on the stack.
#[inline(never)]
fn keep(tcp: TcpSocket, is_early: bool) {
    let key = key_of(tcp);
    let known = PROVEN.get_ptr_mut(key);
    if let Some(history) = known.or_else(|| HISTORY.get_ptr_mut(key)) {
        count_in(history, is_early);
        return;
    }
    let mut history = EMPTY;
    count_in(&raw mut history, is_early);
    // By value it would be copied once more to the stack.
    #[allow(clippy::needless_borrows_for_generic_args)]
    if HISTORY.insert(key, &history, 0).is_err() {
        note_refusal();
    }
}

/// One that has ended well, in a network of a stranger's. Not inlined, as above.
#[inline(never)]
fn keep_elsewhere(tcp: TcpSocket) {
    let address = key_of(tcp);
    let keys = places_of(tcp.netns(), address, globals::seed());
    let [one, other] = [
        ELSEWHERE.get_ptr_mut(keys[0]),
        ELSEWHERE.get_ptr_mut(keys[1]),
    ];
    let found = |place: Option<*mut Place>| {
        // SAFETY: a value of a map. Whoever writes at the same time may be lost, or take the place of another,
        // nothing else.
        let place = unsafe { place?.as_ref() }?;
        Some((place.address, place.holds))
    };
    let turn = turn(address, [found(one), found(other)]);
    let (Turn::Counts(at) | Turn::Takes(at) | Turn::Wears(at)) = turn;
    let (place, key) = if at == 0 {
        (one, keys[0])
    } else {
        (other, keys[1])
    };
    match (turn, place) {
        (Turn::Counts(_), Some(place)) => {
            // SAFETY: as above.
            if let Some(place) = unsafe { place.as_mut() } {
                place.holds = held_longer(place.holds);
                count_in(&raw mut place.history, false);
            }
        }
        (Turn::Wears(_), Some(place)) => {
            // SAFETY: as above.
            if let Some(place) = unsafe { place.as_mut() } {
                // Another may have worn it off meanwhile.
                place.holds = place.holds.saturating_sub(1);
            }
        }
        _ => {
            let mut place = Place {
                address,
                holds: 1,
                reserved: 0,
                history: EMPTY,
            };
            count_in(&raw mut place.history, false);
            #[allow(clippy::needless_borrows_for_generic_args)]
            if ELSEWHERE.insert(key, &place, 0).is_err() {
                note_refusal();
            }
        }
    }
}

fn note_refusal() {
    count_and_log!(
        HistoryNotKept,
        "the end of a connection is not kept: the table refused"
    );
}

const EMPTY: AddressHistory = AddressHistory {
    spans: [HistorySpan::of(0); SPANS],
};

/// The remote address, cut as the agent cuts peers.
#[inline(always)]
fn key_of(tcp: TcpSocket) -> [u64; 2] {
    let (_, remote) = tcp.addresses();
    address::peer_of(bytemuck::cast(remote), globals::ipv6_mask())
}

#[inline(always)]
fn count_in(history: *mut AddressHistory, is_early: bool) {
    let number = (helpers::monotonic_ns() / SPAN_NS) as u32;
    let place = number as usize & (SPANS - 1);
    let span = history.cast::<HistorySpan>().wrapping_add(place);
    // SAFETY: a map value, checked for null, or one on the stack; the place lies within it. Whoever
    // counts at the same time may be lost, nothing else.
    let mut counted = unsafe { span.read() };
    if counted.number != number {
        counted = HistorySpan::of(number);
    }
    if is_early {
        counted.ended_early = counted.ended_early.wrapping_add(1);
    } else {
        counted.ended_well = counted.ended_well.wrapping_add(1);
    }
    // SAFETY: as above.
    unsafe { span.write(counted) };
}
