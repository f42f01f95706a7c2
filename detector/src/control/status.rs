//! `/v1/status`: how the agent itself is.

use crate::kernel::KernelStatus;
use crate::live::Live;
use detector_core::snapshot::{HeldWorkers, Thresholds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The object of `/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Status {
    /// Version of the agent.
    pub(crate) version: String,
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Number of the agent's process.
    pub(crate) pid: u32,
    /// When it started: events are numbered from then on.
    #[serde(default)]
    pub(crate) started: String,
    /// Since the start.
    pub(crate) uptime_seconds: f64,
    /// Whether every probe is attached.
    pub(crate) ready: bool,
    /// Why it is not ready; `null` if it is.
    pub(crate) unready_reason: Option<String>,
    /// Whether each probe is attached.
    pub(crate) probes: BTreeMap<String, bool>,
    /// The sweep over all sockets.
    pub(crate) sweep: Sweep,
    /// Records from the kernel side.
    pub(crate) records: Records,
    /// Fill of the tables.
    pub(crate) tables: Tables,
    /// Events kept.
    pub(crate) events: Events,
    /// What the agent judges by; absent from agents that are older than it.
    #[serde(default)]
    pub(crate) thresholds: Option<Thresholds>,
    /// Services that own stalled connections, and how many of their tasks those hold.
    #[serde(default)]
    pub(crate) held_workers: Vec<HeldWorkers>,
    /// Whether the last reload of the configuration was applied.
    pub(crate) last_reload_successful: bool,
}

/// The sweep over all sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as the metrics of the same names")]
pub(crate) struct Sweep {
    pub(crate) rounds: u64,
    pub(crate) seconds: f64,
    pub(crate) sockets: u64,
    pub(crate) interval_seconds: f64,
    pub(crate) namespaces: u64,
    /// Network namespaces that went away before they were swept, since the start.
    #[serde(default)]
    pub(crate) namespaces_missed: u64,
}

/// Records from the kernel side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as the metrics of the same names")]
pub(crate) struct Records {
    pub(crate) received: u64,
    pub(crate) lost: BTreeMap<String, u64>,
}

/// Fill of the tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as the metrics of the same names")]
pub(crate) struct Tables {
    pub(crate) peers: u64,
    pub(crate) connections: u64,
    pub(crate) peer_evictions: u64,
    pub(crate) connection_evictions: u64,
    pub(crate) maps: BTreeMap<String, Fill>,
}

/// Fill of one map of the kernel side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) struct Fill {
    pub(crate) entries: u64,
    pub(crate) capacity: u64,
}

/// Numbers of the oldest and newest event kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) struct Events {
    pub(crate) oldest_id: u64,
    pub(crate) newest_id: u64,
}

/// Records lost, held back or refused, by stage.
pub(super) fn lost(kernel: &KernelStatus, refused: u64) -> BTreeMap<String, u64> {
    let lost = kernel.records_lost.iter();
    let lost = lost.map(|(stage, count)| ((*stage).to_owned(), *count));
    lost.chain([("decode".to_owned(), refused)]).collect()
}

impl Status {
    /// The status of this moment.
    pub(super) fn of(live: &Live) -> Self {
        let kernel = live.kernel_status().unwrap_or_default();
        let (core, events, thresholds) = live.with_engine(|engine| {
            let events = Events {
                oldest_id: engine.first_event_id(),
                newest_id: engine.last_event_id(),
            };
            (engine.totals(), events, engine.thresholds())
        });
        let unready_reason = live.unready_reason();
        let lost = lost(&kernel, core.records_refused);
        let maps = kernel.maps.into_iter().map(|map| {
            let fill = Fill {
                entries: map.entries,
                capacity: map.capacity,
            };
            (map.name, fill)
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            pid: std::process::id(),
            started: live.started_text(),
            uptime_seconds: live.uptime_seconds(),
            ready: unready_reason.is_none(),
            unready_reason,
            probes: kernel.probes.into_iter().collect(),
            sweep: Sweep {
                rounds: kernel.sweeps_total,
                seconds: kernel.sweep_seconds,
                sockets: kernel.sweep_sockets,
                interval_seconds: kernel.sweep_interval_seconds,
                namespaces: kernel.namespaces,
                namespaces_missed: kernel.namespaces_missed,
            },
            records: Records {
                received: kernel.records_received,
                lost,
            },
            tables: Tables {
                peers: core.peers_tracked,
                connections: core.connections_tracked,
                peer_evictions: core.peer_evictions,
                connection_evictions: core.connection_evictions,
                maps: maps.collect(),
            },
            events,
            thresholds: Some(thresholds),
            held_workers: live.owners.report().held_workers,
            last_reload_successful: live.is_last_reload_successful(),
        }
    }
}
