//! What to do.

use super::evidence::{PeerEvidence, seconds};
use super::symptom_window;
use detector_api::snapshot::{Advice, Verdict};

/// Most that a connection pins where `tcp_wmem` is bounded as advised.
const MUCH_PINNED_BYTES: u64 = 1 << 20;

/// What to do, the most useful first.
pub(super) fn advise(evidence: &PeerEvidence, verdict: Option<Verdict>) -> Vec<Advice> {
    let stalled_connections = evidence.stalled_connections();
    let look_at_path = || Advice::LookAtPath {
        interfaces: evidence.interfaces,
        over_seconds: seconds(symptom_window::SPAN_NS),
    };
    let bound_waiting = || Advice::BoundWaiting {
        longest_stall_seconds: evidence.longest_stall_seconds,
    };
    let bound_own_client = || Advice::BoundOwnClient {
        outgoing_connections: evidence.outgoing_connections,
    };
    // Whoever limits or blocks a shared address, or one of which that is not known, hits others.
    let may_be_shared =
        evidence.is_shared() || evidence.neighbours_behave() || !evidence.is_counted();
    // Nor is anybody turned away who takes what he asked for, if slowly.
    let reads_on = evidence.recovers() || evidence.drains();
    let reset_stalled = || Advice::ResetStalled {
        stalled_connections,
    };
    let limit = || Advice::LimitConnections {
        stalled_connections,
    };
    let limit_connections = || match may_be_shared || reads_on {
        true => reset_stalled(),
        false => limit(),
    };
    let mut given = match verdict {
        None | Some(Verdict::Benign) => Vec::new(),
        _ if evidence.is_trusted => vec![look_at_path()],
        Some(Verdict::PathLoss) => vec![look_at_path(), bound_waiting()],
        Some(Verdict::ZeroWindowAttack | Verdict::SlowReadAttack) => {
            let mut given = vec![reset_stalled()];
            if !may_be_shared {
                given.push(limit());
            }
            given.push(bound_waiting());
            given
        }
        Some(Verdict::ShrinkingPeer) if evidence.shrinks_are_common() => vec![look_at_path()],
        Some(Verdict::ShrinkingPeer) => {
            let mut given = vec![Advice::TellPeerOperator {}];
            if evidence.is_hoarding {
                given.push(limit_connections());
            }
            if stalled_connections > 0 {
                given.push(bound_waiting());
            }
            given
        }
        Some(Verdict::Tarpit) => vec![bound_own_client()],
        Some(Verdict::Vanished) => vec![bound_waiting()],
        Some(Verdict::SlowClient) if evidence.is_hoarding => {
            vec![limit_connections(), bound_waiting()]
        }
        Some(Verdict::SlowClient) if evidence.keeps_ours_waiting => vec![bound_own_client()],
        Some(Verdict::SlowClient) => Vec::new(),
    };
    if evidence.orphan_connections > 0 && !given.is_empty() {
        given.push(Advice::BoundOrphans {
            orphan_connections: evidence.orphan_connections,
        });
    }
    let each = evidence.pinned_bytes.checked_div(stalled_connections);
    let pinned_bytes_per_connection = each.unwrap_or(0);
    let is_shrinking =
        verdict == Some(Verdict::ShrinkingPeer) && pinned_bytes_per_connection >= MUCH_PINNED_BYTES;
    if (evidence.is_hoarding || is_shrinking) && stalled_connections > 0 && !evidence.is_trusted {
        given.push(Advice::BoundMemory {
            pinned_bytes_per_connection,
        });
    }
    if given.is_empty() {
        given.push(Advice::Nothing {});
    }
    given
}
