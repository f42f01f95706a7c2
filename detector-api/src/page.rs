//! `/v1/peers/{peer}`: one peer, weighed, with its connections and what happened.

use crate::snapshot::{Event, PeerDetail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The object of `/v1/peers/{peer}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerPage {
    /// The peer, its weighing and its connections.
    #[serde(flatten)]
    pub detail: PeerDetail,
    /// What happened, the oldest first.
    #[serde(default)]
    pub events: Vec<Event>,
}
