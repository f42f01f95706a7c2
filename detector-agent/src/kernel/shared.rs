//! What the threads of the kernel side share: the stop signal and the status.

use super::status::KernelStatus;
use rustix::event::EventfdFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
        // Plain numbers: a panic in the middle of a change leaves nothing broken.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
