//! `/v1/host`: how hard pressed the host is, what its stalled connections hold, what watching costs.

use crate::clock;
use crate::host::pressure::{
    InterfaceReport, Load, Memory, OwnCost, Pressure, Sockets, Stalls, TcpMemory,
};
use crate::live::Live;
use detector_core::snapshot::{OpenIncident, Retransmits, Shrinks, StallCause};
use detector_core::time::rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The object of `/v1/host`. What the kernel does not tell is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Host {
    /// When this was looked at.
    pub(crate) time: String,
    /// Processors that are online.
    pub(crate) processors: Option<u64>,
    /// Load averages.
    pub(crate) load: Option<Load>,
    /// Pressure stall information.
    pub(crate) pressure: Stalls,
    /// Memory of the host.
    pub(crate) memory: Option<Memory>,
    /// The kernel's account of memory for TCP.
    pub(crate) tcp_memory: Option<TcpMemory>,
    /// Sockets.
    pub(crate) sockets: Option<Sockets>,
    /// Errors and drops of network interfaces.
    pub(crate) interfaces: Option<InterfaceReport>,
    /// Sums over all peers.
    pub(crate) totals: Totals,
    /// The incident that goes on; `null` if none does.
    #[serde(default)]
    pub(crate) incident: Option<OpenIncident>,
    /// What the agent itself takes.
    pub(crate) agent: Agent,
    /// Records lost, held back or refused, by stage.
    pub(crate) records_lost: BTreeMap<String, u64>,
}

/// Sums over all peers, since the agent started or of this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Totals {
    /// Peers in the table.
    pub(crate) peers: u64,
    /// Connections in the table.
    pub(crate) connections: u64,
    /// Connections with queued data held up now.
    pub(crate) stalled_connections: u64,
    /// The same by cause.
    pub(crate) stalled_by_cause: BTreeMap<String, u64>,
    /// Kernel memory that the stalled connections hold now.
    pub(crate) pinned_bytes: u64,
    /// Entries into zero window.
    pub(crate) zero_window_episodes: u64,
    /// Seconds in zero window with data queued, all connections added.
    pub(crate) zero_window_seconds: f64,
    /// Window shrinks.
    pub(crate) window_shrinks: Shrinks,
    /// Segments sent again.
    pub(crate) retransmits: Retransmits,
}

/// What the agent itself takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Agent {
    /// Version of the agent.
    pub(crate) version: String,
    /// When it started: events are numbered from then on.
    pub(crate) started: String,
    /// Since the start.
    pub(crate) uptime_seconds: f64,
    /// Whether every probe is attached.
    pub(crate) ready: bool,
    /// Why it is not ready; `null` if it is.
    pub(crate) unready_reason: Option<String>,
    /// Processor and memory.
    #[serde(flatten)]
    pub(crate) cost: OwnCost,
    /// Time the last full round of sweeps took.
    pub(crate) sweep_seconds: f64,
    /// Time between two rounds of sweeps now.
    pub(crate) sweep_interval_seconds: f64,
    /// Sockets met in the last full round.
    pub(crate) sweep_sockets: u64,
}

impl Host {
    /// The host at this moment. Reads files: not for the event loop.
    pub(super) fn of(live: &Live) -> Self {
        let Pressure {
            load,
            stalls,
            memory,
            tcp_memory,
            sockets,
            interfaces,
            own,
        } = live.pressure.look();
        let kernel = live.kernel_status().unwrap_or_default();
        let (totals, incident) =
            live.with_engine(|engine| (engine.totals(), engine.open_incident()));
        let unready_reason = live.unready_reason();
        Self {
            time: rfc3339(clock::unix_ns()),
            processors: std::thread::available_parallelism()
                .ok()
                .map(|count| count.get() as u64),
            load,
            pressure: stalls,
            memory,
            tcp_memory,
            sockets,
            interfaces,
            incident,
            agent: Agent {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started: live.started_text(),
                uptime_seconds: live.uptime_seconds(),
                ready: unready_reason.is_none(),
                unready_reason,
                cost: own,
                sweep_seconds: kernel.sweep_seconds,
                sweep_interval_seconds: kernel.sweep_interval_seconds,
                sweep_sockets: kernel.sweep_sockets,
            },
            records_lost: super::status::lost(&kernel, totals.records_refused),
            totals: Totals {
                peers: totals.peers_tracked,
                connections: totals.connections_tracked,
                stalled_connections: totals.ledger.stalled_connections,
                stalled_by_cause: StallCause::ALL
                    .iter()
                    .zip(totals.stalled_by_cause)
                    .map(|(cause, count)| (cause.label().to_owned(), count))
                    .collect(),
                pinned_bytes: totals.ledger.pinned_bytes,
                zero_window_episodes: totals.ledger.zero_window_episodes,
                zero_window_seconds: totals.ledger.zero_window_seconds,
                window_shrinks: totals.ledger.shrinks,
                retransmits: totals.ledger.retransmits,
            },
        }
    }
}
