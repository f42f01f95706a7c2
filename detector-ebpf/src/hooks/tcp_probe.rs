//! `tcp_probe`: each segment of an established connection, before the kernel acts on it.
//!
//! Contract: `tcp_probe(struct sock *sk, struct sk_buff *skb)`, the same from 5.10 to 7.2, fired at
//! the top of `tcp_rcv_established` (`net/ipv4/tcp_input.c`) under the socket lock; `skb->data` is
//! at the TCP header; `snd_una` and `snd_wnd` are those before this segment. It never fires outside
//! ESTABLISHED: the sweep covers what comes after a FIN.
//!
//! Why here: no other tracepoint sees window updates, and `fentry` on `tcp_ack` is not to be had on
//! many hosts.
#![forbid(unsafe_code)]

use crate::attention;
use crate::connection::taken::Taken;
use crate::connection::{pending, snapshot, table};
use crate::count::count_and_log;
use crate::helpers;
use crate::segment::IncomingSegment;
use crate::socket::TcpSocket;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::acceptance::{Acceptance, Segment, Sender, acceptance, is_past};
use detector_common::options;
use detector_common::record::flag;
use detector_common::window;

#[btf_tracepoint(function = "tcp_probe")]
fn det_tcp_probe(context: BtfTracePointContext) -> Option<()> {
    let Some(tcp) = TcpSocket::from_established(helpers::argument(&context, 0)) else {
        count_and_log!(
            SocketsNotTcp,
            "a segment came for a socket that is no full TCP socket"
        );
        return None;
    };
    let segment = IncomingSegment::read(helpers::argument(&context, 1))?;
    let window_bytes = u32::from(segment.raw_window) << (tcp.window_shift() & 15);
    if is_healthy(tcp, &segment, window_bytes) {
        attention::look(tcp);
        if !pending::is_watched(tcp) {
            return None;
        }
    }
    pending::settle(tcp);
    suspect(tcp, &segment, window_bytes)
}

/// The healthy acknowledgement: the window was open for the head segment (an episode can only be
/// going on below one MSS), it is open still, and its right edge does not move left. A window that
/// is not smaller cannot move the edge left unless the segment is old, so most acknowledgements
/// spare the load of `snd_una`, which lies in a cache line of its own. One that becomes smaller than a
/// segment is none, though its edge may stay.
#[inline(always)]
fn is_healthy(tcp: TcpSocket, segment: &IncomingSegment, window_bytes: u32) -> bool {
    let (snd_wnd, mss_cache) = tcp.window_and_mss();
    if segment.raw_window == 0 || snd_wnd < mss_cache {
        return false;
    }
    if window_bytes >= snd_wnd {
        return true;
    }
    if window_bytes < mss_cache {
        return false;
    }
    let edge = window::edge(tcp.snd_una(), snd_wnd);
    !window::is_after(edge, window::edge(segment.header_ack, window_bytes))
}

/// Not inlined: keeps the healthy path's registers and code small.
#[inline(never)]
fn suspect(tcp: TcpSocket, segment: &IncomingSegment, window_bytes: u32) -> Option<()> {
    if !segment.carries_window() {
        return None;
    }
    attention::note_small_window(tcp, window_bytes);
    let offered = offered(tcp, segment, window_bytes);
    let sender = sender(tcp, offered.timestamp);
    match acceptance(&sender, &offered) {
        Acceptance::Stale => None,
        Acceptance::Ignored => note_ignored(tcp),
        Acceptance::Ambiguous => note_ambiguous(tcp),
        Acceptance::Taken => Taken::now(&sender, &offered).apply(tcp),
        Acceptance::Unproven => pending::put_by(tcp, &Taken::now(&sender, &offered)),
    }
}

#[inline(always)]
fn offered(tcp: TcpSocket, segment: &IncomingSegment, window_bytes: u32) -> Segment {
    let (seq, end_seq, ack) = segment.numbers();
    // Without an agreed timestamp none is looked for.
    let stamp = if tcp.ts_recent() == 0 {
        options::NO_TIMESTAMP
    } else {
        segment.timestamp()
    };
    Segment {
        seq,
        end_seq,
        ack,
        window: window_bytes,
        has_fin: segment.has_fin(),
        timestamp: u32::try_from(stamp).ok(),
        is_settled: stamp != options::UNREAD && segment.has_good_checksum(),
    }
}

#[inline(always)]
fn sender(tcp: TcpSocket, timestamp: Option<u32>) -> Sender {
    let ts_recent = tcp.ts_recent();
    // Asked last: it reads the clock.
    let ts_recent_has_expired =
        timestamp.is_some_and(|value| is_past(ts_recent, value)) && tcp.ts_recent_has_expired();
    Sender {
        snd_una: tcp.snd_una(),
        snd_nxt: tcp.snd_nxt(),
        snd_wnd: tcp.snd_wnd(),
        snd_wl1: tcp.snd_wl1(),
        rcv_nxt: tcp.rcv_nxt(),
        rcv_wup: tcp.rcv_wup(),
        rcv_wnd: tcp.rcv_wnd(),
        rcv_mwnd_seq: tcp.rcv_mwnd_seq(),
        receive_queue: tcp.receive_queue(),
        ts_recent,
        ts_recent_has_expired,
    }
}

/// A stranger can send such segments, so they never make state.
#[inline(always)]
fn note_ignored(tcp: TcpSocket) -> Option<()> {
    let record = table::find(tcp)?;
    attention::note(tcp);
    record.ignored_segments().add(1);
    record.raise(flag::NOT_CARRIED);
    None
}

#[inline(always)]
fn note_ambiguous(tcp: TcpSocket) -> Option<()> {
    let now_ns = helpers::monotonic_ns();
    let record = table::find_or_create(tcp, now_ns)?;
    snapshot::refresh(&record, tcp, now_ns);
    record.ambiguous_windows().add(1);
    record.raise(flag::NOT_CARRIED | flag::SEEN_BY_HOOK);
    None
}
