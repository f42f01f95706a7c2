//! State of misbehaving connections: found, made, brought up to date and judged here.
//!
//! The state is the record itself. Hooks run under the socket lock, and so does the sweep from
//! 5.15 on, so that one record is changed by one program at a time. Before 5.15 the sweep only
//! holds the hash bucket's lock; see `sweep` for what it leaves to the hooks there.

use crate::count::count;
use crate::globals::global;
use crate::helpers;
use crate::maps::CONNECTIONS;
use crate::socket::{TcpSocket, tcp_state};
use bytemuck::Zeroable;
use detector_common::counter::Counter;
use detector_common::layout::ABSENT;
use detector_common::record::{ConnectionRecord, flag, severity};
use detector_common::window::{self, Retreat};

const BPF_NOEXIST: u64 = 1;
/// `-E2BIG`: the table is full.
const E2BIG: i32 = -7;

/// State of this connection, if there is any. An entry that only waits to be collected belongs to
/// an earlier socket.
#[inline(always)]
pub fn find(tcp: TcpSocket) -> Option<&'static mut ConnectionRecord> {
    let record = find_entry(tcp)?;
    if record.flags & flag::CLOSED != 0 {
        None
    } else {
        Some(record)
    }
}

#[inline(always)]
fn find_entry(tcp: TcpSocket) -> Option<&'static mut ConnectionRecord> {
    let pointer = CONNECTIONS.get_ptr_mut(tcp.key())?;
    // SAFETY: the kernel keeps the map value valid while the program runs; the socket lock keeps
    // other programs away from it (see the module's head for kernels before 5.15).
    Some(unsafe { &mut *pointer })
}

/// State of this connection, made if there is none. `None` if the table refuses: counted.
#[inline(always)]
pub fn find_or_create(tcp: TcpSocket, now_ns: u64) -> Option<&'static mut ConnectionRecord> {
    if let Some(record) = find_entry(tcp) {
        if record.flags & flag::CLOSED != 0 {
            reopen(record, tcp, now_ns);
        }
        return Some(record);
    }
    create(tcp, now_ns)
}

/// Not inlined: the record on its stack would count against every caller's 512 bytes.
#[inline(never)]
#[allow(
    clippy::needless_borrows_for_generic_args,
    reason = "by value, the record would be on the stack twice"
)]
fn insert(tcp: TcpSocket, now_ns: u64) -> i32 {
    let mut record = ConnectionRecord::zeroed();
    identify(&mut record, tcp);
    record.generation_ns = now_ns;
    match CONNECTIONS.insert(tcp.key(), &record, BPF_NOEXIST) {
        Ok(()) => 0,
        Err(error) => error,
    }
}

#[inline(always)]
fn create(tcp: TcpSocket, now_ns: u64) -> Option<&'static mut ConnectionRecord> {
    let error = insert(tcp, now_ns);
    if error != 0 {
        count(if error == E2BIG {
            Counter::ConnectionsRefusedTableFull
        } else {
            Counter::ConnectionsRefusedMapError
        });
        return None;
    }
    count(Counter::ConnectionsMade);
    find_entry(tcp)
}

/// A new socket has the key of one whose last record still waits to be collected. Of the same two
/// ends, totals go on, so that nothing is lost; everything else starts anew. Of other ends (the key
/// holds only a part of them), the earlier totals would be booked to the wrong peer: they are given
/// up and counted.
#[inline(always)]
fn reopen(record: &mut ConnectionRecord, tcp: TcpSocket, now_ns: u64) {
    let (local_address, remote_address) = tcp.addresses();
    let (local_port, _) = tcp.ports();
    let is_same = record.local_address == local_address
        && record.remote_address == remote_address
        && record.local_port == local_port
        && record.netns == tcp.netns();
    if !is_same {
        count(Counter::ClosedRecordsReplaced);
        *record = ConnectionRecord::zeroed();
        identify(record, tcp);
        record.generation_ns = now_ns;
        return;
    }
    record.flags = flag::NOT_CARRIED;
    record.zero_window_since_ns = 0;
    record.harmful_since_ns = 0;
    record.inode = 0;
}

/// Writes what stays the same for the life of the connection.
#[inline(always)]
pub fn identify(record: &mut ConnectionRecord, tcp: TcpSocket) {
    let (local_port, remote_port) = tcp.ports();
    let (local_address, remote_address) = tcp.addresses();
    record.socket = tcp.key().socket;
    record.local_port = local_port;
    record.remote_port = remote_port;
    record.local_address = local_address;
    record.remote_address = remote_address;
    record.netns = tcp.netns();
}

