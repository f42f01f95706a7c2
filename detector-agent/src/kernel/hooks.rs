//! What the programs are attached to: what is checked before the start, and what is done then.

use detector_common::names;
use detector_core::observe::layout::VICTIM_TRACEPOINT;

/// Tracepoint programs, by program name and tracepoint, in the order of attaching: what removes
/// state at a close comes before what makes it.
pub(super) const HOOKS: [(&str, &str); 3] = [
    (names::STATE_PROGRAM, "inet_sock_set_state"),
    (names::PROBE_PROGRAM, "tcp_probe"),
    (names::RETRANSMIT_PROGRAM, "tcp_retransmit_skb"),
];

/// What tells of victims of the OOM killer, where the kernel has it.
pub(super) const VICTIM_HOOK: (&str, &str) = (names::VICTIM_PROGRAM, VICTIM_TRACEPOINT);

/// What the sweep runs on.
pub(super) const ITERATOR: &str = "tcp";
