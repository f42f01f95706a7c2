//! What an incident cost at its worst.

use super::scan::{Scan, Stamp};
use crate::rules::stall::Usage;
use detector_api::snapshot::{HostPressure, OrphansAtLimit};
use detector_api::tcp_memory::TcpMemoryHeld;

/// Each at its worst.
#[derive(Debug)]
pub(super) struct Peak {
    pub(super) usage: Usage,
    /// When the usage was.
    pub(super) at: Stamp,
    /// How loaded the host was then.
    pub(super) host: Option<HostPressure>,
    /// The look at which TCP's memory was largest.
    pub(super) tcp_memory_held: Option<TcpMemoryHeld>,
    /// When there were most of them.
    pub(super) orphans: Option<OrphansAtLimit>,
}

impl Peak {
    pub(super) const fn at(began: Stamp) -> Self {
        Self {
            usage: Usage {
                stalled_connections: 0,
                pinned_bytes: 0,
            },
            at: began,
            host: None,
            tcp_memory_held: None,
            orphans: None,
        }
    }

    pub(super) fn raise(&mut self, scan: &Scan) {
        // Not yet raised: the incident begins with this scan.
        let is_first = scan.at == self.at;
        if is_first || cost(scan.usage) > cost(self.usage) {
            self.at = scan.at;
            self.host = scan.host;
        }
        self.usage = most(self.usage, scan.usage);
        let orphans = |at_limit: Option<OrphansAtLimit>| {
            at_limit.map(|at_limit| (at_limit.orphans, at_limit.stalled))
        };
        if orphans(scan.orphans) > orphans(self.orphans) {
            self.orphans = scan.orphans;
        }
        // The same look may come again, with programs that have been found meanwhile.
        let counted = |held: &TcpMemoryHeld| held.counted_bytes;
        if scan.tcp_memory_held.as_ref().map(counted) >= self.tcp_memory_held.as_ref().map(counted)
        {
            self.tcp_memory_held.clone_from(&scan.tcp_memory_held);
        }
    }
}

/// By what the dearest is told.
pub(super) const fn cost(usage: Usage) -> (u64, u64) {
    (usage.pinned_bytes, usage.stalled_connections)
}

pub(super) fn most(a: Usage, b: Usage) -> Usage {
    Usage {
        stalled_connections: a.stalled_connections.max(b.stalled_connections),
        pinned_bytes: a.pinned_bytes.max(b.pinned_bytes),
    }
}
