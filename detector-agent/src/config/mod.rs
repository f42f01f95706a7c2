//! Configuration: defaults, then the file, then flags; checked into a [`Config`] that cannot be
//! wrong.
//!
//! In: a TOML file and flags. Out: [`Config`], or one line that says what is wrong and where.
//! Never: opening a socket, touching the host.

mod check;
mod file;
pub mod keys;

use detector_api::units::{Part, Rate, Size, Span};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::SECOND_NS;
use ipnet::IpNet;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Port of the metrics.
const DEFAULT_PORT: u16 = 10_062;
/// A configuration file is a page of text; more is not a configuration file.
const MAX_FILE_BYTES: u64 = 1 << 20;

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

/// Section `[detect]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct Detect {
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
}

/// Section `[budget]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see `keys`")]
pub struct Budget {
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

/// What flags say; wins over the file.
#[allow(missing_docs, reason = "named after the flags")]
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub listen_addresses: Vec<SocketAddr>,
    pub telemetry_path: Option<String>,
    pub control_socket: Option<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}: {source}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something wrong.
    #[error("configuration {path}: {message}", path = path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// What and in which line.
        message: String,
    },
    /// A flag says something wrong.
    #[error("configuration: {message}")]
    WrongFlag {
        /// What.
        message: String,
    },
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
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
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
    /// Defaults, then `file`, then `flags`.
    pub fn load(file: Option<&Path>, flags: &Overrides) -> Result<Self, ConfigError> {
        let config = match file {
            Some(path) => Self::parse(&read(path)?).map_err(|message| ConfigError::Wrong {
                path: path.to_owned(),
                message,
            })?,
            None => Self::default(),
        };
        config
            .with_flags(flags)
            .map_err(|message| ConfigError::WrongFlag { message })
    }

    /// The configuration that a file with this text makes.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong, in which line or under which key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config = file::parse(text)?;
        config.check()?;
        Ok(config)
    }

    fn with_flags(mut self, flags: &Overrides) -> Result<Self, String> {
        if !flags.listen_addresses.is_empty() {
            self.web
                .listen_addresses
                .clone_from(&flags.listen_addresses);
        }
        if let Some(path) = &flags.telemetry_path {
            self.web.telemetry_path.clone_from(path);
        }
        if let Some(path) = &flags.control_socket {
            self.control.socket.clone_from(path);
        }
        self.check()?;
        Ok(self)
    }

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

    /// Keys that differ from `running` and that only a restart applies.
    pub(crate) fn needs_restart(&self, running: &Self) -> Vec<String> {
        keys::KEYS
            .iter()
            .filter(|key| !key.is_reloaded && (key.value)(self) != (key.value)(running))
            .map(|key| format!("{}.{}", key.section, key.name))
            .collect()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .map_err(unreadable)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