/// Brings the socket's own numbers up to date.
#[inline(always)]
pub fn refresh(record: &mut ConnectionRecord, tcp: TcpSocket, now_ns: u64) {
    record.time_ns = now_ns;
    drop_edges_that_were_passed(record, tcp);
    record.bytes_acked = tcp.bytes_acked();
    record.snd_una = tcp.snd_una();
    record.snd_nxt = tcp.snd_nxt();
    record.write_seq = tcp.write_seq();
    record.snd_wnd_bytes = tcp.snd_wnd();
    record.max_window_bytes = tcp.max_window();
    record.mss_bytes = tcp.mss_cache();
    record.snd_cwnd_segments = tcp.snd_cwnd();
    record.packets_out_segments = tcp.packets_out();
    record.wmem_queued_bytes = tcp.sk_wmem_queued();
    record.srtt_us = tcp.srtt_us() >> 3;
    record.tcp_state = tcp.skc_state();
    record.window_shift = tcp.window_shift();
    record.congestion_state = tcp.congestion_state();
    record.pending_timer = tcp.icsk_pending();
    record.backoff = tcp.icsk_backoff();
    record.timeouts = tcp.icsk_retransmits();
    record.probes_unanswered = tcp.icsk_probes_out();
    note_answer(record, tcp);
    refresh_holder(record, tcp);
    set_flag(
        record,
        flag::ESTABLISHED,
        record.tcp_state == tcp_state::ESTABLISHED,
    );
    set_flag(record, flag::DATA_QUEUED, tcp.queued_bytes() > 0);
}

/// Healthy acknowledgements leave no trace, so the edges of a record may lie behind by gigabytes.
#[inline(always)]
fn drop_edges_that_were_passed(record: &mut ConnectionRecord, tcp: TcpSocket) {
    if record.flags & flag::EDGE_KNOWN == 0 {
        return;
    }
    let snd_una = tcp.snd_una();
    let acked_bytes = tcp.bytes_acked().wrapping_sub(record.bytes_acked);
    if window::is_passed(record.edge_max, snd_una, acked_bytes) {
        record.edge_max = snd_una;
        record.last_edge = snd_una;
    }
}

/// A peer that answers without taking anything is not silent, whatever the kernel's timers count:
/// those go back only when new data is acknowledged. Two answers within one tick of the clock are
/// told apart no more, but retransmits are hundreds of ticks apart.
#[inline(always)]
fn note_answer(record: &mut ConnectionRecord, tcp: TcpSocket) {
    let last_ack_jiffies = tcp.rcv_tstamp();
    if last_ack_jiffies != record.last_ack_jiffies {
        record.last_ack_jiffies = last_ack_jiffies;
        record.retransmits_unanswered = 0;
    }
}

/// Inode and orphanhood. A socket without a file is an orphan only once it is closing: before
/// `accept()` it has no file either.
#[inline(always)]
fn refresh_holder(record: &mut ConnectionRecord, tcp: TcpSocket) {
    let socket = tcp.file_socket();
    let is_closing = matches!(
        record.tcp_state,
        tcp_state::FIN_WAIT1 | tcp_state::FIN_WAIT2 | tcp_state::LAST_ACK | tcp_state::CLOSING
    );
    set_flag(record, flag::ORPHAN, socket.is_null() && is_closing);
    let to_inode_number = global!(DET_LAYOUT.socket_inode_number);
    if record.inode != 0 || socket.is_null() || to_inode_number == ABSENT {
        return;
    }
    match helpers::read_kernel::<u64>(socket.address().wrapping_add(to_inode_number)) {
        Some(inode) => record.inode = inode,
        None => count(Counter::InodeReadsFailed),
    }
}

#[inline(always)]
fn set_flag(record: &mut ConnectionRecord, bit: u16, is_set: bool) {
    if is_set {
        record.flags |= bit;
    } else {
        record.flags &= !bit;
    }
}

/// A window the peer offers, and the edge it moves from.
#[derive(Clone, Copy)]
pub struct Offer {
    /// Acknowledgement number that carries it.
    pub ack: u32,
    /// Window in bytes.
    pub window_bytes: u32,
    /// Right edge in force before it; `None` if there was none that counts (a SYN's window does
    /// not).
    pub previous_edge: Option<u32>,
    /// Whether `snd_una` has moved since the record was brought up to date before this offer: what
    /// moved it had a window that the kernel took.
    pub is_behind: bool,
}

/// Applies an offer to a refreshed record. Returns whether something happened that the agent
/// should know at once.
#[inline(always)]
pub fn apply(record: &mut ConnectionRecord, offer: Offer, now_ns: u64) -> bool {
    let retreated = judge_edge(record, offer);
    // The hook comes before the kernel has taken the acknowledgement in.
    let newly_acked = window::span_bytes(record.snd_una, offer.ack);
    record.bytes_acked = record.bytes_acked.wrapping_add(u64::from(newly_acked));
    record.snd_una = offer.ack;
    record.snd_wnd_bytes = offer.window_bytes;
    let episode_changed = follow_episode(record, now_ns);
    if retreated || episode_changed {
        record.flags |= flag::NOT_CARRIED;
    }
    retreated || episode_changed
}

