//! What the searches have found, for metrics and the control socket.

use detector_api::snapshot::HeldWorkers;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// LookupCounts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LookupCounts {
    /// Sockets whose holders were found.
    pub(crate) found: u64,
    /// Passes over all processes that did not find a socket, each counted for each socket.
    pub(crate) not_found: u64,
    /// Entries of `/proc` that may not be read or make no sense.
    pub(crate) unreadable: u64,
    /// Processes that ended while they were looked at.
    pub(crate) vanished: u64,
}

/// State of the look-ups.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnerReport {
    /// Services that own stalled connections, most held tasks first.
    pub(crate) held_workers: Vec<HeldWorkers>,
    /// LookupCounts since the start.
    pub(crate) counts: LookupCounts,
    /// Processor time used since the start.
    pub(crate) used: Duration,
}

/// Where the thread that looks up leaves its report.
#[derive(Debug, Default)]
pub(crate) struct SharedReport(Mutex<OwnerReport>);

impl SharedReport {
    /// Changes the report.
    pub(crate) fn update(&self, change: impl FnOnce(&mut OwnerReport)) {
        change(&mut self.lock());
    }

    /// A copy of the report.
    pub(crate) fn read(&self) -> OwnerReport {
        self.lock().clone()
    }

    /// Workers that wait on stalled connections; `None` where services own some and none of their tasks is
    /// seen to wait.
    pub(crate) fn held_workers(&self) -> Option<u64> {
        let report = self.lock();
        let known = report
            .held_workers
            .iter()
            .filter_map(|service| service.held);
        let is_known = report.held_workers.is_empty() || known.clone().next().is_some();
        is_known.then(|| known.sum())
    }

    fn lock(&self) -> MutexGuard<'_, OwnerReport> {
        // Plain values: a panic in the middle of a change leaves nothing broken.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
