//! How soon the scheduler lets the agent's threads run.
//!
//! The agent is wanted most when the host has more to run than processors, and then a thread of
//! normal priority waits for tens of milliseconds. The threads that carry a record to a flag, and
//! those that may hold the lock they need, run ahead of normal ones. What they may take of a
//! processor is bounded all the same. The two that work for long, the sweep and the search for
//! owners, stay where the process was started.

use rustix::process::{getpriority_process, setpriority_process};
use std::io;

/// The niceness of the thread that asks; threads it starts inherit it.
pub(crate) fn niceness() -> io::Result<i32> {
    Ok(getpriority_process(None)?)
}

/// Changes the niceness of the thread that asks. Lower, which is sooner, needs `CAP_SYS_NICE`.
pub(crate) fn set_niceness(nice: i32) -> io::Result<()> {
    // On Linux this is of the calling thread alone.
    Ok(setpriority_process(None, nice)?)
}

#[cfg(test)]
mod tests {
    use super::{niceness, set_niceness};

    #[test]
    fn niceness_is_of_one_thread() {
        let before = niceness().unwrap();
        let other = std::thread::spawn(|| {
            // Anybody may be nicer.
            set_niceness(19).unwrap();
            niceness().unwrap()
        });
        assert_eq!(other.join().unwrap(), 19);
        assert_eq!(niceness().unwrap(), before);
    }
}
