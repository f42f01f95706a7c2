//! The sections of the configuration and their defaults.

use detector_api::units::{Part, Rate, Size, Span};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::SECOND_NS;
use ipnet::IpNet;
use serde::Deserialize;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Port of the metrics.
const DEFAULT_PORT: u16 = 10_062;

/// A checked configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Section `[web]`.
    pub web: Web,
    /// Section `[control]`.
    pub control: Control,
    /// Section `[detect]`.
    pub detect: Detect,
    /// Section `[peers]`.
    pub peers: Peers,
    /// Section `[recorder]`.
    pub recorder: RecorderConfig,
    /// Section `[budget]`.
    pub budget: Budget,
}

/// Section `[web]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// At least one, each once.
    pub listen_addresses: Vec<SocketAddr>,
    /// Starts with `/`, is not `/` nor another page of ours.
    pub telemetry_path: String,
}

/// Section `[control]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Absolute, and short enough for a Unix socket.
    pub socket: PathBuf,
}

/// What of the host is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All network namespaces, and whoever is killed for want of memory.
    #[default]
    Host,
    /// The agent's own network namespace, and who is killed in its own control group.
    Container,
}

impl fmt::Display for Scope {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Host => "host",
            Self::Container => "container",
        })
    }
}

/// Section `[detect]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct Detect {
    pub scope: Scope,
    pub stall_after: Span,
    pub dribble_floor: Rate,
    pub dribble_over: Span,
    pub hoard_connections: u64,
    pub hoard_bytes: Size,
}

/// Section `[peers]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct Peers {
    pub trusted: Vec<IpNet>,
    pub ignore: Vec<IpNet>,
    pub ipv6_prefix: u8,
    pub export: usize,
    pub capacity: usize,
    pub networks_file: PathBuf,
}

/// Section `[recorder]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct RecorderConfig {
    pub enabled: bool,
    pub size: Size,
    pub age: Span,
}

/// Section `[budget]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct Budget {
    pub cpu_share: Part,
    pub connections: u32,
    pub events: usize,
    pub nice: i32,
    pub ring: Size,
    pub sweep_interval: Span,
    pub sweep_share_idle: Part,
    pub sweep_share_busy: Part,
}

impl Budget {
    /// Share of the sweep while something is held up, which is no reason to look more seldom.
    pub(crate) fn busy_share(&self) -> Part {
        self.sweep_share_busy.max(self.sweep_share_idle)
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen_addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))],
            telemetry_path: "/metrics".to_owned(),
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(detector_api::defaults::CONTROL_SOCKET),
        }
    }
}

impl Default for Detect {
    fn default() -> Self {
        let detect = DetectSettings::default();
        Self {
            scope: Scope::default(),
            stall_after: Span(Duration::from_nanos(detect.stall_after_ns)),
            dribble_floor: Rate(detect.dribble_floor_bytes_per_second),
            dribble_over: Span(Duration::from_nanos(detect.dribble_over_ns)),
            hoard_connections: detect.hoard_connections,
            hoard_bytes: Size(detect.hoard_bytes),
        }
    }
}

impl Default for Peers {
    fn default() -> Self {
        let tables = TableSettings::default();
        Self {
            trusted: Vec::new(),
            ignore: vec![
                IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            ipv6_prefix: tables.ipv6_prefix,
            export: tables.export,
            capacity: tables.peers_capacity,
            networks_file: PathBuf::new(),
        }
    }
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            size: Size(256 << 20),
            age: Span(Duration::from_secs(30 * 86_400)),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            cpu_share: Part(2_500),
            connections: 65_536,
            events: TableSettings::default().events_capacity,
            nice: -10,
            ring: Size(4 << 20),
            sweep_interval: Span(Duration::from_secs(1)),
            // With the hooks, a busy web server keeps 99 % of its requests.
            sweep_share_idle: Part(40),
            sweep_share_busy: Part(500),
        }
    }
}

impl Config {
    /// Thresholds for the core.
    pub(crate) fn detect_settings(&self) -> DetectSettings {
        DetectSettings {
            stall_after_ns: self.detect.stall_after.as_ns(),
            dribble_floor_bytes_per_second: self.detect.dribble_floor.0,
            dribble_over_ns: self.detect.dribble_over.as_ns(),
            hoard_connections: self.detect.hoard_connections,
            hoard_bytes: self.detect.hoard_bytes.0,
        }
    }

    /// Table sizes for the core.
    pub(crate) fn table_settings(&self) -> TableSettings {
        TableSettings {
            peers_capacity: self.peers.capacity,
            connections_capacity: usize::try_from(self.budget.connections).unwrap_or(usize::MAX),
            events_capacity: self.budget.events,
            export: self.peers.export,
            export_hold_ns: 900 * SECOND_NS,
            ipv6_prefix: self.peers.ipv6_prefix,
        }
    }
}
