//! Connections.

use super::{Direction, Process, Retransmits, Shrinks, Source, StallCause};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    #[serde(deserialize_with = "super::numbers::read")]
    pub bytes_acked_per_second: u64,
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
