//! Work on threads beside the event loop, so much of it at a time and no more: whoever hangs up ends
//! none that has begun, and gets nobody a turn sooner.

use crate::http::Meter;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    turns: Arc<Semaphore>,
    meter: Arc<Meter>,
}

impl Beside {
    /// So many pieces of work at the same time; what they take is added to `meter`.
    pub(super) fn new(at_once: usize, meter: &Arc<Meter>) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            meter: Arc::clone(meter),
        }
    }

    /// Does this when it is its turn; `None` if it failed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let meter = Arc::clone(&self.meter);
        let done = spawn_blocking(move || {
            let _turn = turn;
            meter.time(task)
        });
        done.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Beside;
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

    #[tokio::test]
    async fn who_hangs_up_gets_nobody_a_turn_sooner() {
        let beside = Beside::new(2, &Arc::default());
        let running = Arc::new(AtomicUsize::new(0));
        let (held, go_on) = channel::<()>();
        let go_on = Arc::new(Mutex::new(go_on));
        for _ in 0..1_000 {
            let (running, go_on) = (Arc::clone(&running), Arc::clone(&go_on));
            let work = beside.run(move || {
                running.fetch_add(1, Ordering::SeqCst);
                drop(go_on.lock().map(|go_on| go_on.recv()));
            });
            // Whoever asks hangs up after its first turn.
            let mut work = Box::pin(work);
            let waits = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending()));
            assert!(waits.await);
        }
        while running.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(beside.turns.available_permits(), 0);
        assert_eq!(running.load(Ordering::SeqCst), 2);
        drop(held);
        // Both end, and those that hung up while they waited never began.
        assert_eq!(beside.run(|| 7).await, Some(7));
        assert_eq!(running.load(Ordering::SeqCst), 2);
    }
}
