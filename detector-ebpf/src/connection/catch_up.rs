//! A look at a socket from outside `tcp_probe`, which sees windows of established sockets only.

use super::offer::{self, Offer};
use super::{episode, snapshot};
use crate::globals;
use crate::helpers;
use crate::record_pointer::RecordPointer;
use crate::socket::{TcpSocket, tcp_state};
use detector_common::look::Look;
use detector_common::record::flag;
use detector_common::window;

/// Brings a record up to date and applies the rules of the hook to the window in force.
///
/// What has changed since the record was last looked at came with an acknowledgement, the last one at
/// the latest. Where none came after it, its time is exact to a tick; else an episode is taken to begin
/// and to end a little late.
#[inline(always)]
pub fn catch_up(record: &RecordPointer<'_>, tcp: TcpSocket, now_ns: u64) {
    let state = tcp.skc_state();
    let looked_ns = record.time_ns().get();
    let offered_bytes = record.snd_wnd_bytes().get();
    let window_is_in_force = !record.has(flag::WINDOW_NOT_IN_FORCE)
        || record.snd_una().get() != tcp.snd_una()
        || tcp.snd_wnd() <= offered_bytes;
    snapshot::refresh(record, tcp, now_ns);
    if matches!(state, tcp_state::SYN_SENT | tcp_state::SYN_RECV) {
        return;
    }
    let changed_ns = changed_ns(tcp, looked_ns, now_ns);
    if !window_is_in_force {
        record.snd_wnd_bytes().set(offered_bytes);
        episode::follow(record, changed_ns);
        return;
    }
    if state == tcp_state::ESTABLISHED && record.has(flag::EDGE_KNOWN) {
        // The hook judges every edge of an established socket; only a missed end is made good.
        if episode::follow(record, changed_ns) {
            record.raise(flag::NOT_CARRIED);
        }
        return;
    }
    // The window of a SYN is unscaled and no offer.
    if tcp.snd_wl1() == tcp.initial_receive_sequence() {
        episode::follow(record, changed_ns);
        return;
    }
    let ack = record.snd_una().get();
    let window_bytes = record.snd_wnd_bytes().get();
    let known_edge = if record.has(flag::EDGE_KNOWN) {
        record.last_edge().get()
    } else {
        // Never sent beyond an edge: what is in flight was offered once.
        window::later(record.snd_nxt().get(), window::edge(ack, window_bytes))
    };
    let offer = Offer {
        ack,
        window_bytes,
        previous_edge: Some(known_edge),
        is_behind: true,
    };
    offer::apply(record, offer, changed_ns);
}

#[inline(always)]
fn changed_ns(tcp: TcpSocket, looked_ns: u64, now_ns: u64) -> u64 {
    let look = Look {
        now_ns,
        before_ns: looked_ns,
        last_packet_ns: tcp.last_packet_ns(),
        ack_age_ticks: helpers::jiffies().wrapping_sub(tcp.rcv_tstamp()),
        tick_ns: globals::tick_ns(),
    };
    look.changed_ns()
}
