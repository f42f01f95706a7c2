//! A host, and what happened on it second by second.

use super::Time;
use detector_api::tcp_memory::HeldBytes;
use schemars::JsonSchema;
use serde::Serialize;

/// One host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HostPart {
    /// Its name.
    pub host: String,
    /// The recorder.
    pub file: String,
    /// Whether an agent wrote it while the report was made.
    pub is_written: bool,
    /// Starts of the host in the recorded time.
    pub boots: u64,
    /// The first moment recorded.
    pub first: Time,
    /// The last moment recorded.
    pub last: Time,
    /// The host over the span; of seconds left out for brevity, those in which most was held stand
    /// for the others.
    pub timeline: Vec<Point>,
    /// Spans in which nothing was seen.
    pub gaps: Vec<GapPart>,
    /// Moments that stand out.
    pub marks: Vec<Mark>,
}

/// The host in one second. What was not known is `null`.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Point {
    /// When.
    pub time: Time,
    /// Load average over one minute.
    pub load_one: Option<f64>,
    /// Share of ten seconds in which a task waited for a processor, in percent.
    pub cpu_some_percent: Option<f64>,
    /// The same for memory.
    pub memory_some_percent: Option<f64>,
    /// The same for memory, all tasks at once.
    pub memory_full_percent: Option<f64>,
    /// The same for disks.
    pub io_some_percent: Option<f64>,
    /// Memory that programs could still have had.
    pub memory_available_bytes: Option<u64>,
    /// Memory of the host.
    pub memory_total_bytes: Option<u64>,
    /// Memory that the kernel's TCP took.
    pub tcp_memory_bytes: Option<u64>,
    /// At this it refuses.
    pub tcp_memory_limit_bytes: Option<u64>,
    /// Who held it, by the last look at all sockets; `null` where nobody had looked lately.
    pub tcp_memory_held: Option<HeldBytes>,
    /// Kernel memory that stalled connections held.
    pub pinned_bytes: Option<u64>,
    /// How many were stalled.
    pub stalled_connections: Option<u64>,
    /// Workers that slept in a write to one of them.
    pub held_workers: Option<u64>,
    /// Kills by the OOM killer since the host started.
    pub oom_kills: Option<u64>,
}

/// A span in which nothing was seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GapPart {
    /// Its begin.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Why: the word of the recorder.
    pub reason: String,
    /// Why, in words.
    pub text: String,
}

/// A moment that stands out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Mark {
    /// When.
    pub time: Time,
    /// What.
    pub kind: MarkKind,
    /// What happened.
    pub text: String,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// The kernel killed a process for want of memory.
    OomKill,
    /// The host started.
    Reboot,
    /// The agent started.
    AgentStart,
}
