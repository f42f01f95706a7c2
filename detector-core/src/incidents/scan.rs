//! What stands at a moment, as incidents are made of it.

use crate::observe::peer_address::PeerAddress;
use crate::rules::flags::FlagSet;
use crate::rules::stall::Usage;
use crate::time::MonotonicTime;
use detector_api::snapshot::{
    FlagKind, HostPressure, IncidentCounts, IncidentKind, OrphansAtLimit, Severity, Verdict,
};
use detector_api::tcp_memory::TcpMemoryHeld;
use detector_api::time::rfc3339;

/// A moment, and what the wall clock showed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) moment: MonotonicTime,
    pub(crate) unix_ns: i128,
}

impl Stamp {
    pub(crate) fn text(self) -> String {
        rfc3339(self.unix_ns)
    }
}

/// What a peer of warning or above adds at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) address: PeerAddress,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) severity: Severity,
    pub(crate) flags: FlagSet,
    /// The flag that says most about it, and since when it has stood.
    pub(crate) flag: (FlagKind, Stamp),
    pub(crate) usage: Usage,
    /// Workers that wait for it, at least.
    pub(crate) held_workers: Option<u64>,
    /// Whether it takes part for the first time.
    pub(crate) is_new: bool,
}

/// What stands at a moment.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) at: Stamp,
    /// Of all peers, those of no account too.
    pub(crate) usage: Usage,
    pub(crate) parts: Vec<Part>,
    pub(crate) is_memory_pressed: bool,
    pub(crate) is_oom_kill_fresh: bool,
    /// The orphans, while there is no room for more.
    pub(crate) orphans: Option<OrphansAtLimit>,
    pub(crate) host: Option<HostPressure>,
    pub(crate) tcp_memory_held: Option<TcpMemoryHeld>,
    /// Since the start of the agent.
    pub(crate) counts: IncidentCounts,
}

impl Scan {
    /// Whether any condition does.
    pub(crate) const fn stands(&self) -> bool {
        self.is_memory_pressed
            || self.is_oom_kill_fresh
            || self.orphans.is_some()
            || !self.parts.is_empty()
    }

    /// Whether one does that makes an incident of this kind.
    pub(super) fn has(&self, kind: IncidentKind) -> bool {
        match kind {
            IncidentKind::MemoryPressure => self.is_memory_pressed,
            IncidentKind::OrphanLimit => self.orphans.is_some(),
            IncidentKind::OomKill => self.is_oom_kill_fresh,
            kind => self.parts.iter().any(|part| {
                let mut flags = FlagKind::ALL.into_iter();
                flags.any(|flag| part.flags.contains(flag) && flag.facts().incident == kind)
            }),
        }
    }
}
