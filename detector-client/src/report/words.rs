//! Pieces of sentences that the parts of a report share.

pub(super) use detector_api::text::listed;

use super::model::Time;
use detector_api::text::counted;
use detector_api::{time, units};
use detector_recorder::GapReason;

/// Where no action is on record. What began before the span, or while nothing was written, is not there.
pub(super) const NOTHING_DONE: &str = "No reset, limit or block was recorded in this span.";

const DAY_MS: i64 = 24 * 3_600_000;

/// `2026-12-29 21:04:05 UTC`
pub(super) fn moment(at: Time) -> String {
    time::moment(&at.rfc3339())
}

/// `21:04:05`, for where the day is known.
pub(super) fn clock(at: Time) -> String {
    time::clock(&at.rfc3339()).to_owned()
}

/// Whether a clock tells which of these is meant.
pub(super) fn are_of_one_day(times: &[Time]) -> bool {
    let mut days = times.iter().map(|at| at.0.div_euclid(DAY_MS));
    let first = days.next();
    days.all(|day| Some(day) == first)
}

/// `2026-12-29 21:04:05 to 22:31:00 UTC`
pub(super) fn range(from: Time, until: Time) -> String {
    let (begin, end) = (from.rfc3339(), until.rfc3339());
    if time::day(&begin) == time::day(&end) {
        let until = clock(until);
        return format!("{} to {until} UTC", moment(from).trim_end_matches(" UTC"));
    }
    format!(
        "{} to {}",
        moment(from).trim_end_matches(" UTC"),
        moment(until)
    )
}

/// A span in milliseconds, in words; that it is negative is not told.
pub(super) fn span(ms: i64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a span has few digits")]
    let seconds = ms.unsigned_abs() as f64 / 1_000.0;
    units::seconds(seconds)
}

/// `a process`, `3 processes`
pub(super) fn counted_kills(count: u64) -> String {
    match count {
        0 | 1 => "a process".to_owned(),
        more => counted(more, "process", "processes"),
    }
}

/// Why nothing was seen.
pub(super) const fn gap(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Stopped => "no agent ran: it was stopped",
        GapReason::Killed => "no agent ran: it was killed or crashed",
        GapReason::HostDown => "the host was down, and nobody had stopped the agent before",
        GapReason::Frozen => "the agent was kept from running: frozen, suspended or starved",
        GapReason::DiskFull => "there was no room on the disk to record",
        GapReason::Damaged => "the recorder was damaged; all that it held was set aside",
        GapReason::WriteFailed => "nothing could be written",
        GapReason::ClockStep => "the clock was set",
    }
}
