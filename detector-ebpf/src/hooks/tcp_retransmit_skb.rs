//! `tcp_retransmit_skb`: a segment is sent again.
//!
//! Contract: `tcp_retransmit_skb(const struct sock *sk, const struct sk_buff *skb)` up to 6.x, fired
//! after success; newer kernels add `int err` and fire on failure too (`__tcp_retransmit_skb` in
//! `net/ipv4/tcp_output.c`). Which of the two is told by BTF through `retransmit_has_err`, so the
//! verifier never sees a read of an argument that is not there.
//!
//! Why here: with the peer's window at zero and data in flight the kernel probes by sending the
//! head again (`tcp_retransmit_timer`) and books it as loss; only the window at this moment tells.
#![forbid(unsafe_code)]

use crate::connection::{snapshot, table};
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

#[btf_tracepoint(function = "tcp_retransmit_skb")]
fn det_retransmit(context: BtfTracePointContext) -> Option<()> {
    if retransmit_has_err() {
        let error: i32 = context.arg(2);
        if error != 0 {
            return None;
        }
    }
    let Some(tcp) = TcpSocket::from_sock(helpers::argument(&context, 0)) else {
        count_and_log!(
            SocketsNotTcp,
            "a retransmit came from a socket that is no full TCP socket"
        );
        return None;
    };
    let has_window = !matches!(tcp.skc_state(), tcp_state::SYN_SENT | tcp_state::SYN_RECV);
    let is_zero = has_window && tcp.snd_wnd() == 0;
    let segments = segment::segments_in(helpers::argument(&context, 1));
    let now_ns = helpers::monotonic_ns();
    let Some(record) = table::find_or_create(tcp, now_ns) else {
        let untracked = if is_zero {
            Counter::UntrackedRetransmitsWindowProbe
        } else {
            Counter::UntrackedRetransmitsLoss
        };
        add(untracked, segments);
        return None;
    };
    // A zero window that the kernel did not take counts all the same: the peer said it.
    let is_zero = is_zero
        || (record.has(flag::WINDOW_NOT_IN_FORCE)
            && record.snd_wnd_bytes().get() == 0
            && record.snd_una().get() == tcp.snd_una());
    let window_bytes = if is_zero { 0 } else { tcp.snd_wnd() };
    snapshot::refresh(&record, tcp, now_ns);
    record.snd_wnd_bytes().set(window_bytes);
    let unanswered = record.retransmits_unanswered().get();
    record
        .retransmits_unanswered()
        .set(unanswered.saturating_add(segments));
    record.raise(flag::SEEN_BY_HOOK | flag::NOT_CARRIED);
    if is_zero {
        record.retransmits_window_probe().add(segments);
        emit::emit(&record, Reason::Retransmit);
    } else {
        // Loss is everyday: the next record or the sweep carries it.
        record.retransmits_loss().add(segments);
    }
    None
}
