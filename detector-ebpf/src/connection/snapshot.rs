//! The socket's own numbers, copied into the record.

use super::{direction, retransmit};
use crate::count::count_and_log;
use crate::globals;
use crate::helpers;
use crate::record_pointer::RecordPointer;
use crate::socket::{TcpSocket, tcp_state};
use detector_common::record::flag;
use detector_common::window;

/// Writes what stays the same for the life of the connection.
#[inline(always)]
pub fn identify(record: &RecordPointer<'_>, tcp: TcpSocket) {
    let (local_port, remote_port) = tcp.ports();
    let (local_address, remote_address) = tcp.addresses();
    record.socket().set(tcp.key().socket);
    record.local_port().set(local_port);
    record.remote_port().set(remote_port);
    record.local_address().set(local_address);
    record.remote_address().set(remote_address);
    record.netns().set(tcp.netns());
}

/// Likewise, in a flag, of a record that is identified. Apart, and last where a record is on the stack: its
/// flags are exact numbers to the verifier until then.
#[inline(never)]
pub fn note_way(record: &RecordPointer<'_>, tcp: TcpSocket) {
    record.put(flag::OFF_OUR_WAY, !tcp.is_on_our_way());
}

/// Brings the socket's own numbers up to date.
#[inline(always)]
pub fn refresh(record: &RecordPointer<'_>, tcp: TcpSocket, now_ns: u64) {
    record.time_ns().set(now_ns);
    drop_edges_that_were_passed(record, tcp);
    record.bytes_acked().set(tcp.bytes_acked());
    record.snd_una().set(tcp.snd_una());
    record.snd_nxt().set(tcp.snd_nxt());
    record.write_seq().set(tcp.write_seq());
    record.snd_wnd_bytes().set(tcp.snd_wnd());
    record.max_window_bytes().set(tcp.max_window());
    record.mss_bytes().set(tcp.mss_cache());
    record.snd_cwnd_segments().set(tcp.snd_cwnd());
    record.packets_out_segments().set(tcp.packets_out());
    record.wmem_queued_bytes().set(tcp.sk_wmem_queued());
    record.srtt_us().set(tcp.srtt_us() >> 3);
    record.tcp_state().set(tcp.skc_state());
    record.window_shift().set(tcp.window_shift());
    record.congestion_state().set(tcp.congestion_state());
    record.pending_timer().set(tcp.icsk_pending());
    record.backoff().set(tcp.icsk_backoff());
    record.timeouts().set(tcp.icsk_retransmits());
    record.probes_unanswered().set(tcp.icsk_probes_out());
    note_answer(record, tcp);
    retransmit::refresh(record, tcp);
    refresh_holder(record, tcp);
    direction::refresh(record, tcp);
    record.put(
        flag::ESTABLISHED,
        record.tcp_state().get() == tcp_state::ESTABLISHED,
    );
    record.put(flag::DATA_QUEUED, tcp.queued_bytes() > 0);
    record.put(flag::SUBFLOW, tcp.is_subflow());
}

/// Healthy acknowledgements leave no trace, so the edges of a record may lie behind by gigabytes.
#[inline(always)]
fn drop_edges_that_were_passed(record: &RecordPointer<'_>, tcp: TcpSocket) {
    if !record.has(flag::EDGE_KNOWN) {
        return;
    }
    let snd_una = tcp.snd_una();
    let acked_bytes = tcp.bytes_acked().wrapping_sub(record.bytes_acked().get());
    if window::is_passed(record.edge_max().get(), snd_una, acked_bytes) {
        record.edge_max().set(snd_una);
        record.last_edge().set(snd_una);
    }
}

/// A peer that answers without taking anything is not silent, whatever the kernel's timers count:
/// those go back only when new data is acknowledged. Two answers within one tick of the clock are
/// told apart no more, but retransmits are hundreds of ticks apart.
#[inline(always)]
fn note_answer(record: &RecordPointer<'_>, tcp: TcpSocket) {
    let last_ack_jiffies = tcp.rcv_tstamp();
    if last_ack_jiffies != record.last_ack_jiffies().get() {
        record.last_ack_jiffies().set(last_ack_jiffies);
        record.retransmits_unanswered().set(0);
    }
}

/// Inode and orphanhood. A socket without a file is an orphan only once it is closing: before
/// `accept()` it has no file either.
#[inline(always)]
fn refresh_holder(record: &RecordPointer<'_>, tcp: TcpSocket) {
    let socket = tcp.file_socket();
    let is_closing = matches!(
        record.tcp_state().get(),
        tcp_state::FIN_WAIT1 | tcp_state::FIN_WAIT2 | tcp_state::LAST_ACK | tcp_state::CLOSING
    );
    record.put(flag::ORPHAN, socket.is_null() && is_closing);
    let Some(to_inode_number) = globals::socket_inode_number() else {
        return;
    };
    if record.inode().get() != 0 || socket.is_null() {
        return;
    }
    match helpers::read_kernel::<u64>(socket.address().wrapping_add(to_inode_number)) {
        Some(inode) => record.inode().set(inode),
        None => count_and_log!(InodeReadsFailed, "the inode of a socket cannot be read"),
    }
}
