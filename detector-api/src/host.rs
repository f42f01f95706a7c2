//! `/v1/host`: how hard pressed the host is, what its stalled connections hold, what the agent costs.

use crate::budget::Saving;
use crate::snapshot::{InterfaceCounts, OpenIncident, Retransmits, Shrinks};
use crate::tcp_memory::TcpMemoryHeld;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The object of `/v1/host`. What the kernel does not say is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// When this was sampled.
    pub time: String,
    /// Processors that are online.
    pub processors: Option<u64>,
    /// Load averages.
    pub load: Option<Load>,
    /// Pressure stall information.
    pub pressure: Stalls,
    /// Memory of the host.
    pub memory: Option<Memory>,
    /// The kernel's account of memory for TCP.
    pub tcp_memory: Option<TcpMemory>,
    /// Who holds it, from the last look at all sockets; `null` before there was one, or where it is
    /// older than a few minutes.
    #[serde(default)]
    pub tcp_memory_held: Option<TcpMemoryHeld>,
    /// Sockets.
    pub sockets: Option<Sockets>,
    /// Errors and drops of network interfaces.
    pub interfaces: Option<InterfaceReport>,
    /// Connections that listeners could not take.
    #[serde(default)]
    pub listen_queues: Option<ListenQueues>,
    /// Processes that the kernel killed for want of memory, since the host started.
    #[serde(default)]
    pub oom_kills: Option<u64>,
    /// Sums over all peers.
    pub totals: Totals,
    /// The open incident; `null` if there is none.
    #[serde(default)]
    pub incident: Option<OpenIncident>,
    /// What the agent itself costs.
    pub agent: Agent,
    /// Records lost, held back or refused, by stage.
    pub records_lost: BTreeMap<String, u64>,
    /// Records that were not sent, by reason; the next one of the same connection carries all.
    #[serde(default)]
    pub records_held_back: BTreeMap<String, u64>,
}

/// Sums over all peers, since the agent started or of this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Peers in the table.
    pub peers: u64,
    /// Connections in the table.
    pub connections: u64,
    /// Connections with queued data held up now.
    pub stalled_connections: u64,
    /// The same by cause.
    pub stalled_by_cause: BTreeMap<String, u64>,
    /// Kernel memory that the stalled connections hold now.
    pub pinned_bytes: u64,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Seconds in zero window with data queued, all connections added.
    pub zero_window_seconds: f64,
    /// Window shrinks.
    pub window_shrinks: Shrinks,
    /// Times the right edge of an MPTCP subflow moved left, which is no shrink.
    #[serde(default)]
    pub subflow_retreats: u64,
    /// Segments sent again.
    pub retransmits: Retransmits,
    /// Of those, known to have been needless.
    #[serde(default)]
    pub retransmits_needless: u64,
}

/// What the agent itself costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// Version of the agent.
    pub version: String,
    /// When it started: events are numbered from then on.
    pub started: String,
    /// Since the start.
    pub uptime_seconds: f64,
    /// Whether every probe is attached.
    pub ready: bool,
    /// Why it is not ready; `null` if it is.
    pub unready_reason: Option<String>,
    /// Processor and memory.
    #[serde(flatten)]
    pub cost: OwnCost,
    /// Time the last full round of sweeps took.
    pub sweep_seconds: f64,
    /// Time between two rounds of sweeps now.
    pub sweep_interval_seconds: f64,
    /// Sockets met in the last full round.
    pub sweep_sockets: u64,
    /// What it gives up to use less of the processors.
    #[serde(default)]
    pub given_up: Vec<Saving>,
}

/// Load averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over a quarter of an hour.
    pub fifteen: f64,
}

/// Share of the last ten seconds in which tasks waited for a resource, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stall {
    /// At least one task waited.
    pub some_percent: f64,
    /// All of them did; `null` where the kernel does not say (processor, before 5.13).
    pub full_percent: Option<f64>,
}

/// Pressure stall information (`/proc/pressure`); `null` where the kernel has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "named after their files")]
pub struct Stalls {
    pub cpu: Option<Stall>,
    pub memory: Option<Stall>,
    pub io: Option<Stall>,
}

/// Memory of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`: what new programs could have without swapping.
    pub available_bytes: u64,
}

/// The kernel's account of memory for TCP, all namespaces together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpMemory {
    /// Taken now.
    pub used_bytes: u64,
    /// Above this the kernel begins to economize (`tcp_mem`, second number).
    pub pressure_bytes: u64,
    /// At this the kernel refuses more (`tcp_mem`, third number).
    pub limit_bytes: u64,
}

/// Sockets (`/proc/net/sockstat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sockets {
    /// Of all families, in the agent's namespace.
    pub used: u64,
    /// TCP over IPv4, in the agent's namespace.
    pub tcp_in_use: u64,
    /// TCP, in all namespaces.
    pub tcp_allocated: u64,
    /// TCP without a process, in all namespaces.
    pub orphans: u64,
    /// TCP in TIME-WAIT, in the agent's namespace.
    pub time_wait: u64,
    /// As many without a process as the kernel allows (`net.ipv4.tcp_max_orphans`), where it says so.
    #[serde(default)]
    pub orphan_limit: Option<u64>,
    /// Connections that the kernel closed for want of memory or of room for orphans (`TCPAbortOnMemory`),
    /// in the agent's namespace.
    #[serde(default)]
    pub aborted_on_memory: Option<u64>,
}

/// Listeners of the agent's namespace that could not take a connection (`TcpExt` of
/// `/proc/net/netstat`), since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenQueues {
    /// Connections refused because the queue of a listener was full (`ListenOverflows`).
    pub overflows: u64,
    /// Those, and what was dropped at listeners for other reasons (`ListenDrops`).
    pub drops: u64,
}

/// Errors and drops of the interfaces in the agent's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceReport {
    /// Interfaces without the loopback.
    pub count: u64,
    /// Since they came up.
    pub total: InterfaceCounts,
    /// Within the last minute, or since the agent started.
    pub last_minute: InterfaceCounts,
}

/// What the agent itself costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnCost {
    /// Processor time since the sample before, as a share of one core: 0.01 is one percent.
    pub cpu_share: Option<f64>,
    /// Resident memory, without the maps that the kernel holds.
    pub resident_bytes: Option<u64>,
}
