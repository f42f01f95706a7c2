//! Keeps a thread's work within a share of one processor.

use crate::clock::thread_time;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How much work is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Of one core, in the long run.
    pub(crate) of_core: f64,
    /// At once, after a quiet time.
    pub(crate) burst: Duration,
}

impl Share {
    /// To look for owners: what else the thread does leaves room below two in a hundred, and names
    /// come soon when few are wanted.
    pub(crate) const OWNERS: Self = Self {
        of_core: 0.015,
        burst: Duration::from_millis(50),
    };
}

/// The thread is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Processor time at hand, which grows with time up to a bound.
#[derive(Debug)]
pub(crate) struct CpuBudget {
    stop: Receiver<Infallible>,
    share: Share,
    seconds_left: f64,
    used_until: Duration,
    filled_at: Instant,
    used: Duration,
}

impl CpuBudget {
    /// For the current thread; it is to end when the other end of `stop` is dropped.
    pub(crate) fn new(stop: Receiver<Infallible>, share: Share) -> Self {
        Self {
            stop,
            share,
            seconds_left: share.burst.as_secs_f64(),
            used_until: thread_time(),
            filled_at: Instant::now(),
            used: Duration::ZERO,
        }
    }

    /// Processor time used so far.
    pub(crate) const fn used(&self) -> Duration {
        self.used
    }

    /// Books what was used since the last call and waits if it was too much.
    pub(crate) fn throttle(&mut self) -> Result<(), Stopped> {
        self.book();
        if self.seconds_left >= 0.0 {
            return Ok(());
        }
        self.wait(Duration::from_secs_f64(
            -self.seconds_left / self.share.of_core,
        ))
    }

    /// Books what another thread has used for this one.
    pub(crate) fn book_of_another(&mut self, used: Duration) {
        self.used += used;
        self.seconds_left -= used.as_secs_f64();
    }

    /// From now on so much of one core.
    pub(crate) fn allow(&mut self, of_core: f64) {
        self.book();
        self.share.of_core = of_core;
    }

    /// Books what was used since the last call; whether any is left.
    pub(crate) fn has_some_left(&mut self) -> bool {
        self.book();
        self.seconds_left >= 0.0
    }

    /// Waits for a time.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), Stopped> {
        match self.stop.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => {
                self.book();
                Ok(())
            }
            Ok(never) => match never {},
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    fn book(&mut self) {
        let (used_until, now) = (thread_time(), Instant::now());
        let used = used_until.saturating_sub(self.used_until);
        let passed = now.saturating_duration_since(self.filled_at);
        self.used_until = used_until;
        self.filled_at = now;
        self.used += used;
        let grown = self.seconds_left + passed.as_secs_f64() * self.share.of_core;
        self.seconds_left = grown.min(self.share.burst.as_secs_f64()) - used.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn work_beyond_the_burst_has_to_wait_for_its_share() {
        let (_stop, stopped) = channel();
        let share = Share {
            of_core: 0.5,
            ..Share::OWNERS
        };
        let burst = share.burst;
        let mut budget = CpuBudget::new(stopped, share);
        let began = Instant::now();
        while budget.used() < burst + Duration::from_millis(20) {
            budget.throttle().unwrap();
        }
        budget.throttle().unwrap();
        // 20 ms beyond the burst at one half.
        assert!(
            began.elapsed() >= budget.used().saturating_sub(burst) * 2,
            "{budget:?}"
        );
    }

    #[test]
    fn who_may_take_more_waits_less() {
        const MOMENT: Duration = Duration::from_millis(1);
        let (_stop, stopped) = channel();
        let share = Share {
            // Hours.
            of_core: 0.000_001,
            burst: MOMENT,
        };
        let mut budget = CpuBudget::new(stopped, share);
        while budget.used() < 5 * MOMENT {
            budget.book();
        }
        for _ in 0..3 {
            budget.wait(MOMENT).unwrap();
            assert!(!budget.has_some_left());
        }
        budget.allow(0.5);
        let began = Instant::now();
        while !budget.has_some_left() {
            budget.wait(MOMENT).unwrap();
            assert!(began.elapsed() < Duration::from_secs(60));
        }
    }

    #[test]
    fn a_wait_ends_when_the_thread_is_to_end() {
        let (stop, stopped) = channel();
        let mut budget = CpuBudget::new(stopped, Share::OWNERS);
        drop(stop);
        assert_eq!(budget.wait(Duration::from_secs(3_600)), Err(Stopped));
    }
}
