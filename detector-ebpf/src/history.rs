//! Counts how the connections of a remote address end: the only place on the kernel side that writes
//! `det_history` and `det_proven`.

use crate::count::count_and_log;
use crate::globals;
use crate::helpers;
use crate::maps::{HISTORY, PROVEN};
use crate::socket::TcpSocket;
use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, SPANS};

const _: () = assert!(SPANS.is_power_of_two());

/// A connection has ended, one that we had opened if it `is_opened`. One on which nothing was sent says nothing, nor does one in a network that a
/// stranger has laid out, where any address may be anybody's. Not inlined: key and first entry lie on the
/// stack.
#[inline(never)]
pub fn note_end(tcp: TcpSocket, is_opened: bool) {
    if !tcp.is_on_our_way() {
        return;
    }
    let is_early = tcp.queued_bytes() > 0;
    // SYN and FIN count as one each where we opened the connection, else the FIN alone.
    let without_data = if is_opened { 2 } else { 1 };
    if !is_early && tcp.bytes_acked() <= without_data {
        return;
    }
    let key = key_of(tcp);
    let number = (helpers::monotonic_ns() / SPAN_NS) as u32;
    let known = PROVEN.get_ptr_mut(key);
    if let Some(history) = known.or_else(|| HISTORY.get_ptr_mut(key)) {
        count_in(history, number, is_early);
        return;
    }
    let mut history = AddressHistory {
        spans: [HistorySpan {
            number: 0,
            ended_well: 0,
            ended_early: 0,
        }; SPANS],
    };
    count_in(&raw mut history, number, is_early);
    // By value it would be copied once more to the stack.
    #[allow(clippy::needless_borrows_for_generic_args)]
    if HISTORY.insert(key, &history, 0).is_err() {
        count_and_log!(
            HistoryNotKept,
            "the end of a connection is not kept: the table refused"
        );
    }
}

/// The remote address, cut as the agent cuts peers.
#[inline(always)]
fn key_of(tcp: TcpSocket) -> [u64; 2] {
    let (_, remote) = tcp.addresses();
    let [high, low]: [u64; 2] = bytemuck::cast(remote);
    let is_mapped = high == 0 && low as u32 == 0xffff_u32.to_be();
    if is_mapped {
        return [high, low];
    }
    let [high_mask, low_mask] = globals::ipv6_mask();
    [high & high_mask, low & low_mask]
}

#[inline(always)]
fn count_in(history: *mut AddressHistory, number: u32, is_early: bool) {
    let place = number as usize & (SPANS - 1);
    let span = history.cast::<HistorySpan>().wrapping_add(place);
    // SAFETY: a map value, checked for null, or one on the stack; the place lies within it. Whoever
    // counts at the same time may be lost, nothing else.
    let mut counted = unsafe { span.read() };
    if counted.number != number {
        counted = HistorySpan {
            number,
            ended_well: 0,
            ended_early: 0,
        };
    }
    if is_early {
        counted.ended_early = counted.ended_early.wrapping_add(1);
    } else {
        counted.ended_well = counted.ended_well.wrapping_add(1);
    }
    // SAFETY: as above.
    unsafe { span.write(counted) };
}
