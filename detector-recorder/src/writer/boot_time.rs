//! When things were by the clock that never steps, of what is told with the wall clock alone.

use super::Batch;
use crate::rows::{ClockReading, Gap};
use detector_api::recorded::GapReason;
use detector_api::snapshot::Incident;
use detector_api::time::rfc3339_unix_ns;

/// What is told of an incident may be so old when it is written.
const VIEW_MS: u64 = 15_000;

/// From one commit to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    /// When the agent started: it has found nothing before.
    began: ClockReading,
    before: ClockReading,
    now: ClockReading,
    /// Whether the wall clock was set between the two.
    is_set: bool,
}

impl Between {
    pub(super) fn new([began, before]: [ClockReading; 2], batch: &Batch) -> Self {
        // Set there and back it shows no difference; but whoever watched it has told.
        let is_told = |gap: &Gap| gap.reason == GapReason::ClockStep;
        Self {
            began,
            before,
            now: batch.at,
            is_set: before.is_set_until(batch.at) || batch.gaps.iter().any(is_told),
        }
    }

    /// When it was since the host started, of what is known by the wall clock alone. Where that was set
    /// meanwhile nobody knows better than between the two.
    pub(super) fn boot_ms(self, unix_ms: i64) -> i64 {
        let Self { before, now, .. } = self;
        let ago_ms = now.unix_ms.saturating_sub(unix_ms);
        let first = if self.is_set { before } else { self.began };
        let boot_ms = now.boot_ms.saturating_sub(ago_ms);
        boot_ms.max(first.boot_ms).min(now.boot_ms)
    }

    /// When an incident began. While it goes on, how long it has lasted tells so whatever the wall clock
    /// did.
    pub(super) fn began_boot_ms(self, incident: &Incident) -> i64 {
        let by_wall = self.boot_ms(milliseconds(&incident.began));
        let by_length = self.now.boot_ms.saturating_sub(lasted_ms(incident));
        if !incident.open || incident.ended.is_some() {
            // It is over by now.
            return by_wall.min(by_length).max(self.began.boot_ms);
        }
        if by_wall.abs_diff(by_length) > VIEW_MS {
            by_length.max(self.began.boot_ms).min(self.now.boot_ms)
        } else {
            by_wall
        }
    }
}

/// How long it has lasted, by a clock that never steps.
pub(super) fn lasted_ms(incident: &Incident) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "a float cast saturates")]
    let lasted_ms = (incident.duration_seconds * 1e3).round() as i64;
    lasted_ms.max(0)
}

/// Unix milliseconds of a time that the core wrote.
pub(super) fn milliseconds(time: &str) -> i64 {
    let ns = rfc3339_unix_ns(time).unwrap_or(0);
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}
