//! `inet_sock_set_state`: a socket changes its TCP state.
//!
//! Contract: `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`,
//! the same from 5.10 to 7.2, fired before `skc_state` is written (`inet_sk_state_store` in
//! `net/ipv4/af_inet.c`); also for other protocols, which are left out.
//!
//! Why here: the last moment a connection's totals can be sent, and the moment `tcp_probe` goes
//! blind. Also what proves who opened a connection: SYN-SENT, and new listeners.
#![forbid(unsafe_code)]

use crate::connection::{direction, episode, pending, snapshot, table};
use crate::emit;
use crate::helpers;
use crate::socket::{TcpSocket, tcp_state};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::record::{Reason, flag};

#[btf_tracepoint(function = "inet_sock_set_state")]
fn det_set_state(context: BtfTracePointContext) -> Option<()> {
    let (old_state, new_state): (i32, i32) = (context.arg(1), context.arg(2));
    let (old_state, new_state) = (old_state as u8, new_state as u8);
    // Nobody has state before it is established, so connections that are accepted cost no look-up.
    let is_new = matches!(
        new_state,
        tcp_state::ESTABLISHED | tcp_state::SYN_SENT | tcp_state::SYN_RECV
    );
    if is_new && old_state != tcp_state::SYN_SENT {
        return None;
    }
    let tcp = TcpSocket::from_sock(helpers::argument(&context, 0))?;
    if is_new {
        direction::note_opened(tcp);
        return None;
    }
    match new_state {
        tcp_state::LISTEN => {
            direction::note_listener(tcp);
            return None;
        }
        tcp_state::CLOSE => direction::forget(tcp),
        _ => {}
    }
    pending::settle(tcp);
    let record = table::find(tcp)?;
    let now_ns = helpers::monotonic_ns();
    snapshot::refresh(&record, tcp, now_ns);
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
