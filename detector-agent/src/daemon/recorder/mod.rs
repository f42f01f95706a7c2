//! The agent's flight recorder.
//!
//! In: each second the host and the peers that cost most, events and incidents from the engine, and what
//! `recording` was handed. Out: rows of `detector-recorder`. Nobody ever waits for it but the line of
//! the log that announces an incident. What it cannot keep is counted.

mod lack;
mod opening;
mod second;
mod unwritten;
mod writer;

pub(super) use opening::open;
pub(super) use writer::start;

use detector_recorder::{Gap, GapReason, Moment};

/// A second that comes later than this was not seen.
const FROZEN_MS: i64 = 5_000;

/// What lies between two seconds that should have followed each other.
fn gaps_between(before: Moment, now: Moment) -> Vec<Gap> {
    let from_ms = before.unix_ms.min(now.unix_ms);
    let gap = |until_ms, reason| Gap {
        from_ms,
        until_ms,
        reason,
    };
    let mut gaps = Vec::new();
    if now.boot_ms - before.boot_ms > FROZEN_MS {
        // By a clock that says less than before nobody knows how long it was: what lies between was seen.
        gaps.push(gap(now.unix_ms, GapReason::Frozen));
    }
    if before.is_set_until(now) {
        gaps.push(gap(before.unix_ms.max(now.unix_ms), GapReason::ClockStep));
    }
    gaps
}

#[cfg(test)]
mod tests;
