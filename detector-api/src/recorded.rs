//! What stands in a recorder's columns: words of closed lists, and the object of an OOM kill.

use crate::labelled::labelled;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

labelled! {
    /// What a note tells of.
    NoteKind {
        /// A peer is taken to be something else.
        Verdict = "verdict",
        /// Somebody, or the guard, acted.
        Action = "action",
        /// The configuration changed.
        Configuration = "configuration",
        /// A message of the kernel.
        Kernel = "kernel",
        /// The kernel killed a process for want of memory.
        OomKill = "oom-kill",
        /// The agent gave something up to cost less, or took it up again.
        Budget = "budget",
    }
}

labelled! {
    /// Why nothing was seen for a while.
    GapReason {
        /// No agent ran: it was stopped.
        Stopped = "stopped",
        /// No agent ran: it was killed or crashed.
        Killed = "killed",
        /// The host went down without the agent being stopped.
        HostDown = "host-down",
        /// The agent was kept from running: frozen, suspended or starved.
        Frozen = "frozen",
        /// There was no room to write.
        DiskFull = "disk-full",
        /// The file was damaged and was set aside with all that it held.
        Damaged = "damaged",
        /// Nothing could be written for another reason.
        WriteFailed = "write-failed",
        /// The wall clock was set: times before and after do not follow each other.
        ClockStep = "clock-step",
    }
}

labelled! {
    /// Whose memory was short at an OOM kill.
    #[derive(Default)]
    KillScope {
        /// The host's.
        Host = "host",
        /// A control group's: it had reached its limit.
        ControlGroup = "control-group",
        /// Nobody says.
        #[default]
        Unknown = "unknown",
    }
}

/// A process that the kernel killed for want of memory: `json` of a note `oom-kill`. What neither the
/// kernel's log nor the hook on `oom:mark_victim` tells is `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OomKill {
    /// Its number in the kernel's first PID namespace.
    pub pid: Option<u64>,
    /// Its name, at most 15 bytes.
    pub name: Option<String>,
    /// systemd unit or container, as of the owner of a connection.
    pub unit: Option<String>,
    /// Its control group.
    pub cgroup: Option<String>,
    /// Whose memory was short.
    pub scope: KillScope,
    /// Anonymous memory that it held.
    pub anonymous_bytes: Option<u64>,
    /// Mapped files.
    pub file_bytes: Option<u64>,
    /// Shared memory.
    pub shared_bytes: Option<u64>,
    /// What sockets of its control group held.
    pub socket_bytes: Option<u64>,
    /// The limit of the control group: of the one that had reached it, if that is known.
    pub limit_bytes: Option<u64>,
    /// Whether the hook told it.
    pub by_hook: bool,
    /// Whether the kernel's log did.
    pub by_log: bool,
}

impl OomKill {
    /// What two sources tell of the same kill; where both say something, this one's word counts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            pid: self.pid.or(other.pid),
            name: self.name.or(other.name),
            unit: self.unit.or(other.unit),
            cgroup: self.cgroup.or(other.cgroup),
            scope: match self.scope {
                KillScope::Unknown => other.scope,
                known => known,
            },
            anonymous_bytes: self.anonymous_bytes.or(other.anonymous_bytes),
            file_bytes: self.file_bytes.or(other.file_bytes),
            shared_bytes: self.shared_bytes.or(other.shared_bytes),
            socket_bytes: self.socket_bytes.or(other.socket_bytes),
            limit_bytes: self.limit_bytes.or(other.limit_bytes),
            by_hook: self.by_hook || other.by_hook,
            by_log: self.by_log || other.by_log,
        }
    }
}
