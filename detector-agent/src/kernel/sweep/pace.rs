//! The pace of sweeps: how long from one round to the next, and from one search for namespaces to the next.
//!
//! In: what a round or a search took, and the shares of one core. Out: intervals. Never: waiting.

use super::Round;
use super::SweepOptions;
use std::time::{Duration, Instant};

/// No stretch goes beyond this: a stall is found within it, whatever the load.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

/// Part of one core for rounds over all namespaces that nothing calls for, and what their interval keeps
/// to whatever they cost.
const FULL_SHARE: f64 = 0.000_05;
const SHORTEST_FULL_INTERVAL: Duration = Duration::from_secs(10);
const LONGEST_FULL_INTERVAL: Duration = Duration::from_secs(300);

/// Time over which what rounds may cost is saved up while they cost less.
const SAVED_OVER: Duration = Duration::from_secs(30);

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

/// The time from one round over all namespaces to the next that nothing calls for.
pub(super) fn between_full(cost: Duration) -> Duration {
    cost.div_f64(FULL_SHARE)
        .clamp(SHORTEST_FULL_INTERVAL, LONGEST_FULL_INTERVAL)
}

/// Processor time at hand for rounds. It grows with time, up to a bound, so that the first rounds after a
/// quiet time need not wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credit {
    seconds: f64,
    at: Instant,
}

impl Credit {
    pub(super) const fn new(at: Instant) -> Self {
        Self { seconds: 0.0, at }
    }

    /// The time from the round that began then, and cost so much, to the next.
    pub(super) fn interval(
        &mut self,
        wanted: Duration,
        share: f64,
        cost: Duration,
        began: Instant,
    ) -> Duration {
        let passed = began.saturating_duration_since(self.at).as_secs_f64();
        self.at = began;
        let most = SAVED_OVER.as_secs_f64() * share;
        // What the interval before did not make good is not carried on.
        let saved = passed.mul_add(share, self.seconds).clamp(0.0, most);
        self.seconds = saved - cost.as_secs_f64();
        let needed = Duration::from_secs_f64((-self.seconds / share).max(0.0));
        let needed = needed.min(LONGEST_INTERVAL.max(wanted));
        wanted.max(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: SweepOptions = SweepOptions {
        interval: Duration::from_secs(1),
        idle_share: 0.004,
        busy_share: 0.05,
        nice: 0,
        is_own_only: false,
    };

    /// Intervals after rounds of this cost, one after the other.
    fn stretched(held_up: u64, cost: Duration, is_seldom: bool) -> Vec<Duration> {
        let round = Round {
            held_up,
            cost,
            ..Round::default()
        };
        let share = share(&OPTIONS, round, is_seldom);
        let mut began = Instant::now();
        let mut credit = Credit::new(began);
        let intervals = (0..20).map(|_| {
            let interval = credit.interval(OPTIONS.interval, share, cost, began);
            began += interval;
            interval
        });
        intervals.collect()
    }

    fn is_nearly(one: Duration, other: Duration) -> bool {
        one.abs_diff(other) < Duration::from_millis(1)
    }

    #[test]
    fn a_cheap_round_keeps_the_wanted_interval() {
        let cheap = Duration::from_millis(3);
        for (held_up, is_seldom) in [(0, false), (9, true)] {
            let intervals = stretched(held_up, cheap, is_seldom);
            assert!(intervals.iter().all(|each| *each == OPTIONS.interval));
        }
    }

    #[test]
    fn a_costly_round_stretches_the_interval_within_bounds() {
        let second = Duration::from_secs(1);
        let last = |held_up, cost, is_seldom| *stretched(held_up, cost, is_seldom).last().unwrap();
        let cost = Duration::from_millis(20);
        assert!(is_nearly(last(0, cost, false), 5 * second));
        assert!(is_nearly(last(9, cost, false), second));
        assert!(is_nearly(last(9, cost, true), 5 * second));
        assert!(is_nearly(last(9, second, false), LONGEST_INTERVAL));
    }

    #[test]
    fn what_was_saved_in_a_quiet_time_is_spent_at_once() {
        let (share, second) = (0.01, Duration::from_secs(1));
        let mut began = Instant::now();
        let mut credit = Credit::new(began);
        began += 10 * SAVED_OVER;
        let cost = SAVED_OVER.mul_f64(share) / 2;
        let intervals = [(); 3].map(|()| credit.interval(second, share, cost, began));
        assert_eq!(intervals[..2], [second, second]);
        assert!(intervals[2] > second);
    }

    #[test]
    fn rounds_that_nothing_calls_for_are_rare_but_come() {
        let after = |milliseconds| between_full(Duration::from_millis(milliseconds));
        assert_eq!(after(0), SHORTEST_FULL_INTERVAL);
        assert!(is_nearly(after(7), Duration::from_secs(140)));
        assert_eq!(after(1_000), LONGEST_FULL_INTERVAL);
    }
}
