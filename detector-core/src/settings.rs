//! Thresholds and table sizes, validated by the agent's configuration.

use crate::time::SECOND_NS;

use detector_api::snapshot::Thresholds;

/// Thresholds of the rules; defaults are right for a web host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectSettings {
    /// Queued data without progress for this long is a stall.
    pub stall_after_ns: u64,
    /// Goodput below this while the peer's window is the limit is a dribble.
    pub dribble_floor_bytes_per_second: u64,
    /// Over this long.
    pub dribble_over_ns: u64,
    /// Stalled connections of one peer from which it hoards.
    pub hoard_connections: u64,
    /// Pinned bytes of one peer from which it hoards.
    pub hoard_bytes: u64,
}

impl Default for DetectSettings {
    fn default() -> Self {
        Self {
            stall_after_ns: 5 * SECOND_NS,
            dribble_floor_bytes_per_second: 500,
            dribble_over_ns: 30 * SECOND_NS,
            hoard_connections: 20,
            hoard_bytes: 64 << 20,
        }
    }
}

/// Sizes of the tables and of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// Most peers kept.
    pub peers_capacity: usize,
    /// Most connections kept.
    pub connections_capacity: usize,
    /// Most events kept for readers that come later.
    pub events_capacity: usize,
    /// Peers exported with their own label.
    pub export: usize,
    /// How long a peer stays exported after it last belonged to the top.
    pub export_hold_ns: u64,
    /// IPv6 prefix length that makes a peer.
    pub ipv6_prefix: u8,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            peers_capacity: 65_536,
            connections_capacity: 65_536,
            events_capacity: 16_384,
            export: 200,
            export_hold_ns: 900 * SECOND_NS,
            ipv6_prefix: 64,
        }
    }
}

impl From<&DetectSettings> for Thresholds {
    fn from(detect: &DetectSettings) -> Self {
        let seconds = |ns: u64| std::time::Duration::from_nanos(ns).as_secs_f64();
        Self {
            stall_after_seconds: seconds(detect.stall_after_ns),
            dribble_floor_bytes_per_second: detect.dribble_floor_bytes_per_second,
            dribble_over_seconds: seconds(detect.dribble_over_ns),
            hoard_connections: detect.hoard_connections,
            hoard_bytes: detect.hoard_bytes,
        }
    }
}
