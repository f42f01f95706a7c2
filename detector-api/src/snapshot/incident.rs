//! An incident as it is published.

use super::{
    FlagKind, IncidentKind, InterfaceCounts, Process, Retransmits, Severity, Shrinks, Verdict,
};
use crate::labelled::labelled;
use crate::recorded::KillScope;
use crate::tcp_memory::TcpMemoryHeld;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

labelled! {
    /// What ended an incident.
    IncidentEnd {
        /// A peer that stood to the last took its data again, or answered.
        ReadOn = "read-on",
        /// The connections that stood to the last are gone.
        Closed = "closed",
        /// What is still held is below a warning.
        BelowWarning = "below-warning",
        /// The kernel stopped saving memory for TCP, or what drains by itself holds it.
        PressureOver = "pressure-over",
        /// The kernel has room for orphans again.
        OrphansBelow = "orphans-below",
        /// Nothing has followed a kill by the OOM killer.
        NoMoreKills = "no-more-kills",
        /// Nobody saw it: the agent ended while something stood. Told of the past only.
        Unseen = "unseen",
    }
}

/// How loaded the host was. What the kernel does not report is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostPressure {
    /// Memory that the kernel's TCP took.
    pub tcp_memory_bytes: Option<u64>,
    /// Above this the kernel begins to save (`tcp_mem`, second number).
    pub tcp_memory_pressure_bytes: Option<u64>,
    /// At this it refuses (`tcp_mem`, third number).
    pub tcp_memory_limit_bytes: Option<u64>,
    /// Memory that programs could still have had.
    pub memory_available_bytes: Option<u64>,
    /// Memory of the host.
    pub memory_total_bytes: Option<u64>,
    /// Load average over one minute.
    pub load_one: Option<f64>,
    /// Share of ten seconds in which a task waited for a processor, in percent.
    pub cpu_some_percent: Option<f64>,
    /// The same for memory.
    pub memory_some_percent: Option<f64>,
    /// The same, all tasks at once.
    pub memory_full_percent: Option<f64>,
    /// The same as for the processor, for disks.
    pub io_some_percent: Option<f64>,
    /// Workers of our own programs that slept in a write to a stalled connection.
    #[serde(default)]
    pub held_workers: Option<u64>,
    /// TCP sockets that no process holds any more.
    #[serde(default)]
    pub orphans: Option<u64>,
    /// As many of them as the kernel allows (`net.ipv4.tcp_max_orphans`).
    #[serde(default)]
    pub orphan_limit: Option<u64>,
}

impl HostPressure {
    /// What the kernel's TCP took of the host's memory, in percent.
    #[must_use]
    pub fn tcp_percent(&self) -> Option<u64> {
        percent(self.tcp_memory_bytes, self.memory_total_bytes)
    }
}

fn percent(part: Option<u64>, of: Option<u64>) -> Option<u64> {
    let (part, of) = part.zip(of)?;
    Some(part.saturating_mul(100) / of.max(1))
}

/// What all connections and interfaces of this host counted from up to a minute before the begin of an
/// incident, for the cause comes before it, to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentCounts {
    /// Window that peers took back.
    pub window_shrinks: Shrinks,
    /// Segments sent again.
    pub retransmits: Retransmits,
    /// Those that turned out needless.
    pub retransmits_needless: u64,
    /// All interfaces but the loopback.
    pub interfaces: InterfaceCounts,
    /// Connections that the kernel closed for want of memory or of room for orphans (`TCPAbortOnMemory`).
    #[serde(default)]
    pub aborted_on_memory: u64,
}

/// Orphans when there were most of them: TCP sockets that no process holds any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrphansAtLimit {
    /// How many; `null` if nobody counted.
    pub orphans: Option<u64>,
    /// As many as the kernel allows.
    pub limit: Option<u64>,
    /// Those that peers held up, as far as the agent knows them.
    pub stalled: u64,
}

/// A kill by the OOM killer in an incident, and what was known of memory at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentKill {
    /// When it was told first.
    pub time: String,
    /// Number of the victim in the kernel's first PID namespace; `null` where the kernel's count alone tells
    /// of it.
    pub pid: Option<u64>,
    /// Whose memory was short.
    pub scope: KillScope,
    /// The host at the last look before it was told; `null` if nobody had looked. The kernel's count alone tells up
    /// to five seconds late.
    pub host: Option<HostPressure>,
    /// Connections that were stalled then.
    pub stalled_connections: u64,
    /// Kernel memory that they held then.
    pub pinned_bytes: u64,
    /// What sockets of the control group held that had reached its limit, or else of the victim's; `null` if
    /// nobody tells.
    pub socket_bytes: Option<u64>,
    /// The limit that the control group had reached; `null` if none had, or if nobody tells.
    pub limit_bytes: Option<u64>,
}

