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

use crate::connection::offer::{self, Offer};
use crate::connection::{snapshot, table};
use crate::count::{count, count_and_log};
use crate::emit;
use crate::helpers;
use crate::record_pointer::RecordPointer;
use crate::segment::IncomingSegment;
use crate::socket::TcpSocket;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::counter::Counter;
use detector_common::record::{Reason, flag};
use detector_common::window::{self, Acceptance, Retreat, Segment, Sender};

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
    let snd_wnd = tcp.snd_wnd();
    if is_healthy(tcp, &segment, snd_wnd, window_bytes) {
        return None;
    }
    suspect(tcp, &segment, window_bytes)
}

/// The healthy acknowledgement: the window was open for the head segment (an episode can only be
/// going on below one MSS), it is open still, and its right edge does not move left. A window that
/// is not smaller cannot move the edge left unless the segment is old, so most acknowledgements
/// spare the load of `snd_una`, which lies in a cache line of its own.
#[inline(always)]
fn is_healthy(tcp: TcpSocket, segment: &IncomingSegment, snd_wnd: u32, window_bytes: u32) -> bool {
    if segment.raw_window == 0 || snd_wnd < tcp.mss_cache() {
        return false;
    }
    if window_bytes >= snd_wnd {
        return true;
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
    let (seq, end_seq, ack) = segment.numbers();
    let sender = sender(tcp);
    let offered = Segment {
        seq,
        end_seq,
        ack,
        window: window_bytes,
        timestamp: segment.timestamp(),
    };
    match window::acceptance(&sender, &offered) {
        Acceptance::Stale => None,
        Acceptance::Ignored => note_ignored(tcp),
        Acceptance::Ambiguous => note_ambiguous(tcp),
        Acceptance::Taken => take(tcp, &sender, &offered),
    }
}

#[inline(always)]
fn sender(tcp: TcpSocket) -> Sender {
    Sender {
        snd_una: tcp.snd_una(),
        snd_nxt: tcp.snd_nxt(),
        snd_wnd: tcp.snd_wnd(),
        snd_wl1: tcp.snd_wl1(),
        rcv_nxt: tcp.rcv_nxt(),
        rcv_wup: tcp.rcv_wup(),
        rcv_wnd: tcp.rcv_wnd(),
        ts_recent: tcp.ts_recent(),
    }
}

/// A stranger can send such segments, so they never make state.
#[inline(always)]
fn note_ignored(tcp: TcpSocket) -> Option<()> {
    let record = table::find(tcp)?;
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

#[inline(always)]
fn take(tcp: TcpSocket, sender: &Sender, offered: &Segment) -> Option<()> {
    let previous_edge = window::edge(sender.snd_una, sender.snd_wnd);
    // The window of a SYN is unscaled and a promise of another kind: it is not counted.
    let is_from_syn = sender.snd_wl1 == tcp.initial_receive_sequence();
    let new_edge = window::edge(offered.ack, offered.window);
    let retreats = !is_from_syn && window::is_after(previous_edge, new_edge);
    let now_ns = helpers::monotonic_ns();
    let record = if offered.window == 0 || retreats {
        let Some(record) = table::find_or_create(tcp, now_ns) else {
            count_untracked(tcp, sender, offered, previous_edge, retreats);
            return None;
        };
        record
    } else {
        table::find(tcp)?
    };
    let is_behind = record.snd_una().get() != sender.snd_una;
    snapshot::refresh(&record, tcp, now_ns);
    record.raise(flag::SEEN_BY_HOOK);
    let offer = Offer {
        ack: offered.ack,
        window_bytes: offered.window,
        previous_edge: if is_from_syn {
            None
        } else {
            Some(previous_edge)
        },
        is_behind,
    };
    let is_news = offer::apply(&record, offer, now_ns);
    mark_force(&record, sender, offered);
    if is_news {
        emit::emit(&record, Reason::Window);
    }
    None
}

/// Remembers when the kernel may not have taken a window that counts for us: same numbers as
/// before and smaller (6.1 ignores even zero then).
#[inline(always)]
fn mark_force(record: &RecordPointer<'_>, sender: &Sender, offered: &Segment) {
    let same_numbers = offered.ack == sender.snd_una && offered.seq == sender.snd_wl1;
    record.put(
        flag::WINDOW_NOT_IN_FORCE,
        same_numbers && offered.window < sender.snd_wnd,
    );
}

#[inline(always)]
fn count_untracked(
    tcp: TcpSocket,
    sender: &Sender,
    offered: &Segment,
    previous_edge: u32,
    retreats: bool,
) {
    if offered.window == 0 && sender.snd_wnd != 0 {
        count(Counter::UntrackedZeroWindows);
    }
    if !retreats {
        return;
    }
    match window::retreat(
        previous_edge,
        previous_edge,
        offered.ack,
        offered.window,
        sender.snd_nxt,
        tcp.window_shift(),
    ) {
        Retreat::None | Retreat::Granularity => {}
        Retreat::Polite => count(Counter::UntrackedShrinksPolite),
        Retreat::BelowFlight => count(Counter::UntrackedShrinksBelowFlight),
        Retreat::Treason => count(Counter::UntrackedShrinksTreason),
    }
}
