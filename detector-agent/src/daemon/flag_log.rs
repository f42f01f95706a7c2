//! Logs flags as they are raised, at a bounded rate; where the log is JSON, for programs, also as objects, and
//! their ends.

use crate::log;
use detector_api::snapshot::{Event, EventType, Severity};
use detector_api::text;
use detector_core::time::{MonotonicTime, SECOND_NS};

/// Lines that may come at once after a quiet time.
const BURST_LINES: u64 = 50;
/// Lines a second in the long run.
const LINES_PER_SECOND: u64 = 5;
/// Time between two lines that say how many were left out.
const SUMMARY_NS: u64 = 10 * SECOND_NS;

/// What was logged, and what there is room for.
#[derive(Debug)]
pub(super) struct FlagLog {
    /// Whether ends are logged, and objects with the sentences.
    is_for_programs: bool,
    flags: Bucket,
    ends: Bucket,
    left_out: u64,
    summed_up: MonotonicTime,
}

/// A bucket of lines that refills with time.
#[derive(Debug)]
struct Bucket {
    lines: u64,
    refilled: MonotonicTime,
}

impl FlagLog {
    pub(super) const fn new(now: MonotonicTime, is_for_programs: bool) -> Self {
        Self {
            is_for_programs,
            flags: Bucket::new(now),
            ends: Bucket::new(now),
            left_out: 0,
            summed_up: now,
        }
    }

    /// Logs a flag, or an end; true if it was a flag that was left out to bound the rate. Ends take no room from
    /// flags. The guard logs its own steps.
    pub(super) fn log(&mut self, event: &Event, now: MonotonicTime) -> bool {
        let is_flag = match event.event {
            EventType::Flag => true,
            EventType::Cleared | EventType::Episode if self.is_for_programs => false,
            EventType::Cleared | EventType::Episode | EventType::Guard => return false,
        };
        let bucket = if is_flag {
            &mut self.flags
        } else {
            &mut self.ends
        };
        if !bucket.has_room(now) {
            self.left_out += 1;
            return is_flag;
        }
        let severity = if is_flag {
            event.severity
        } else {
            Severity::Info
        };
        let object = self.is_for_programs.then_some(event);
        log::of_peer(severity, &text::event_line(event), object);
        if let Some(line) = text::kernel_line(event).filter(|_| is_flag) {
            log::of_peer(severity, &line, None);
        }
        false
    }

    /// Logs how many were left out, once in a while.
    pub(super) fn sum_up(&mut self, now: MonotonicTime) {
        if self.left_out > 0 && now.since_ns(self.summed_up) >= SUMMARY_NS {
            let what = if self.is_for_programs {
                "flags were raised or ended"
            } else {
                "flags were raised"
            };
            tracing::warn!(
                "{} more {what} but not logged; `detector events` shows them",
                self.left_out
            );
            self.left_out = 0;
            self.summed_up = now;
        }
    }
}

impl Bucket {
    const fn new(now: MonotonicTime) -> Self {
        Self {
            lines: BURST_LINES,
            refilled: now,
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
    use crate::config::Config;
    use crate::state::tests::{stalled, state};
    use detector_api::fixtures::event;
    use detector_api::snapshot::{EventType, FlagKind};
    use detector_core::observe::observation::Observation;
    use detector_core::time::{MonotonicTime, SECOND_NS};

    #[test]
    fn a_flood_is_bounded_and_refills_with_time() {
        let mut log = FlagLog::new(MonotonicTime::from_ns(0), false);
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

    /// Somebody plays peers in a network of his own.
    #[test]
    fn what_is_flagged_elsewhere_leaves_room_in_the_log() {
        let (state, _pings) = state(&Config::default());
        let played = (0..300).map(|number| Observation {
            is_on_our_way: false,
            ..stalled(&format!("203.0.{}.{}:1", number / 100, number % 100), 10)
        });
        state.feed(&played.collect::<Vec<_>>());
        state.feed(&[stalled("198.51.100.7:1", 10)]);
        let now = MonotonicTime::from_ns(1);
        let mut log = FlagLog::new(now, false);
        let engine = state.engine();
        let told = engine.events_after(0).filter(|event| !log.log(event, now));
        let told: Vec<_> = told.map(|event| event.peer.as_str()).collect();
        assert!(told.contains(&"198.51.100.7"), "{told:?}");
        assert!(told.contains(&"203.0.0.0"), "{told:?}");
    }

    #[test]
    fn what_ended_is_not_logged_and_costs_no_room() {
        let mut log = FlagLog::new(MonotonicTime::from_ns(0), false);
        let mut cleared = event(1, FlagKind::Dribble, &[]);
        cleared.event = EventType::Cleared;
        assert!((0..1_000).all(|_| !log.log(&cleared, MonotonicTime::from_ns(1))));
        assert_eq!(log.ends.lines, BURST_LINES);
        assert_eq!(log.flags.lines, BURST_LINES);
    }

    #[test]
    fn programs_are_told_of_ends_which_take_no_room_from_flags() {
        let now = MonotonicTime::from_ns(0);
        let mut log = FlagLog::new(now, true);
        let mut ended = event(1, FlagKind::Dribble, &[]);
        ended.event = EventType::Cleared;
        for _ in 0..1_000 {
            assert!(!log.log(&ended, now), "it is no flag");
        }
        assert_eq!((log.ends.lines, log.left_out), (0, 1_000 - BURST_LINES));
        assert!(!log.log(&event(2, FlagKind::Dribble, &[]), now));
        assert_eq!(log.flags.lines, BURST_LINES - 1);
        ended.event = EventType::Guard;
        log.log(&ended, now);
        assert_eq!(log.left_out, 1_000 - BURST_LINES);
    }
}
