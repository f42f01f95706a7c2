//! What leaves the core: plain values with the field names and units of the published JSON.
//!
//! Field names are a contract: add freely, rename never. Times are RFC 3339 in UTC, sizes bytes,
//! durations seconds.

mod assessment;
mod evidence;
mod flag;
mod guard;
mod incident;
mod kinds;
pub(crate) mod numbers;

pub use assessment::{Advice, Assessment, BenignCause, Change, Condition, Considered, Outcome};
pub use evidence::{Evidence, HoardThresholds};
pub use flag::*;
pub use guard::{GuardAct, GuardStep};
pub use incident::{
    HostPressure, Incident, IncidentCounts, IncidentEnd, IncidentFlag, IncidentKind, IncidentPeer,
    OpenIncident,
};
pub use kinds::{Confidence, Direction, EventType, Severity, Source, StallCause, Verdict};
pub use numbers::Numbers;

use schemars::JsonSchema;

use serde::{Deserialize, Serialize};

/// Counts by severity of a window shrink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shrinks {
    /// Nothing in flight was taken back.
    pub polite: u64,
    /// Below data in flight, to a window above zero.
    pub below_flight: u64,
    /// To zero with data in flight.
    pub treason: u64,
}

/// Segments sent again, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retransmits {
    /// Taken for lost.
    pub loss: u64,
    /// By the loss-probe timer, to draw an acknowledgement.
    #[serde(default)]
    pub tail_probe: u64,
    /// While the window was zero.
    pub window_probe: u64,
}

impl Retransmits {
    /// Each cause by its label.
    #[must_use]
    pub const fn by_cause(&self) -> [(&'static str, u64); 3] {
        [
            ("loss", self.loss),
            ("tail_probe", self.tail_probe),
            ("window_probe", self.window_probe),
        ]
    }
}

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

/// Thresholds in force, as configured under `[detect]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thresholds {
    /// Queued data without progress for this long is a stall.
    pub stall_after_seconds: f64,
    /// Draining less than this while the peer's window is the limit is a dribble.
    pub dribble_floor_bytes_per_second: u64,
    /// Over this long.
    pub dribble_over_seconds: f64,
    /// Stalled connections of one peer from which it hoards.
    pub hoard_connections: u64,
    /// Pinned bytes of one peer from which it hoards.
    pub hoard_bytes: u64,
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

/// One peer: what its connections hold now, and totals since the agent started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Address without port; IPv6 as a network.
    pub peer: String,
    /// What the peer is taken to be; `null` while there is no evidence of anything.
    pub verdict: Option<Verdict>,
    /// How sure that is; `null` without a verdict.
    #[serde(default)]
    pub confidence: Option<Confidence>,
    /// Whether it belongs to a trusted network.
    #[serde(default)]
    pub trusted: bool,
    /// Kinds of flags that stand now, longest first.
    #[serde(default)]
    pub flags: Vec<StandingFlag>,
    /// From what it costs.
    pub severity: Severity,
    /// Connections that are tracked because they misbehaved at some time.
    pub connections: u64,
    /// Connections with queued data held up now.
    pub stalled_connections: u64,
    /// All its connections that the kernel has, of a suspect; `null` while it has not been asked.
    #[serde(default)]
    pub connections_all: Option<u64>,
    /// Those of them that take what they are sent.
    #[serde(default)]
    pub connections_well: Option<u64>,
    /// Kernel memory the stalled connections hold now.
    pub pinned_bytes: u64,
    /// Integral of `pinned_bytes` over time.
    pub pinned_byte_seconds: f64,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Seconds in zero window with data queued, all connections added.
    pub zero_window_seconds: f64,
    /// Longest stall of one connection.
    pub longest_stall_seconds: f64,
    /// Window shrinks.
    pub window_shrinks: Shrinks,
    /// Segments sent again.
    pub retransmits: Retransmits,
    /// Of those, known to have been needless.
    #[serde(default)]
    pub retransmits_needless: u64,
    /// What the tracked connections drained in the last sweep interval.
    pub bytes_acked_per_second: f64,
    /// Who opened its connections.
    #[serde(default)]
    pub direction: Direction,
    /// Local ports.
    pub services: Vec<u16>,
    /// Owners of the stalled connections; while there are none, those that were named last, also of
    /// connections that are closed.
    pub processes: Vec<Process>,
    /// First record of this peer.
    pub first_seen: String,
    /// Last record of this peer.
    pub last_seen: String,
}

