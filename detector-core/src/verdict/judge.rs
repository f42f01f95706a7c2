//! Which verdict the evidence of a moment gives.

use super::evidence::PeerEvidence;
use detector_api::snapshot::{Confidence, Verdict};

/// Up to so many shrinks to zero that reopened at once, a receiver without memory is quite sure.
const QUICK_REOPENS_BELIEVED: u64 = 3;

/// A verdict and how sure it is.
pub(crate) type Finding = (Verdict, Confidence);

/// The verdict that the evidence of this moment gives; `None` if it shows nothing.
///
/// The first that fits:
///
/// 1. Trusted: `path-loss` for silence and shrinks, `slow-client` for anything else.
/// 2. Mostly silent connections, and no hoard held beside them: `path-loss` if silences ended
///    before, if unrelated networks fall silent too or interface errors rise, else `vanished`.
/// 3. A hoard that drains nothing: `slow-client` if others use the address, who behave, or if others of
///    the network do with which it makes the hoard, or if the
///    kernel has not told lately of all connections; else `slow-read-attack` if most of it is read from now and then,
///    else `zero-window-attack`.
/// 4. A connection that we opened drains nothing, and fewer stalls have recovered than are held:
///    `tarpit`.
/// 5. Windows taken back lately: `shrinking-peer`, but `benign` if all were closed and reopened at
///    once, and nothing is held up.
/// 6. Stalls: `slow-client`.
/// 7. Stalls only towards programs on this host: `benign`.
/// 8. Flags that a state alone raises: `slow-client`.
pub(crate) fn judge(evidence: &PeerEvidence) -> Option<Finding> {
    if evidence.is_trusted {
        return judge_trusted(evidence);
    }
    // Silent connections cost a peer nothing: any number of them hides no hoard.
    let holds = evidence.holds_a_hoard() && !evidence.recovers();
    if evidence.is_mostly_silent() && !holds {
        return Some(judge_silence(evidence));
    }
    if holds {
        return Some(judge_hoard(evidence));
    }
    if evidence.outgoing_holding_connections > 0 && !evidence.recovers() {
        let is_many = evidence.outgoing_holding_connections > 1;
        // One of many connections to a store or a cluster may wait for something else.
        let confidence = if is_many && !evidence.is_shared() {
            Confidence::Medium
        } else {
            Confidence::Low
        };
        return Some((Verdict::Tarpit, confidence));
    }
    if let Some(finding) = judge_shrinks(evidence) {
        return Some(finding);
    }
    if evidence.stalled_connections() > 0 {
        let confidence = if evidence.drains() || evidence.recovered_stalls > 0 {
            Confidence::Medium
        } else {
            Confidence::Low
        };
        return Some((Verdict::SlowClient, confidence));
    }
    if evidence.within_host_connections > 0 {
        return Some((Verdict::Benign, Confidence::High));
    }
    (evidence.state_flags > 0).then_some((Verdict::SlowClient, Confidence::Low))
}

fn judge_trusted(evidence: &PeerEvidence) -> Option<Finding> {
    if evidence.is_mostly_silent() || evidence.has_shrunk() {
        let has_proof = evidence.interface_errors_rise() || evidence.silence_is_common();
        let confidence = if has_proof {
            Confidence::Medium
        } else {
            Confidence::Low
        };
        return Some((Verdict::PathLoss, confidence));
    }
    let is_slow = evidence.stalled_connections() > 0 || evidence.state_flags > 0;
    is_slow.then_some((Verdict::SlowClient, Confidence::Medium))
}

fn judge_silence(evidence: &PeerEvidence) -> Finding {
    let signs = [
        evidence.silence_is_common(),
        evidence.interface_errors_rise(),
        evidence.silences_ended > 0,
    ];
    match signs.into_iter().filter(|&sign| sign).count() {
        0 => (Verdict::Vanished, Confidence::Medium),
        1 => (Verdict::PathLoss, Confidence::Medium),
        _ => (Verdict::PathLoss, Confidence::High),
    }
}

/// Whoever shares its address with others who behave is not accused, nor whoever holds no more than a
/// part of what its network does beside others who behave, nor anybody of whom the kernel has not told
/// all connections, or long ago.
fn judge_hoard(evidence: &PeerEvidence) -> Finding {
    if evidence.is_shared() || evidence.neighbours_behave() {
        (Verdict::SlowClient, Confidence::Medium)
    } else if !evidence.is_counted() {
        (Verdict::SlowClient, Confidence::Low)
    } else {
        judge_attack(evidence)
    }
}

fn judge_attack(evidence: &PeerEvidence) -> Finding {
    let verdict = if evidence.is_mostly_read_slowly() {
        Verdict::SlowReadAttack
    } else {
        Verdict::ZeroWindowAttack
    };
    // A hoard that was never read may still prove a slow start of them all, and one that is opened anew a row
    // of pauses.
    let is_new = evidence.never_read_connections + evidence.renewed_connections;
    let has_lasted = is_new * 2 <= evidence.holding_connections;
    let confidence = match (
        evidence.is_blocked_hoard && has_lasted,
        evidence.recovered_stalls,
    ) {
        (true, 0) => Confidence::High,
        (true, _) | (false, 0) => Confidence::Medium,
        (false, _) => Confidence::Low,
    };
    (verdict, confidence)
}

fn judge_shrinks(evidence: &PeerEvidence) -> Option<Finding> {
    if !evidence.has_shrunk() {
        return None;
    }
    let harmful = evidence.harmful_shrinks();
    if evidence.is_short_of_memory() {
        let confidence = if harmful <= QUICK_REOPENS_BELIEVED {
            Confidence::Medium
        } else {
            Confidence::Low
        };
        return Some((Verdict::Benign, confidence));
    }
    let confidence = if evidence.shrinks_are_common() || harmful == 0 {
        Confidence::Low
    } else if harmful > 1 {
        Confidence::High
    } else {
        Confidence::Medium
    };
    Some((Verdict::ShrinkingPeer, confidence))
}
