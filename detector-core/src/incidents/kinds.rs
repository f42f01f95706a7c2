//! Which kinds stand now. An incident keeps a kind that has joined it to its end, which may be days
//! later; what is over is over here.

use super::scan::Scan;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::snapshot::IncidentKind;

/// A kind counts as standing for so long after: what comes and goes is seen between two scrapes, and
/// what stood for a moment is over before an alert that waits for a minute.
const BRIDGE_NS: u64 = 30 * SECOND_NS;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// Has not stood.
    #[default]
    Absent,
    Stands,
    /// No more, since this moment.
    Over(MonotonicTime),
}

/// What the scans found of each kind.
#[derive(Debug, Default)]
pub(super) struct Kinds([Kind; IncidentKind::COUNT]);

impl Kinds {
    pub(super) fn take(&mut self, scan: &Scan) {
        for kind in IncidentKind::ALL {
            let before = &mut self.0[kind as usize];
            if scan.has(kind) {
                *before = Kind::Stands;
            } else if *before == Kind::Stands {
                *before = Kind::Over(scan.at.moment);
            }
        }
    }

    /// 1 for each that stands, or did within the last [`BRIDGE_NS`].
    pub(super) fn standing(&self, now: MonotonicTime) -> [u64; IncidentKind::COUNT] {
        self.0.map(|kind| match kind {
            Kind::Absent => 0,
            Kind::Stands => 1,
            Kind::Over(since) => u64::from(now.since_ns(since) < BRIDGE_NS),
        })
    }
}