#[inline(always)]
fn judge_edge(record: &mut ConnectionRecord, offer: Offer) -> bool {
    let new_edge = window::edge(offer.ack, offer.window_bytes);
    remember_previous_edge(record, offer, new_edge);
    let retreat = window::retreat(
        record.edge_max,
        record.last_edge,
        offer.ack,
        offer.window_bytes,
        record.snd_nxt,
        record.window_shift,
    );
    record.last_edge = new_edge;
    record.edge_max = window::later(record.edge_max, new_edge);
    let retracted = window::retracted_bytes(record.edge_max, new_edge);
    if retracted > record.retracted_max_bytes {
        record.retracted_max_bytes = retracted;
    }
    match retreat {
        Retreat::None => return false,
        Retreat::Granularity => {
            record.granularity_retreats = record.granularity_retreats.wrapping_add(1);
            record.flags |= flag::NOT_CARRIED;
            return false;
        }
        Retreat::Polite => add_shrink(record, severity::POLITE),
        Retreat::BelowFlight => add_shrink(record, severity::BELOW_FLIGHT),
        Retreat::Treason => add_shrink(record, severity::TREASON),
    }
    true
}

#[inline(always)]
fn add_shrink(record: &mut ConnectionRecord, severity: usize) {
    record.shrinks[severity] = record.shrinks[severity].wrapping_add(1);
}

/// Between two visits the edge only moved right (a move left is a visit), so the edge in force
/// before this offer is the highest since the last visit.
#[inline(always)]
fn remember_previous_edge(record: &mut ConnectionRecord, offer: Offer, new_edge: u32) {
    let Some(previous) = offer.previous_edge else {
        if record.flags & flag::EDGE_KNOWN == 0 {
            record.edge_max = new_edge;
            record.last_edge = new_edge;
            record.flags |= flag::EDGE_KNOWN;
        }
        return;
    };
    if record.flags & flag::EDGE_KNOWN == 0 {
        // The kernel never sends new data beyond an edge, so what is in flight was offered too.
        record.edge_max = window::later(previous, record.snd_nxt);
        record.last_edge = previous;
        record.flags |= flag::EDGE_KNOWN;
        return;
    }
    record.edge_max = window::later(record.edge_max, previous);
    if record.flags & flag::WINDOW_NOT_IN_FORCE == 0 || offer.is_behind {
        record.last_edge = previous;
    }
}

/// Starts, goes on with or ends the zero-window episode. Returns whether it started or ended.
#[inline(always)]
pub fn follow_episode(record: &mut ConnectionRecord, now_ns: u64) -> bool {
    let has_data = window::span_bytes(record.snd_una, record.write_seq) > 0;
    if record.flags & flag::ZERO_WINDOW == 0 {
        if record.snd_wnd_bytes != 0 {
            return false;
        }
        record.flags |= flag::ZERO_WINDOW;
        record.zero_window_episodes = record.zero_window_episodes.wrapping_add(1);
        record.zero_window_since_ns = now_ns;
        record.harmful_since_ns = if has_data { now_ns } else { 0 };
        return true;
    }
    let goes_on = window::episode_continues(
        record.snd_una,
        record.snd_wnd_bytes,
        record.write_seq,
        record.mss_bytes,
    );
    if !goes_on {
        end_episode(record, now_ns);
        return true;
    }
    if has_data && record.harmful_since_ns == 0 {
        record.harmful_since_ns = now_ns;
    } else if !has_data {
        bank_harmful_time(record, now_ns);
    }
    false
}

/// Ends the episode and adds its harmful time to the total.
#[inline(always)]
pub fn end_episode(record: &mut ConnectionRecord, now_ns: u64) {
    bank_harmful_time(record, now_ns);
    record.zero_window_since_ns = 0;
    record.flags &= !flag::ZERO_WINDOW;
}

#[inline(always)]
fn bank_harmful_time(record: &mut ConnectionRecord, now_ns: u64) {
    if record.harmful_since_ns != 0 {
        let harmful = now_ns.saturating_sub(record.harmful_since_ns);
        record.zero_window_ns = record.zero_window_ns.wrapping_add(harmful);
        record.harmful_since_ns = 0;
        record.flags |= flag::NOT_CARRIED;
    }
}

/// Whether nothing speaks against the peer but segments that were lost on their way. Such state
/// goes as soon as its totals have been carried, or a table would fill with honest connections
/// that lost one packet each. The next loss starts a new generation.
#[inline(always)]
pub fn has_only_lost_segments(record: &ConnectionRecord) -> bool {
    let [polite, below_flight, treason] = record.shrinks;
    polite
        | below_flight
        | treason
        | record.granularity_retreats
        | record.ambiguous_windows
        | record.zero_window_episodes
        | record.retransmits_window_probe
        == 0
}

/// Forgets a connection whose last record has been sent.
#[inline(always)]
pub fn forget(tcp: TcpSocket) {
    if CONNECTIONS.remove(tcp.key()).is_ok() {
        count(Counter::ConnectionsForgotten);
    }
}
