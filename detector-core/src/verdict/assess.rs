//! The weighing in full: made when somebody asks, from the same evidence as the verdict.

use super::advice::advise;
use super::change::what_would_change;
use super::considered::consider;
use super::evidence::PeerEvidence;
use super::judge::Finding;
use super::weigh::weigh;
use crate::time::{MonotonicTime, WallClock};
use detector_api::snapshot::Assessment;

/// The verdict that stands: which, since when, and how long nothing has been flagged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) finding: Option<(Finding, MonotonicTime)>,
    pub(crate) quiet_ns: Option<u64>,
}

/// Weighs a peer.
pub(crate) fn assess(evidence: &PeerEvidence, standing: Standing, wall: WallClock) -> Assessment {
    let verdict = standing.finding.map(|((verdict, _), _)| verdict);
    let (evidence_for, evidence_against) = weigh(evidence, verdict, standing.quiet_ns);
    Assessment {
        verdict,
        confidence: standing.finding.map(|((_, confidence), _)| confidence),
        since: standing.finding.map(|(_, since)| wall.rfc3339(since)),
        evidence_for,
        evidence_against,
        considered: consider(evidence),
        would_change: what_would_change(evidence, verdict),
        advice: advise(evidence, verdict),
    }
}
