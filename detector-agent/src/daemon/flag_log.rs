//! Logs flags as they are raised, at a bounded rate.

use detector_api::snapshot::{Event, EventType, Severity};
use detector_api::text;
use detector_core::time::{MonotonicTime, SECOND_NS};

/// Lines that may come at once after a quiet time.
const BURST_LINES: u64 = 50;
/// Lines a second in the long run.
const LINES_PER_SECOND: u64 = 5;
/// Time between two lines that say how many were left out.
const SUMMARY_NS: u64 = 10 * SECOND_NS;

/// A bucket of lines that refills with time.
#[derive(Debug)]
pub(super) struct FlagLog {
    lines: u64,
    refilled: MonotonicTime,
    left_out: u64,
    summed_up: MonotonicTime,
}

impl FlagLog {
    pub(super) fn new(now: MonotonicTime) -> Self {
        Self {
            lines: BURST_LINES,
            refilled: now,
            left_out: 0,
            summed_up: now,
        }
    }

    /// Logs a flag; true if it was left out to bound the rate. The end of a flag is not logged.
    pub(super) fn log(&mut self, event: &Event, now: MonotonicTime) -> bool {
        if event.event != EventType::Flag {
            return false;
        }
        if !self.has_room(now) {
            self.left_out += 1;
            return true;
        }
        let lines = [Some(text::event_line(event)), text::kernel_line(event)];
        for line in lines.into_iter().flatten() {
            match event.severity {
                Severity::Info => tracing::info!("{line}"),
                Severity::Warning | Severity::Critical => tracing::warn!("{line}"),
            }
        }
        false
    }

    /// Logs how many were left out, once in a while.
    pub(super) fn sum_up(&mut self, now: MonotonicTime) {
        if self.left_out > 0 && now.since_ns(self.summed_up) >= SUMMARY_NS {
            tracing::warn!(
                "{} more flags were raised but not logged; `detector events` shows them",
                self.left_out
            );
            self.left_out = 0;
            self.summed_up = now;
        }
    }

    fn has_room(&mut self, now: MonotonicTime) -> bool {
        let refill = now.since_ns(self.refilled) * LINES_PER_SECOND / SECOND_NS;
        if refill > 0 {
            self.lines = (self.lines + refill).min(BURST_LINES);
            self.refilled = now;
        }
        let has_room = self.lines > 0;
        self.lines = self.lines.saturating_sub(1);
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST_LINES, FlagLog};
    use detector_api::fixtures::event;
    use detector_api::snapshot::{EventType, FlagKind};
    use detector_core::time::{MonotonicTime, SECOND_NS};

    #[test]
    fn a_flood_is_bounded_and_refills_with_time() {
        let mut log = FlagLog::new(MonotonicTime::from_ns(0));
        let flag = event(1, FlagKind::ZeroWindowStall, &[]);
        let left_out = (0..1_000)
            .filter(|_| log.log(&flag, MonotonicTime::from_ns(1)))
            .count() as u64;
        assert_eq!(left_out, 1_000 - BURST_LINES);
        assert_eq!(log.left_out, left_out);
        assert!(!log.log(&flag, MonotonicTime::from_ns(SECOND_NS)));
        log.sum_up(MonotonicTime::from_ns(20 * SECOND_NS));
        assert_eq!(log.left_out, 0);
    }

    #[test]
    fn what_ended_is_not_logged_and_costs_no_room() {
        let mut log = FlagLog::new(MonotonicTime::from_ns(0));
        let mut cleared = event(1, FlagKind::Dribble, &[]);
        cleared.event = EventType::Cleared;
        assert!((0..1_000).all(|_| !log.log(&cleared, MonotonicTime::from_ns(1))));
        assert_eq!(log.lines, BURST_LINES);
    }
}
