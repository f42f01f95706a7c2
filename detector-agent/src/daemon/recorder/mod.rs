//! The agent's flight recorder.
//!
//! In: each second the host and the peers that cost most, events and incidents from the engine, and what
//! `recording` was handed. Out: rows of `detector-recorder`. Nobody ever waits for it but the line of
//! the log that announces an incident. What it cannot keep is counted.

mod opening;
mod second;
mod thread;
mod unwritten;
mod writer;

pub(super) use opening::open;
pub(super) use thread::start;

use detector_recorder::{ClockReading, Gap, GapReason};

/// A second that comes later than this was not seen.
const FROZEN_MS: i64 = 5_000;

/// What lies between two seconds that should have followed each other.
fn gaps_between(before: ClockReading, now: ClockReading) -> Vec<Gap> {
    let is_set = before.is_set_until(now);
    let gap = |from_ms, until_ms, reason| Gap {
        from_ms,
        until_ms,
        reason,
    };
    let mut gaps = Vec::new();
    let passed_ms = now.boot_ms - before.boot_ms;
    if passed_ms > FROZEN_MS {
        // Where the clock was set, only the other one tells how long it was; what was seen before is none of it.
        let since_ms = if is_set {
            now.unix_ms.saturating_sub(passed_ms).max(before.unix_ms)
        } else {
            before.unix_ms
        };
        let from_ms = since_ms.min(now.unix_ms);
        gaps.push(gap(from_ms, now.unix_ms, GapReason::Frozen));
    }
    if is_set {
        let (low_ms, high_ms) = (
            before.unix_ms.min(now.unix_ms),
            before.unix_ms.max(now.unix_ms),
        );
        gaps.push(gap(low_ms, high_ms, GapReason::ClockStep));
    }
    gaps
}

#[cfg(test)]
mod tests;
