//! `inet_sock_set_state`: a socket changes its TCP state.
//!
//! Contract: `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`,
//! the same from 5.10 to 7.2, fired before `skc_state` is written (`inet_sk_state_store` in
//! `net/ipv4/af_inet.c`); also for other protocols, which are left out.
//!
//! Why here: the last moment a connection's totals can be sent, and the moment `tcp_probe` goes
//! blind. Also what proves who opened a connection: SYN-SENT, and new listeners.
#![forbid(unsafe_code)]

use crate::attention;
use crate::connection::{catch_up, direction, episode, pending, snapshot, table};
use crate::count::count;
use crate::emit;
use crate::helpers;
use crate::history;
use crate::socket::{TcpSocket, tcp_state};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::counter::Counter;
use detector_common::record::{Reason, flag};

#[btf_tracepoint(function = "inet_sock_set_state")]
fn det_set_state(context: BtfTracePointContext) -> Option<()> {
    let (old_state, new_state): (i32, i32) = (context.arg(1), context.arg(2));
    let (old_state, new_state) = (old_state as u8, new_state as u8);
    if matches!(new_state, tcp_state::SYN_SENT | tcp_state::SYN_RECV)
        && old_state != tcp_state::SYN_SENT
    {
        return None;
    }
    let tcp = TcpSocket::from_sock(helpers::argument(&context, 0))?;
    match new_state {
        tcp_state::LISTEN => {
            direction::note_listener(tcp);
            return None;
        }
        tcp_state::ESTABLISHED | tcp_state::SYN_SENT | tcp_state::SYN_RECV => {
            return begin(tcp, old_state, new_state);
        }
        tcp_state::CLOSE => {
            let is_opened = direction::forget(tcp);
            // What never came up says nothing of who was asked.
            if old_state != tcp_state::SYN_SENT {
                history::note_end(tcp, is_opened);
            }
        }
        _ => attention::note_leaving(tcp, new_state),
    }
    pending::settle(tcp);
    let record = table::find(tcp)?;
    attention::note(tcp);
    let now_ns = helpers::monotonic_ns();
    catch_up(&record, tcp, now_ns);
    record.tcp_state().set(new_state);
    record.raise(flag::SEEN_BY_HOOK);
    record.lower(flag::ESTABLISHED);
    if new_state != tcp_state::CLOSE {
        emit::emit(&record, Reason::State);
        return None;
    }
    episode::end(&record, now_ns);
    record.raise(flag::CLOSED);
    if emit::send(&record, Reason::Closed) {
        table::forget(tcp, record);
    }
    None
}

/// A connection begins to live. `tcp_probe` saw nothing of the handshake, so a window that was zero
/// from the start is noticed here; the socket has it already. Nobody else has state before, so
/// connections that are accepted cost no look-up.
#[inline(always)]
fn begin(tcp: TcpSocket, old_state: u8, new_state: u8) -> Option<()> {
    if old_state == tcp_state::SYN_SENT {
        direction::note_opened(tcp, new_state);
    }
    if new_state != tcp_state::ESTABLISHED {
        return None;
    }
    let window_bytes = tcp.snd_wnd();
    attention::note_small_window(tcp, window_bytes);
    if window_bytes != 0 {
        return None;
    }
    let now_ns = helpers::monotonic_ns();
    let Some(record) = table::find_or_create(tcp, now_ns) else {
        count(Counter::UntrackedZeroWindows);
        return None;
    };
    snapshot::refresh(&record, tcp, now_ns);
    record.tcp_state().set(new_state);
    record.raise(flag::SEEN_BY_HOOK | flag::ESTABLISHED | flag::NOT_CARRIED);
    episode::follow(&record, now_ns);
    emit::emit(&record, Reason::State);
    None
}
