//! Requests for actions and their answers: the JSON of `/v1/reset`, `/v1/block`, `/v1/unblock` and
//! `/v1/blocked`.
//!
//! Field names are a contract: add freely, rename never.

use crate::labelled::labelled;
use crate::snapshot::{Process, StallCause};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a connection must have been stalled to be reset, unless asked otherwise.
pub const STALLED_FOR_SECONDS: f64 = 30.0;

/// Body of `POST /v1/reset`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// Whose sockets.
    pub peer: String,
    /// Only those that have been stalled for at least this long.
    #[serde(default = "stalled_for_seconds")]
    pub stalled_for_seconds: f64,
    /// Only these, if they have been stalled for that long; all of the peer's if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<SocketName>>,
    /// Says what would be done and does nothing.
    #[serde(default)]
    pub dry_run: bool,
}

const fn stalled_for_seconds() -> f64 {
    STALLED_FOR_SECONDS
}

/// Names one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocketName {
    /// Local address and port; any if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Remote address and port.
    pub remote: String,
    /// Network namespace; any if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<u32>,
}

/// Answer to `POST /v1/reset`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResetAnswer {
    /// The peer, as the agent names it.
    pub peer: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What was asked for.
    pub stalled_for_seconds: f64,
    /// The stalled sockets, those that pin most first.
    pub sockets: Vec<ResetSocket>,
    /// How many were reset, or would be.
    pub reset: u64,
    /// Kernel memory that was freed, or would be.
    pub freed_bytes: u64,
    /// Stalled sockets that were left alone because they have not been stalled for long enough.
    pub too_young: u64,
    /// Stalled connections beyond the thousand that were considered, which are those stalled for
    /// longest; once those are gone, asking again reaches them.
    pub not_looked_at: u64,
}

/// One socket of a [`ResetAnswer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResetSocket {
    /// Local address and port.
    pub local: String,
    /// Remote address and port.
    pub remote: String,
    /// Network namespace, the number in `/proc/PID/ns/net`.
    pub netns: u32,
    /// TCP state with its RFC 9293 name.
    pub state: String,
    /// Why it is held up.
    pub stall: StallCause,
    /// For how long it has been held up.
    pub stalled_seconds: f64,
    /// Kernel memory that it held when it was last seen.
    pub pinned_bytes: u64,
    /// Processes that hold the socket, or held it last; the most plausible first.
    pub processes: Vec<Process>,
    /// What became of it.
    pub outcome: ResetOutcome,
    /// Why, where the outcome does not say it all.
    pub reason: Option<String>,
}

labelled! {
    /// What became of one socket.
    ResetOutcome {
        /// Closed; its owner gets an error, its peer an RST.
        Reset = "reset",
        /// It would be closed, without `dry_run`.
        WouldReset = "would-reset",
        /// It was closed meanwhile.
        Gone = "gone",
        /// The peer has taken data since: no longer stalled.
        Resumed = "resumed",
        /// Left alone for the reason given.
        LeftAlone = "left-alone",
        /// The kernel refused.
        Failed = "failed",
    }
}

/// Body of `POST /v1/block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockRequest {
    /// An address, or a network as `ADDRESS/LENGTH`.
    pub network: String,
    /// For how long.
    pub for_seconds: u64,
    /// Says what would be done and does nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answer to `POST /v1/block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockAnswer {
    /// The network; a single address has its full length.
    pub network: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// For how long.
    pub for_seconds: u64,
    /// When the block expires.
    pub until: String,
    /// Until when it was blocked before, if it was.
    pub was_blocked_until: Option<String>,
}

/// Body of `POST /v1/unblock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnblockRequest {
    /// The network, as it was blocked.
    pub network: String,
    /// Says what would be done and does nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answer to `POST /v1/unblock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnblockAnswer {
    /// The network.
    pub network: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Until when it would have been blocked.
    pub was_blocked_until: String,
}

/// A row of `/v1/blocked`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// The network.
    pub network: String,
    /// When it was blocked.
    pub since: String,
    /// When the block expires.
    pub until: String,
    /// Time until then.
    pub seconds_left: f64,
    /// The user who asked for it; of the guard, that of the agent.
    pub uid: u32,
    /// Whether the guard made it.
    #[serde(default)]
    pub guard: bool,
    /// Whether it only limits new connections.
    #[serde(default)]
    pub limit: bool,
}
