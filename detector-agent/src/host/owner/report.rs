//! What the searches have found, for metrics and the control socket.

use crate::lock::lock;
use detector_api::snapshot::HeldWorkers;
use detector_core::guard::Workers;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What was counted longer ago says nothing of the present.
const PRESSES_FOR: Duration = Duration::from_secs(60);

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
    /// Processes that were not looked at to the end, as they keep whoever does waiting; each in each count.
    pub(crate) hung: u64,
}

/// State of the look-ups.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnerReport {
    /// Services that own stalled connections, most held tasks first; `None` while nobody has counted.
    pub(crate) held_workers: Option<Vec<HeldWorkers>>,
    /// What connections that peers have opened take of them, and when the count of that began.
    pub(crate) by_peers: Option<(Instant, Vec<Workers>)>,
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

    /// Workers that wait on the connections that are stalled now, so many; `None` where services own some and none
    /// of their tasks is seen to wait, and where nobody has counted since the first of them stalled.
    pub(crate) fn held_workers(&self, stalled_connections: u64) -> Option<u64> {
        let report = self.lock();
        let Some(services) = &report.held_workers else {
            return (stalled_connections == 0).then_some(0);
        };
        let known = services.iter().filter_map(|service| service.held);
        let is_known = services.is_empty() || known.clone().next().is_some();
        is_known.then(|| known.sum())
    }

    /// What peers' connections take of services; empty before it was counted, `None` where that was too long
    /// ago.
    pub(crate) fn by_peers(&self, now: Instant) -> Option<Vec<Workers>> {
        match &self.lock().by_peers {
            None => Some(Vec::new()),
            Some((began, _)) if now.saturating_duration_since(*began) > PRESSES_FOR => None,
            Some((_, services)) => Some(services.clone()),
        }
    }

    /// Forgets what was counted. Where no process has any of the connections that are stalled, nobody waits for them,
    /// and that is known.
    pub(crate) fn forget_count(&self, has_nobody: bool) {
        self.update(|report| {
            report.held_workers = has_nobody.then(Vec::new);
            report.by_peers = None;
        });
    }

    fn lock(&self) -> MutexGuard<'_, OwnerReport> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{PRESSES_FOR, SharedReport};
    use detector_api::snapshot::HeldWorkers;
    use detector_core::guard::Workers;
    use std::time::{Duration, Instant};

    /// An agent that starts in the middle of an incident counts seconds later.
    #[test]
    fn no_worker_waits_where_nothing_is_stalled_and_nobody_knows_before_the_count() {
        let report = SharedReport::default();
        assert_eq!(report.held_workers(0), Some(0));
        assert_eq!(report.held_workers(1), None);
        let service = |held| HeldWorkers {
            service: "web.service".to_owned(),
            held,
            total: 10,
            stalled_connections: 5,
            memory: None,
        };
        for held in [None, Some(0), Some(5)] {
            report.update(|report| report.held_workers = Some(vec![service(held)]));
            assert_eq!(report.held_workers(5), held);
        }
        report.forget_count(true);
        assert_eq!(report.held_workers(5), Some(0));
        report.forget_count(false);
        assert_eq!(report.held_workers(5), None);
    }

    #[test]
    fn a_count_of_long_ago_is_none() {
        let report = SharedReport::default();
        let began = Instant::now();
        let services = vec![Workers {
            service: "web.service".to_owned(),
            held: 5,
            total: 10,
            ..Workers::default()
        }];
        assert_eq!(report.by_peers(began), Some(Vec::new()));
        report.update(|report| report.by_peers = Some((began, services.clone())));
        let later = began + PRESSES_FOR;
        assert_eq!(report.by_peers(later), Some(services));
        assert_eq!(report.by_peers(later + Duration::from_nanos(1)), None);
        report.forget_count(false);
        assert_eq!(report.by_peers(later), Some(Vec::new()));
    }
}
