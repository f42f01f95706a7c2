//! What the threads of the kernel side share: the stop signal and the status.

use super::status::KernelStatus;
use crate::lock::lock;
use rustix::event::{EventfdFlags, PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Set once; wakes every thread that polls it.
#[derive(Debug)]
pub(super) struct StopSignal {
    is_set: AtomicBool,
    event: OwnedFd,
}

impl StopSignal {
    /// A signal that is not set.
    pub(super) fn new() -> std::io::Result<Self> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            is_set: AtomicBool::new(false),
            event,
        })
    }

    /// Sets it, for good.
    pub(super) fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        if let Err(error) = rustix::io::write(&self.event, &1_u64.to_ne_bytes()) {
            tracing::warn!("waking the kernel threads failed: {error}");
        }
    }

    /// Whether it is set.
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Waits until there is something to read from `source`, however long that takes; false once the
    /// signal is set.
    pub(super) fn wait_beside(&self, source: impl AsFd) -> Result<bool, Errno> {
        while !self.is_set() {
            let mut waits = [
                PollFd::new(&source, PollFlags::IN),
                PollFd::new(self, PollFlags::IN),
            ];
            retry_on_intr(|| poll(&mut waits, None))?;
            let [source, _stop] = &waits;
            if !source.revents().is_empty() {
                return Ok(!self.is_set());
            }
        }
        Ok(false)
    }
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Status as last written by the sweep thread, and the count both threads add to.
#[derive(Debug, Default)]
pub(super) struct Shared {
    status: Mutex<KernelStatus>,
    received: AtomicU64,
    sweeps_seldom: AtomicBool,
}

impl Shared {
    /// Adds records that were read from the kernel.
    pub(super) fn add_received(&self, records: u64) {
        self.received.fetch_add(records, Ordering::Relaxed);
    }

    /// Has sweeps keep to the share for quiet times, or not any more.
    pub(super) fn sweep_seldom(&self, seldom: bool) {
        self.sweeps_seldom.store(seldom, Ordering::Relaxed);
    }

    /// Whether they do.
    pub(super) fn sweeps_seldom(&self) -> bool {
        self.sweeps_seldom.load(Ordering::Relaxed)
    }

    /// Changes the status.
    pub(super) fn update(&self, change: impl FnOnce(&mut KernelStatus)) {
        change(&mut self.lock());
    }

    /// A copy of the status.
    pub(super) fn status(&self) -> KernelStatus {
        let mut status = self.lock().clone();
        status.records_received = self.received.load(Ordering::Relaxed);
        status
    }

    fn lock(&self) -> MutexGuard<'_, KernelStatus> {
        lock(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::StopSignal;
    use std::io::Write;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn a_source_with_something_to_read_ends_the_wait_and_so_does_the_signal() {
        let signal = Arc::new(StopSignal::new().unwrap());
        let (source, mut writer) = std::io::pipe().unwrap();
        let other = Arc::clone(&signal);
        let thread = thread::spawn(move || {
            let first = other.wait_beside(&source);
            // Nobody reads it: that does not keep the signal from being seen.
            while other.wait_beside(&source) == Ok(true) {}
            first
        });
        writer.write_all(b"x").unwrap();
        signal.set();
        thread.join().unwrap().unwrap();
        let (source, _writer) = std::io::pipe().unwrap();
        assert_eq!(signal.wait_beside(&source), Ok(false));

        let signal = StopSignal::new().unwrap();
        let (source, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(signal.wait_beside(&source), Ok(true));
        signal.set();
        assert_eq!(signal.wait_beside(&source), Ok(false));
    }
}
