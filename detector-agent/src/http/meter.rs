//! What serving costs, so that it can be told from what the agent does by itself: whoever asks decides
//! how often he asks.

use crate::clock::thread_time;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Processor time, added up.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

impl Meter {
    /// Since the start.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Adds what this takes, of whichever threads it runs on; not what it starts.
    pub(crate) async fn watch<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| self.time(|| future.as_mut().poll(context))).await
    }

    /// Adds what this takes.
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = thread_time();
        let done = work();
        let used = thread_time().saturating_sub(began).as_nanos();
        let used = u64::try_from(used).unwrap_or(u64::MAX);
        self.0.fetch_add(used, Ordering::Relaxed);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use crate::clock::thread_time;
    use std::time::Duration;
    use tokio::task::yield_now;

    const WORK: Duration = Duration::from_millis(5);

    fn work() {
        let began = thread_time();
        while thread_time() - began < WORK {}
    }

    #[tokio::test]
    async fn each_turn_counts_and_what_others_do_between_does_not() {
        let meter = Meter::default();
        let watched = meter.watch(async {
            work();
            yield_now().await;
            work();
        });
        let began = thread_time();
        let others = async {
            for _ in 0..10 {
                work();
                yield_now().await;
            }
        };
        tokio::join!(watched, others);
        let all = thread_time() - began;
        assert!(meter.used() >= 2 * WORK);
        assert!(
            all - meter.used() >= 10 * WORK,
            "{:?} of {all:?}",
            meter.used()
        );
    }
}
