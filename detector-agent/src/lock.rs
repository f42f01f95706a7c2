//! Locks that outlive a panic.
//!
//! A panic while a lock is held poisons it. The values that the agent keeps behind locks are whole at any moment,
//! whoever panics and where: plain values, of which each change is one step, or an account that comes after
//! what it tells of. So whoever comes next takes them as they are.

use std::sync::{LockResult, Mutex, MutexGuard, PoisonError};

/// What is behind the lock, once nobody else holds it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    whole(mutex.lock())
}

/// The same of what waiting for a change of it has given.
pub(crate) fn whole<T>(waited: LockResult<T>) -> T {
    waited.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{lock, whole};
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    #[test]
    fn a_lock_outlives_whoever_panics_while_he_holds_it() {
        let mutex = Mutex::new(1);
        let panicked = std::thread::scope(|scope| {
            let panics = || {
                *lock(&mutex) = 2;
                let _held = lock(&mutex);
                panic!("on purpose");
            };
            scope.spawn(panics).join()
        });
        assert!(panicked.is_err() && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
        let waited = Condvar::new().wait_timeout(lock(&mutex), Duration::ZERO);
        assert_eq!(*whole(waited).0, 2);
    }
}
