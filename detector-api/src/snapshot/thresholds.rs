//! What is configured, as it is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