impl Peer {
    /// One of which nothing but its name is known.
    #[must_use]
    pub const fn unknown(peer: String) -> Self {
        Self {
            peer,
            verdict: None,
            confidence: None,
            trusted: false,
            flags: Vec::new(),
            severity: Severity::Info,
            connections: 0,
            stalled_connections: 0,
            connections_all: None,
            connections_well: None,
            pinned_bytes: 0,
            pinned_byte_seconds: 0.0,
            zero_window_episodes: 0,
            zero_window_seconds: 0.0,
            longest_stall_seconds: 0.0,
            window_shrinks: Shrinks {
                polite: 0,
                below_flight: 0,
                treason: 0,
            },
            retransmits: Retransmits {
                loss: 0,
                tail_probe: 0,
                window_probe: 0,
            },
            retransmits_needless: 0,
            bytes_acked_per_second: 0.0,
            direction: Direction::Unknown,
            services: Vec::new(),
            processes: Vec::new(),
            first_seen: String::new(),
            last_seen: String::new(),
        }
    }
}

/// A kind of flag that stands on a peer or on connections of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandingFlag {
    /// Which.
    pub kind: FlagKind,
    /// Since when at least one has stood.
    pub since: String,
    /// Connections it stands on; for `stall-hoard` 1, the peer.
    pub connections: u64,
}

/// One peer with its weighing and its connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerDetail {
    /// The peer.
    pub peer: Peer,
    /// What it is taken to be, and why.
    pub assessment: Assessment,
    /// How many connections it has in the table.
    pub connections_total: u64,
    /// Those that cost most, at most [`PeerDetail::CONNECTIONS_MAX`], the most costly first.
    pub connections: Vec<Connection>,
    /// What its stalled connections hold of the memory of units and containers that have a limit, the
    /// most first.
    #[serde(default)]
    pub unit_shares: Vec<UnitShare>,
}

impl PeerDetail {
    /// Most connections told of one peer.
    pub const CONNECTIONS_MAX: usize = 1_000;
}

/// Where a connection stands in its numbers: 32 bits that wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceNumbers {
    /// First sequence number not yet acknowledged.
    pub snd_una: u32,
    /// Next sequence number to send: what is in flight ends before it.
    pub snd_nxt: u32,
    /// Right edge of the window: the first sequence number that the peer does not want.
    pub edge: u32,
    /// Highest right edge ever offered; `null` where none is known.
    pub edge_max: Option<u32>,
}

