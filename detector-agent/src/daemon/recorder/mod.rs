//! The agent's flight recorder.
//!
//! In: each second the host and the peers that cost most, events and incidents from the engine, and what
//! `recording` was handed. Out: rows of `detector-recorder`. Nobody ever waits for it but the line of
//! the log that announces an incident. What it cannot keep is counted.

mod lack;
mod opening;
mod second;
mod writer;

pub(super) use opening::open;
pub(super) use writer::start;

use detector_recorder::{Gap, GapReason, Moment};

/// Two moments between which the wall clock was set by more than this are a gap.
const STEP_MS: i64 = 1_000;
/// A second that comes later than this was not seen.
const FROZEN_MS: i64 = 5_000;

/// What lies between two seconds that should have followed each other.
fn gaps_between(before: Moment, now: Moment) -> Vec<Gap> {
    let passed_ms = now.boot_ms - before.boot_ms;
    let stepped_ms = now.unix_ms - before.unix_ms - passed_ms;
    let gap = |reason| Gap {
        from_ms: before.unix_ms.min(now.unix_ms),
        until_ms: before.unix_ms.max(now.unix_ms),
        reason,
    };
    let mut gaps = Vec::new();
    if passed_ms > FROZEN_MS {
        gaps.push(gap(GapReason::Frozen));
    }
    if stepped_ms.abs() > STEP_MS {
        gaps.push(gap(GapReason::ClockStep));
    }
    gaps
}

#[cfg(test)]
mod tests;