impl IncidentKill {
    /// TCP's part of the memory that was short, in percent: of a control group's limit what its sockets held,
    /// else of the host's memory what TCP held. `None` where nobody tells.
    #[must_use]
    pub fn tcp_percent(&self) -> Option<u64> {
        match self.scope {
            KillScope::ControlGroup => percent(self.socket_bytes, self.limit_bytes),
            KillScope::Host | KillScope::Unknown => self.host?.tcp_percent(),
        }
    }
}

/// A span on this host in which flags of warning or above stood, or memory pressure that is more
/// than traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// When it began, ISO 8601 without separators: sorts by time, and no other has it.
    pub id: String,
    /// Whether it goes on: something stands, or did within the last minute.
    pub open: bool,
    /// When the first condition was seen to stand.
    pub began: String,
    /// When the last one was seen no more; `null` while one stands.
    pub ended: Option<String>,
    /// From the one to the other, by a clock that does not step; up to now while it goes on.
    pub duration_seconds: f64,
    /// What stood in it, in the order in which it began.
    pub kinds: Vec<IncidentKind>,
    /// The worst severity of a peer in it; `warning` for memory pressure alone, `critical` after an
    /// OOM kill.
    pub severity: Severity,
    /// Most stalled connections at once, of all peers, looked at once a second.
    pub peak_stalled_connections: u64,
    /// Most kernel memory that stalled connections held at once.
    pub peak_pinned_bytes: u64,
    /// When they held most.
    pub peak_time: String,
    /// The host then; `null` if nobody looked.
    pub host: Option<HostPressure>,
    /// What was counted around it; `null` if nobody did.
    #[serde(default)]
    pub counts: Option<IncidentCounts>,
    /// Who held TCP's memory when it took most; `null` if nobody looked.
    #[serde(default)]
    pub tcp_memory_held: Option<TcpMemoryHeld>,
    /// The orphans, if they reached the kernel's limit; else `null`.
    #[serde(default)]
    pub orphans: Option<OrphansAtLimit>,
    /// Kills by the OOM killer, oldest first; of more than [`Incident::KILLS_MAX`] those at which TCP had the
    /// largest part of what was short. Empty in what older agents recorded.
    #[serde(default)]
    pub kills: Vec<IncidentKill>,
    /// Peers that took part, those left out below included.
    pub peers_total: u64,
    /// Those that held most, at most [`Incident::PEERS_MAX`], the most costly first.
    pub peers: Vec<IncidentPeer>,
    /// Processes that owned their stalled connections, as far as they were found.
    pub owners: Vec<Process>,
    /// The flag it began with; `null` for memory pressure alone.
    pub first_flag: Option<IncidentFlag>,
    /// The worst flag: on the peer of the highest severity that held most.
    pub worst_flag: Option<IncidentFlag>,
    /// What ended it; `null` while a condition stands.
    pub end: Option<IncidentEnd>,
}

impl Incident {
    /// Most peers told of one incident.
    pub const PEERS_MAX: usize = 32;
    /// Most kills told of one incident.
    pub const KILLS_MAX: usize = 16;
}

/// A peer that took part in an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentPeer {
    /// The peer.
    pub peer: String,
    /// What it was last taken to be while it took part.
    pub verdict: Option<Verdict>,
    /// Its worst severity.
    pub severity: Severity,
    /// Kinds of flags that stood on it.
    pub flags: Vec<FlagKind>,
    /// Most stalled connections at once.
    pub peak_stalled_connections: u64,
    /// Most kernel memory that they held at once.
    pub peak_pinned_bytes: u64,
    /// Most workers of our own programs that waited for it at once, at least; `null` where none was seen to
    /// wait.
    #[serde(default)]
    pub peak_held_workers: Option<u64>,
    /// When it was first seen to take part.
    pub since: String,
    /// When it was last.
    pub until: String,
}

/// A flag of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentFlag {
    /// Since when it stood.
    pub time: String,
    /// Which.
    pub kind: FlagKind,
    /// On whom.
    pub peer: String,
    /// How much the peer mattered.
    pub severity: Severity,
}

/// The incident that goes on, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenIncident {
    /// Its id.
    pub id: String,
    /// When it began.
    pub began: String,
    /// What stood in it so far.
    pub kinds: Vec<IncidentKind>,
}
