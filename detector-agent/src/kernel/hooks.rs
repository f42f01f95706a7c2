//! What the programs are attached to: what is checked before the start, and what is done then.

use detector_common::names;

/// Tracepoint programs, by program name and tracepoint, in the order of attaching: what removes
/// state at a close comes before what makes it.
pub(super) const HOOKS: [(&str, &str); 3] = [
    (names::STATE_PROGRAM, "inet_sock_set_state"),
    (names::PROBE_PROGRAM, "tcp_probe"),
    (names::RETRANSMIT_PROGRAM, "tcp_retransmit_skb"),
];

/// What the sweep runs on.
pub(super) const ITERATOR: &str = "tcp";
