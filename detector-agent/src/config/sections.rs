//! The sections of the configuration and their defaults.

use detector_api::units::{Part, Rate, Size, Span};
use detector_core::guard::{GuardSettings, PressureBounds};
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
    /// Section `[guard]`.
    pub guard: GuardConfig,
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
    /// Empty for none.
    pub config_file: PathBuf,
    /// Whether metrics are served in plain text on loopback only.
    pub tls_required: bool,
}

/// Section `[control]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Absolute, and short enough for a Unix socket.
    pub socket: PathBuf,
    /// Whether root and the agent's own user may ask for actions.
    pub actions: bool,
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

/// What the guard does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardMode {
    /// Nothing.
    #[default]
    Off,
    /// It says what it would do.
    DryRun,
    /// It acts.
    Enforce,
}

impl GuardMode {
    pub(crate) const ALL: [Self; 3] = [Self::Off, Self::DryRun, Self::Enforce];

    /// As it is written.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::DryRun => "dry-run",
            Self::Enforce => "enforce",
        }
    }
}

impl fmt::Display for GuardMode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.label())
    }
}

/// Section `[guard]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct GuardConfig {
    pub mode: GuardMode,
    pub pinned: Size,
    pub tcp_memory_share: Part,
    pub unit_memory_share: Part,
    pub workers_share: Part,
    pub reset_after: Span,
    pub reset_shared: bool,
    pub block_for: Span,
    pub resets_per_minute: u64,
    pub blocks_per_minute: u64,
    pub well_behaved_max: u64,
}

impl GuardConfig {
    /// For the core. Who comes back with a quarter of what makes a hoard means it.
    pub(crate) fn settings(&self, hoard_connections: u64) -> GuardSettings {
        GuardSettings {
            bounds: PressureBounds {
                pinned_bytes: self.pinned.0,
                tcp_memory_share: self.tcp_memory_share.as_ratio(),
                unit_memory_share: self.unit_memory_share.as_ratio(),
                workers_share: self.workers_share.as_ratio(),
            },
            reset_after_ns: self.reset_after.as_ns(),
            resets_per_minute: self.resets_per_minute,
            blocks_per_minute: self.blocks_per_minute,
            well_behaved_max: self.well_behaved_max,
            comes_back_with: (hoard_connections / 4).max(2),
        }
    }
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
            config_file: PathBuf::new(),
            tls_required: false,
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(detector_api::defaults::CONTROL_SOCKET),
            actions: true,
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

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            mode: GuardMode::Off,
            pinned: Size(256 << 20),
            tcp_memory_share: Part(2_000),
            unit_memory_share: Part(2_000),
            workers_share: Part(5_000),
            reset_after: Span(Duration::from_secs(30)),
            reset_shared: false,
            block_for: Span(Duration::from_secs(600)),
            resets_per_minute: 5_000,
            blocks_per_minute: 10,
            well_behaved_max: 1,
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
