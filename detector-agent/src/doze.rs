//! Lets threads sleep that look after tracked connections, while there is nothing for them.

use crate::lock::{lock, whole};
use std::sync::{Condvar, Mutex, MutexGuard};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Doze {
    /// How often somebody has roused them.
    roused: Mutex<u64>,
    changed: Condvar,
}

impl Doze {
    /// There may be something for them.
    pub(crate) fn rouse(&self) {
        let mut roused = self.roused();
        *roused = roused.wrapping_add(1);
        self.changed.notify_all();
    }

    /// To be asked before looking whether there is anything.
    pub(crate) fn times_roused(&self) -> u64 {
        *self.roused()
    }

    /// Sleeps until somebody rouses, or has done so since it was `then`.
    pub(crate) fn sleep_since(&self, then: u64) {
        let roused = self.roused();
        let waited = self.changed.wait_while(roused, |roused| *roused == then);
        drop(whole(waited));
    }

    fn roused(&self) -> MutexGuard<'_, u64> {
        lock(&self.roused)
    }
}

#[cfg(test)]
mod tests {
    use super::Doze;

    #[test]
    fn who_was_roused_before_it_sleeps_does_not_sleep() {
        let doze = Doze::default();
        let then = doze.times_roused();
        doze.rouse();
        doze.sleep_since(then);
        let then = doze.times_roused();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| doze.sleep_since(then));
            doze.rouse();
            sleeper.join().unwrap();
        });
    }
}
