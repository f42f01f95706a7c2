//! Events.

use super::{
    AgentNoteType, Direction, EventType, FlagEvidence, FlagKind, GuardStep, SequenceNumbers,
    Severity, Source, Verdict,
};
use crate::budget::Budget;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// A line of `/v1/events` about the agent itself. It concerns no peer and has no number: whoever asks for what
/// comes after a number may get it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentNote {
    /// What it tells.
    pub event: AgentNoteType,
    /// When it happened.
    pub time: String,
    /// In a sentence.
    pub text: String,
    /// What the agent used, and has given up from here on; `null` where a recorder tells.
    pub budget: Option<Budget>,
}

impl Event {
    /// Kind of the flag.
    #[must_use]
    pub const fn kind(&self) -> FlagKind {
        self.flag.kind()
    }
}
