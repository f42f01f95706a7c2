//! What a peer is taken to be, from what its connections show. Pure.
//!
//! Conservative: one event accuses nobody, duration alone accuses nobody, and a trusted network
//! is never accused. An attack is named only for a hoard that drains nothing.

use crate::snapshot::{StallCause, Verdict};

/// Everything the verdict rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerEvidence {
    /// Stalled connections by cause, in the order of [`StallCause::ALL`].
    pub stalled_by_cause: [u64; 4],
    /// Whether the peer holds as much as the hoard thresholds.
    pub is_hoarding: bool,
    /// Connections with a window shrink that is not taken back yet.
    pub shrunk_connections: u64,
    /// Window shrinks that took back data in flight, so far.
    pub harmful_shrinks: u64,
    /// Connections that make each byte cost a packet.
    pub tiny_window_connections: u64,
    /// What its connections drain.
    pub drain_bytes_per_second: u64,
    /// Below this per stalled connection a hoard drains nothing.
    pub dribble_floor_bytes_per_second: u64,
    /// Whether it belongs to a trusted network.
    pub is_trusted: bool,
}

/// The verdict while something is flagged; `None` if the evidence shows nothing.
///
/// 1. A hoard of silent connections: `vanished` (a peer, or a network behind it, went away).
/// 2. A hoard that drains at least the dribble floor per stalled connection: `slow-client`.
/// 3. A hoard that drains less: `slow-read-attack` if most of it dribbles, else
///    `zero-window-attack`; of a trusted network `slow-client`.
/// 4. Shrinks that took back data in flight, or shrunk connections now: `shrinking-peer`.
/// 5. Stalls: `vanished` if most are silent, else `slow-client`.
/// 6. Tiny windows: `slow-client`.
#[must_use]
pub fn of(evidence: &PeerEvidence) -> Option<Verdict> {
    let count = |cause: StallCause| {
        let index = StallCause::ALL.iter().position(|&each| each == cause);
        index.map_or(0, |index| evidence.stalled_by_cause[index])
    };
    let stalled: u64 = evidence.stalled_by_cause.iter().sum();
    let is_mostly_silent = count(StallCause::Unanswered) * 2 > stalled;
    let is_mostly_dribbling = count(StallCause::Dribble) * 2 > stalled;

    if evidence.is_hoarding && stalled > 0 {
        let floor = stalled.saturating_mul(evidence.dribble_floor_bytes_per_second);
        return Some(if is_mostly_silent {
            Verdict::Vanished
        } else if evidence.is_trusted || evidence.drain_bytes_per_second >= floor {
            Verdict::SlowClient
        } else if is_mostly_dribbling {
            Verdict::SlowReadAttack
        } else {
            Verdict::ZeroWindowAttack
        });
    }
    if evidence.harmful_shrinks > 0 || evidence.shrunk_connections > 0 {
        return Some(Verdict::ShrinkingPeer);
    }
    if stalled > 0 {
        return Some(if is_mostly_silent {
            Verdict::Vanished
        } else {
            Verdict::SlowClient
        });
    }
    (evidence.tiny_window_connections > 0).then_some(Verdict::SlowClient)
}

#[cfg(test)]
mod tests {
    use super::{PeerEvidence, of};
    use crate::snapshot::Verdict;

    #[test]
    fn each_kind_of_evidence_has_its_verdict() {
        let zero = |stalled| PeerEvidence {
            stalled_by_cause: [stalled, 0, 0, 0],
            dribble_floor_bytes_per_second: 500,
            ..PeerEvidence::default()
        };
        let hoard = PeerEvidence {
            is_hoarding: true,
            ..zero(30)
        };
        let with_causes = |stalled_by_cause| PeerEvidence {
            stalled_by_cause,
            ..hoard
        };
        let cases = [
            (PeerEvidence::default(), None),
            (zero(1), Some(Verdict::SlowClient)),
            (hoard, Some(Verdict::ZeroWindowAttack)),
            (with_causes([3, 0, 27, 0]), Some(Verdict::SlowReadAttack)),
            (with_causes([3, 0, 0, 27]), Some(Verdict::Vanished)),
        ];
        for (evidence, verdict) in cases {
            assert_eq!(of(&evidence), verdict, "{evidence:?}");
        }
        let drains = PeerEvidence {
            drain_bytes_per_second: 30 * 500,
            ..hoard
        };
        assert_eq!(of(&drains), Some(Verdict::SlowClient));
        let trusted = PeerEvidence {
            is_trusted: true,
            ..hoard
        };
        assert_eq!(of(&trusted), Some(Verdict::SlowClient));
        let shrank = PeerEvidence {
            harmful_shrinks: 1,
            ..zero(1)
        };
        assert_eq!(of(&shrank), Some(Verdict::ShrinkingPeer));
    }
}
