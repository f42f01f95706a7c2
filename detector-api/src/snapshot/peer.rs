//! Peers.

use super::{
    Assessment, Confidence, Connection, Direction, FlagKind, Process, Retransmits, Severity,
    Shrinks, UnitShare, Verdict,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// All its connections that the kernel has, of a suspect, and never fewer than are tracked; `null` while it has
    /// not been asked.
    #[serde(default)]
    pub connections_all: Option<u64>,
    /// Those of them that take what they are sent.
    #[serde(default)]
    pub connections_well: Option<u64>,
    /// Kernel memory the stalled connections hold now.
    pub pinned_bytes: u64,
    /// Workers of our own programs that wait for it, at least: where tasks could wait for several peers, only
    /// those are counted that must wait for this one. `null` where none is seen to wait.
    #[serde(default)]
    pub held_workers: Option<u64>,
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
    #[serde(deserialize_with = "super::numbers::read")]
    pub bytes_acked_per_second: u64,
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
            held_workers: None,
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
            bytes_acked_per_second: 0,
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
