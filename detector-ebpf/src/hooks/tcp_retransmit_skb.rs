//! `tcp_retransmit_skb`: a segment is sent again.
//!
//! Contract: `tcp_retransmit_skb(const struct sock *sk, const struct sk_buff *skb)` up to 6.x, fired
//! after success; newer kernels add `int err` and fire on failure too (`__tcp_retransmit_skb` in
//! `net/ipv4/tcp_output.c`). Which of the two is told by BTF through `retransmit_has_err`, so the
//! verifier never sees a read of an argument that is not there.
//!
//! Why here: with the peer's window at zero and data in flight the kernel probes by sending the
//! head again (`tcp_retransmit_timer`) and books it as loss; only the window at this moment tells.
//! So does the timer for a loss probe, which the kernel sends before it clears `icsk_pending`.
#![forbid(unsafe_code)]

use crate::attention;
use crate::connection::{self, catch_up, pending, table};
use crate::count::{add, count_and_log};
use crate::emit;
use crate::globals::retransmit_has_err;
use crate::helpers;
use crate::segment;
use crate::socket::{TcpSocket, tcp_state};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::counter::Counter;
use detector_common::record::{Reason, flag};
use detector_common::retransmit::{self, Cause};

#[btf_tracepoint(function = "tcp_retransmit_skb")]
fn det_retransmit(context: BtfTracePointContext) -> Option<()> {
    let Some(tcp) = TcpSocket::from_sock(helpers::argument(&context, 0)) else {
        count_and_log!(
            SocketsNotTcp,
            "a retransmit came from a socket that is no full TCP socket"
        );
        return None;
    };
    if retransmit_has_err() {
        let error: i32 = context.arg(2);
        if error != 0 {
            // Not sent, and nothing to count; but held up it may be.
            attention::note(tcp);
            return None;
        }
    }
    pending::settle(tcp);
    let (seq, segments) = segment::sent(helpers::argument(&context, 1));
    let has_window = !matches!(tcp.skc_state(), tcp_state::SYN_SENT | tcp_state::SYN_RECV);
    let is_zero = has_window && tcp.snd_wnd() == 0;
    let (timer, congestion) = (tcp.icsk_pending(), tcp.congestion_state());
    let now_ns = helpers::monotonic_ns();
    let Some(record) = table::find_or_create(tcp, now_ns) else {
        let untracked = match retransmit::cause(is_zero, timer, congestion) {
            Cause::Loss => Counter::UntrackedRetransmitsLoss,
            Cause::TailProbe => Counter::UntrackedRetransmitsTailProbe,
            Cause::WindowProbe => Counter::UntrackedRetransmitsWindowProbe,
        };
        add(untracked, segments);
        return None;
    };
    catch_up(&record, tcp, now_ns);
    record.raise(flag::SEEN_BY_HOOK);
    // A zero window that the kernel did not take counts all the same: the peer said it.
    let is_zero = has_window && record.snd_wnd_bytes().get() == 0;
    let cause = retransmit::cause(is_zero, timer, congestion);
    connection::retransmit::book(&record, tcp, cause, seq, segments);
    // Loss is everyday: the next record or the sweep carries it.
    if matches!(cause, Cause::WindowProbe) {
        emit::emit(&record, Reason::Retransmit);
    }
    None
}
