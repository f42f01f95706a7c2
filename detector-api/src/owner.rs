//! Who on this host holds connections, and what it may have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A process that owns a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Process number in the agent's own PID namespace.
    pub pid: u32,
    /// Command name, sanitized.
    pub comm: String,
    /// systemd unit or container, if any; sanitized.
    pub unit: Option<String>,
    /// Path of the executable as the process sees it, if readable; sanitized.
    #[serde(default)]
    pub executable: Option<String>,
    /// The one thread known to sleep in a write to the connection.
    #[serde(default)]
    pub thread: Option<u32>,
}

/// What a service is called that is neither a unit nor a container. Never the bare command: it could be the
/// label under which a metric sums the rest.
#[must_use]
pub fn command_of(comm: &str, executable: &str) -> String {
    format!("{comm} ({executable})")
}

/// How many tasks of a service wait for peers that do not take their data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldWorkers {
    /// systemd unit or container; else command name and executable. Sanitized.
    pub service: String,
    /// Tasks (processes or threads) that sleep in a write to a stalled connection; `null` where none
    /// is seen to. That does not mean that nothing waits: an event loop, or goroutines, may serve
    /// those connections, and what of their work waits does not show.
    pub held: Option<u64>,
    /// Tasks of the service, those that never serve a connection included.
    pub total: u64,
    /// Stalled connections of the service; one worker may hold many without waiting for any.
    pub stalled_connections: u64,
    /// The memory it may have; `null` where no control group limits it, or where those of this host
    /// do not count sockets (cgroup v1).
    #[serde(default)]
    pub memory: Option<UnitMemory>,
}

/// Memory of the control group that limits a unit or container most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitMemory {
    /// What it may have (`memory.max`).
    pub limit_bytes: u64,
    /// What it has (`memory.current`).
    pub used_bytes: u64,
    /// What its sockets take of that (`memory.stat`, `sock`).
    pub socket_bytes: u64,
    /// What its stalled connections pin.
    pub pinned_bytes: u64,
}

/// What stalled connections of one peer hold of the memory that a unit or container may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitShare {
    /// systemd unit or container.
    pub unit: String,
    /// What they pin.
    pub pinned_bytes: u64,
    /// What the unit may have.
    pub limit_bytes: u64,
}
