//! The pace of sweeps: how long from one round to the next, and from one search for namespaces to the next.
//!
//! In: what a round or a search took, and the shares of one core. Out: intervals. Never: waiting.

use super::Round;
use super::SweepOptions;
use detector_core::time::MonotonicTime;
use rustix::event::Timespec;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// No stretch goes beyond this: a stall is found within it, whatever the load.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

/// Seldom enough to cost little, often enough that a new namespace is found in time.
pub(super) fn between_searches(search: Duration) -> Duration {
    (search * 200).min(LONGEST_INTERVAL)
}

/// Part of one core that rounds may take.
pub(super) const fn share(options: &SweepOptions, round: Round, is_seldom: bool) -> f64 {
    if is_seldom || round.held_up == 0 {
        options.idle_share
    } else {
        options.busy_share
    }
}

/// The time from one round to the next that keeps the cost within its share.
pub(super) fn interval(wanted: Duration, share: f64, cost: Duration) -> Duration {
    let needed = cost.div_f64(share);
    wanted.max(needed.min(LONGEST_INTERVAL.max(wanted)))
}

pub(super) fn thread_cpu_time() -> Duration {
    duration_of(clock_gettime(ClockId::ThreadCPUTime))
}

pub(super) fn monotonic_now() -> MonotonicTime {
    let elapsed = duration_of(clock_gettime(ClockId::Monotonic));
    MonotonicTime::from_ns(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

fn duration_of(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(held_up: u64, cost: Duration) -> Round {
        Round {
            held_up,
            namespaces: 1,
            cost,
        }
    }

    const OPTIONS: SweepOptions = SweepOptions {
        interval: Duration::from_secs(1),
        idle_share: 0.004,
        busy_share: 0.05,
        nice: 0,
        is_own_only: false,
    };

    fn stretched(held_up: u64, cost: Duration, is_seldom: bool) -> Duration {
        let share = share(&OPTIONS, round(held_up, cost), is_seldom);
        interval(OPTIONS.interval, share, cost)
    }

    #[test]
    fn a_cheap_round_keeps_the_wanted_interval() {
        let cheap = Duration::from_millis(3);
        assert_eq!(stretched(0, cheap, false), OPTIONS.interval);
        assert_eq!(stretched(9, cheap, true), OPTIONS.interval);
    }

    #[test]
    fn a_costly_round_stretches_the_interval_within_bounds() {
        let second = Duration::from_secs(1);
        let cost = Duration::from_millis(20);
        assert_eq!(stretched(0, cost, false), Duration::from_secs(5));
        assert_eq!(stretched(9, cost, false), second);
        assert_eq!(stretched(9, cost, true), Duration::from_secs(5));
        assert_eq!(stretched(9, second, false), LONGEST_INTERVAL);
    }
}
