//! The sweep: a pass over all TCP sockets of one network namespace, `iter/tcp`.
//!
//! Contract: `struct bpf_iter__tcp { meta, sk_common, uid }` (`net/ipv4/tcp_ipv4.c`), called once a
//! socket and once with a null socket at the end; from 5.15 on under the socket lock, before that
//! under the hash bucket's lock. When the output buffer is full the kernel shows the same socket
//! again, so everything here must bear repetition.
//!
//! Why: `tcp_probe` is blind outside ESTABLISHED, and sockets older than the agent never passed a
//! hook. Only sockets that look held up get a row, and most are left alone at the first look. Listeners come first and are noted, so that each
//! pass knows those of its namespace.

use crate::attention;
use crate::connection::{catch_up, direction, pending, snapshot, table};
use crate::count::{add, count_and_log};
use crate::helpers;
use crate::kernel_memory::KernelPointer;
use crate::record_pointer::RecordPointer;
use crate::socket::{TcpSocket, tcp_state};
use bytemuck::Zeroable;
use core::ffi::c_void;
use detector_common::counter::Counter;
use detector_common::record::{ConnectionRecord, Reason, flag};
use detector_common::window;

/// `meta` in the context; `seq` in `struct bpf_iter_meta`.
const FIRST_POINTER: u64 = 0;
/// `seq_num` in `struct bpf_iter_meta`: how many sockets were shown.
const OBJECTS_SHOWN: u64 = 16;
/// `sk_common` in the context.
const SECOND_POINTER: u64 = 8;
/// `-EOVERFLOW`: the kernel will show this socket again with an empty buffer.
const EOVERFLOW: i64 = -75;

// SAFETY: the section name is the loader's convention for this program kind.
#[unsafe(link_section = "iter/tcp")]
// SAFETY: the agent finds the program by this name; nothing else defines it.
#[unsafe(no_mangle)]
fn det_sweep(context: *mut c_void) -> i32 {
    let context = KernelPointer::new(context.cast_const());
    let _done = sweep_socket(context);
    0
}

fn sweep_socket(context: KernelPointer) -> Option<()> {
    let meta = context.load_pointer(FIRST_POINTER);
    let sock = context.load_pointer(SECOND_POINTER);
    if sock.is_null() {
        add(Counter::SocketsSwept, meta.load_u64(OBJECTS_SHOWN) as u32);
        return None;
    }
    let tcp = TcpSocket::from_sock(sock)?;
    let state = tcp.skc_state();
    // These lie where the kernel has looked just before.
    if state == tcp_state::ESTABLISHED && tcp.sk_wmem_queued() == 0 && attention::is_at_rest(tcp) {
        return None;
    }
    if state == tcp_state::LISTEN {
        direction::note_listener(tcp);
        return None;
    }
    if can_hold_data(state) {
        sweep_connection(meta.load_pointer(FIRST_POINTER), tcp)?;
    }
    None
}

/// Not inlined: keeps the registers and code of what comes before small.
#[inline(never)]
fn sweep_connection(seq: KernelPointer, tcp: TcpSocket) -> Option<()> {
    pending::settle_in_sweep(tcp);
    let is_suspicious = attention::is_suspicious(tcp);
    if is_suspicious || attention::may_fall_silent(tcp) {
        attention::note(tcp);
    }
    let state = table::find(tcp);
    let record = match state {
        Some(record) => record,
        None if !is_suspicious => return None,
        None if tcp.snd_wnd() != 0 => return write_without_state(seq, tcp),
        None => match table::find_or_create(tcp, helpers::monotonic_ns()) {
            Some(record) => record,
            None => return write_without_state(seq, tcp),
        },
    };
    catch_up(&record, tcp, helpers::monotonic_ns());
    record.raise(flag::SEEN_BY_SWEEP);
    // A queue whose head was sent again in vain is held up, even if no timer fires any more.
    let is_suspicious = is_suspicious || record.head_retransmits().get() != 0;
    if !is_suspicious && !record.has(flag::NOT_CARRIED | flag::ZERO_WINDOW) {
        if says_nothing(&record) {
            table::forget(tcp, record);
        }
        return None;
    }
    // What is told now and over at the next pass is missed there, and so known to be over.
    attention::note(tcp);
    record.reason().set(Reason::Sweep as u8);
    let flags = record.flags().get();
    record.lower(flag::NOT_CARRIED);
    if !write_row(seq, &record) {
        record.flags().set(flags);
    }
    None
}

/// FIN-WAIT-2 has nothing left to send, but may have totals that were not carried yet.
#[inline(always)]
fn can_hold_data(state: u8) -> bool {
    matches!(
        state,
        tcp_state::ESTABLISHED
            | tcp_state::FIN_WAIT1
            | tcp_state::FIN_WAIT2
            | tcp_state::CLOSE_WAIT
            | tcp_state::LAST_ACK
            | tcp_state::CLOSING
    )
}

/// A row for a socket that has no state, and needs none: nothing of it is counted.
#[inline(never)]
fn write_without_state(seq: KernelPointer, tcp: TcpSocket) -> Option<()> {
    let mut record = ConnectionRecord::zeroed();
    let record = RecordPointer::to(&mut record);
    snapshot::identify(&record, tcp);
    snapshot::refresh(&record, tcp, helpers::monotonic_ns());
    record.raise(flag::SEEN_BY_SWEEP);
    record.reason().set(Reason::Sweep as u8);
    snapshot::note_way(&record, tcp);
    write_row(seq, &record);
    None
}

/// Whether nothing speaks against the peer: segments were lost or overtaken on their way, and its
/// windows were rounded. Such state goes as soon as its totals have been carried, or a table would fill
/// with honest connections. What comes next starts a new generation.
#[inline(always)]
fn says_nothing(record: &RecordPointer<'_>) -> bool {
    let [polite, below_flight, treason] = record.shrinks().get();
    let [_loss, _tail_probes, window_probes] = record.retransmits().get();
    let spoken =
        polite | below_flight | treason | record.zero_window_episodes().get() | window_probes;
    spoken == 0 && (record.granularity_retreats().get() == 0 || needs_no_edge(record))
}

/// Whether the highest edge of a receiver that rounds need not be remembered. It need not once it is in
/// force: whoever judges a later retreat without it takes the edge before that one as the highest, and
/// between two retreats the hook sees it only moves right. Below that, steps may add up to a shrink; they are forgotten
/// where room is scarce, and honest rounding fills the table else.
#[inline(always)]
fn needs_no_edge(record: &RecordPointer<'_>) -> bool {
    let edge_max = record.edge_max().get();
    let edge = window::edge(record.snd_una().get(), record.snd_wnd_bytes().get());
    let is_in_force = window::retracted_bytes(edge_max, edge) == 0;
    is_in_force && record.has(flag::ESTABLISHED)
        || attention::is_room_scarce()
            && window::is_rounding(edge_max, edge, record.window_shift().get())
}

#[inline(always)]
fn write_row(seq: KernelPointer, record: &RecordPointer<'_>) -> bool {
    match helpers::seq_write(seq, record) {
        Ok(()) => true,
        Err(EOVERFLOW) => false,
        Err(error) => {
            count_and_log!(SweepRowsDropped, "a row of the sweep is left out: error {}", error: i64);
            false
        }
    }
}
