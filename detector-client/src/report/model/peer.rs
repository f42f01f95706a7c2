//! A peer, and what it did on each host.

use super::Time;
use detector_api::snapshot::{
    Confidence, Connection, Direction, FlagKind, Process, Severity, Shrinks, Verdict,
};
use schemars::JsonSchema;
use serde::Serialize;

/// One peer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PeerPart {
    /// Address without port; IPv6 as a network.
    pub peer: String,
    /// Whose network it is, where a file of networks says so.
    pub network: Option<Registered>,
    /// Names that its addresses have, where it was asked for them.
    pub names: Vec<String>,
    /// What it was taken to be: while it took part in an incident, or else with its newest flag of the span.
    pub verdict: Option<Verdict>,
    /// How sure that was.
    pub confidence: Option<Confidence>,
    /// Of when confidence, evidence and harmless causes are, where they are of no time of the span; their
    /// sentences begin with it.
    pub as_of: Option<Time>,
    /// Its worst severity.
    pub severity: Severity,
    /// Who opened its connections.
    pub direction: Direction,
    /// Whether it belongs to a trusted network.
    pub trusted: bool,
    /// Kinds of flags that were raised on it.
    pub flags: Vec<FlagKind>,
    /// What speaks for the verdict.
    pub evidence_for: Vec<String>,
    /// What speaks against it, or against a worse one.
    pub evidence_against: Vec<String>,
    /// Harmless causes that are not ruled out.
    pub harmless_causes: Vec<String>,
    /// What it did on each host.
    pub hosts: Vec<PeerOnHost>,
    /// How windows of its worst connections moved.
    pub windows: Vec<WindowPlot>,
}

/// A peer on one host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PeerOnHost {
    /// The host.
    pub host: String,
    /// First flag, or else first record.
    pub first_seen: Time,
    /// Last flag, or else last record.
    pub last_seen: Time,
    /// Most connections that were stalled at once, as far as was recorded.
    pub peak_stalled_connections: u64,
    /// Most kernel memory that they held at once.
    pub peak_pinned_bytes: u64,
    /// Most workers that waited for it at once, at least; `null` where none was seen to wait.
    pub peak_held_workers: Option<u64>,
    /// Longest stall of one connection.
    pub longest_stall_seconds: f64,
    /// Flags raised in the span.
    pub flags: u64,
    /// Of when all that follows is, where it is of no time of the span.
    pub as_of: Option<Time>,
    /// Since when the next two were counted, where that was before the span.
    pub counted_since: Option<Time>,
    /// Entries into zero window since the agent saw it first.
    pub zero_window_episodes: u64,
    /// Window shrinks since then.
    pub window_shrinks: Shrinks,
    /// Local ports.
    pub ports: Vec<u16>,
    /// Owners of its connections.
    pub processes: Vec<Process>,
    /// Its worst connections, as they were last known.
    pub connections: Vec<Connection>,
}

/// What is registered of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Registered {
    /// Name of the network.
    pub name: Option<String>,
    /// Its number as an autonomous system.
    pub as_number: Option<u32>,
    /// Country, as the file names it.
    pub country: Option<String>,
}

/// How the window of one connection moved.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WindowPlot {
    /// The host.
    pub host: String,
    /// Local address and port.
    pub local: String,
    /// Remote address and port.
    pub remote: String,
    /// The first sequence number not acknowledged at the first point: offsets count from here.
    pub first_snd_una: u32,
    /// States, oldest first.
    pub points: Vec<WindowState>,
}

/// A state of a connection's window; offsets are bytes from where the plot begins.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct WindowState {
    /// When.
    pub time: Time,
    /// Everything below was acknowledged.
    pub acknowledged: i64,
    /// Everything below was sent.
    pub sent: i64,
    /// How far the peer let us send.
    pub edge: i64,
    /// The highest of it ever.
    pub edge_max: i64,
    /// Written by our program and not acknowledged.
    pub queued_bytes: u64,
}
