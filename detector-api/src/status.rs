//! `/v1/status`: the state of the agent itself.

use crate::budget::Budget;
use crate::snapshot::{HeldWorkers, Thresholds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The object of `/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Process ID of the agent.
    pub pid: u32,
    /// When it started: events are numbered from then on.
    #[serde(default)]
    pub started: String,
    /// Since the start.
    pub uptime_seconds: f64,
    /// Whether every probe is attached.
    pub ready: bool,
    /// Why it is not ready; `null` if it is.
    pub unready_reason: Option<String>,
    /// Whether each probe is attached.
    pub probes: BTreeMap<String, bool>,
    /// The sweep over all sockets.
    pub sweep: Sweep,
    /// Records from the kernel side.
    pub records: Records,
    /// Fill of the tables.
    pub tables: Tables,
    /// Events kept.
    pub events: Events,
    /// The thresholds that the agent judges by; older agents do not send them.
    #[serde(default)]
    pub thresholds: Option<Thresholds>,
    /// Whether the agent is not in the kernel's first PID namespace: containers or nodes beside its own
    /// share the kernel, their sockets are seen and their processes are not.
    #[serde(default)]
    pub shared_kernel: bool,
    /// Connections in the table that belong to those.
    #[serde(default)]
    pub connections_of_others: u64,
    /// Services that own stalled connections, and how many of their tasks those hold up.
    #[serde(default)]
    pub held_workers: Vec<HeldWorkers>,
    /// The flight recorder; `null` where none is kept.
    #[serde(default)]
    pub recorder: Option<Recorder>,
    /// What the agent uses of the processors, and what it gives up to use less; older agents do not
    /// send it.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Why the kernel's log is not read, so that who was killed for want of memory is not known; `null`
    /// while it is.
    #[serde(default)]
    pub kernel_log_failure: Option<String>,
    /// What the agent may still do; `null` while it starts.
    #[serde(default)]
    pub privilege: Option<Privilege>,
    /// The guard; older agents have none.
    #[serde(default)]
    pub guard: Option<GuardState>,
    /// Whether the last reload of the configuration was applied.
    pub last_reload_successful: bool,
}

/// What the agent may still do, as the kernel says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Privilege {
    /// Capabilities that it has kept, as `capabilities(7)` names them.
    pub capabilities: Vec<String>,
    /// Whether no program that it starts can gain more.
    pub no_new_privileges: bool,
    /// Whether system calls that it never makes are forbidden.
    pub seccomp: bool,
    /// Whether `clone3(2)`, with which it could make namespaces, is forbidden by a filter of its own.
    #[serde(default)]
    pub seccomp_clone3: bool,
    /// Whether the kernel bounds which files it opens; not in threads that look at processes of others.
    #[serde(default)]
    pub landlock: bool,
}

/// The guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardState {
    /// `off`, `dry-run` or `enforce`.
    pub mode: String,
    /// The pressure under which it acts, or would; `null` while there is none.
    pub pressure: Option<String>,
}

/// The flight recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recorder {
    /// Its file; `null` if it could not be opened.
    pub file: Option<String>,
    /// Its size, log included.
    pub bytes: u64,
    /// Why nothing is written at present; `null` while it is.
    pub failure: Option<String>,
}

/// The sweep over all sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as the metrics of the same names")]
pub struct Sweep {
    pub rounds: u64,
    pub seconds: f64,
    pub sockets: u64,
    pub interval_seconds: f64,
    /// Between two passes over all network namespaces that nothing calls for: what the hooks should have
    /// missed is found within it, but for what is in networks that are put off.
    #[serde(default)]
    pub full_interval_seconds: f64,
    /// Passes over one network namespace, since the start.
    #[serde(default)]
    pub passes: u64,
    pub namespaces: u64,
    /// Network namespaces that went away before they were swept, since the start.
    #[serde(default)]
    pub namespaces_missed: u64,
    /// Times one that somebody may have laid out for himself was left for a later round, since the start: those
    /// to which this host's way in leads come first.
    #[serde(default)]
    pub namespaces_put_off: u64,
}

/// Records from the kernel side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as the metrics of the same names")]
pub struct Records {
    pub received: u64,
    pub lost: BTreeMap<String, u64>,
    #[serde(default)]
    pub held_back: BTreeMap<String, u64>,
}

/// Fill of the tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as the metrics of the same names")]
pub struct Tables {
    pub peers: u64,
    pub connections: u64,
    pub peer_evictions: u64,
    pub connection_evictions: u64,
    pub maps: BTreeMap<String, Fill>,
}

/// Fill of one map of the kernel side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Fill {
    pub entries: u64,
    pub capacity: u64,
}

/// Numbers of the oldest and newest event kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Events {
    pub oldest_id: u64,
    pub newest_id: u64,
}