/// One connection that misbehaved at some time and still lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// The peer it belongs to.
    pub peer: String,
    /// Local address and port.
    pub local: String,
    /// Remote address and port.
    pub remote: String,
    /// Network namespace, the number in `/proc/PID/ns/net`.
    pub netns: u32,
    /// Who opened it: `inbound`, `outbound` or `unknown`.
    #[serde(default)]
    pub direction: Direction,
    /// TCP state with its RFC 9293 name, for instance `CLOSE-WAIT`.
    pub state: String,
    /// Why it is held up; `null` while it is not.
    pub stall: Option<StallCause>,
    /// For how long it has been held up; 0 while it is not.
    pub stalled_seconds: f64,
    /// Whether a zero-window episode is going on.
    pub in_zero_window: bool,
    /// The peer's window now.
    pub window_bytes: u64,
    /// The peer's window shift.
    pub window_shift: u8,
    /// Largest window ever offered.
    pub max_window_bytes: u64,
    /// Sequence numbers of our sending side.
    #[serde(flatten)]
    pub sequence: SequenceNumbers,
    /// How far the right edge lies below its maximum now.
    pub retracted_bytes: u64,
    /// How far it ever lay below.
    pub retracted_max_bytes: u64,
    /// Written but not acknowledged.
    pub queued_bytes: u64,
    /// Sent but not acknowledged.
    pub in_flight_bytes: u64,
    /// `sk_wmem_queued`.
    pub pinned_bytes: u64,
    /// Effective sending MSS.
    pub mss_bytes: u64,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Seconds in zero window with data queued.
    pub zero_window_seconds: f64,
    /// Window shrinks.
    pub window_shrinks: Shrinks,
    /// Retreats of the edge within the rounding bound.
    pub granularity_retreats: u64,
    /// Smaller windows that may be reordered segments.
    pub ambiguous_windows: u64,
    /// Segments outside the sequence or acknowledgement window.
    pub ignored_segments: u64,
    /// Segments sent again.
    pub retransmits: Retransmits,
    /// Of those, known to have been needless.
    #[serde(default)]
    pub retransmits_needless: u64,
    /// Payload acknowledged since the connection began.
    pub bytes_acked: u64,
    /// What it drained in the last sweep interval.
    pub bytes_acked_per_second: f64,
    /// Smoothed round-trip time.
    pub rtt_seconds: f64,
    /// Timer armed: `none`, `retransmit`, `window_probe`, `loss_probe`, `reorder`, `other`.
    pub timer: String,
    /// Whether no process holds the socket any more.
    pub is_orphan: bool,
    /// Whether it is an MPTCP subflow: its window is shared with others, so its shrinks are none.
    #[serde(default)]
    pub is_subflow: bool,
    /// Inode number of the socket.
    pub inode: Option<u64>,
    /// Processes that hold the socket, or held it last; the most plausible first.
    #[serde(default)]
    pub processes: Vec<Process>,
    /// Whether no process of the agent's own PID namespace holds it: it belongs to another container
    /// or node on this kernel.
    #[serde(default)]
    pub owner_out_of_sight: bool,
    /// Whether its other end is a program on this host.
    #[serde(default)]
    pub within_host: bool,
    /// Which sources saw it.
    pub source: Source,
    /// First record.
    pub first_seen: String,
    /// Last record.
    pub last_seen: String,
}

/// Something that happened, one line of `/v1/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Running number, starts at 1 with the agent.
    pub id: u64,
    /// When it happened.
    pub time: String,
    /// `flag` (raised), `cleared` (the condition ended), `episode` (a zero-window episode ended) or
    /// `guard` (it has acted on the peer, or would have).
    pub event: EventType,
    /// Kind of the flag (for an episode `zero-window-stall`), and the numbers it rests on.
    #[serde(flatten)]
    pub flag: FlagEvidence,
    /// What the peer is taken to be at this moment.
    pub verdict: Option<Verdict>,
    /// How much it matters.
    pub severity: Severity,
    /// The peer.
    pub peer: String,
    /// Local address and port; `null` for a flag on a peer as a whole.
    pub local: Option<String>,
    /// Remote address and port.
    pub remote: Option<String>,
    /// Network namespace.
    pub netns: Option<u32>,
    /// Who opened the connection; for a flag on a peer as a whole, its connections.
    #[serde(default)]
    pub direction: Direction,
    /// Sequence numbers of our sending side; absent for a flag on a peer as a whole.
    #[serde(flatten)]
    pub sequence: Option<SequenceNumbers>,
    /// Which source saw it.
    pub source: Source,
    /// What the guard has done; of an event `guard` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardStep>,
}

impl Event {
    /// Kind of the flag.
    #[must_use]
    pub const fn kind(&self) -> FlagKind {
        self.flag.kind()
    }
}

#[cfg(test)]
mod tests;
