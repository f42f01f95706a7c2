//! Configuration: defaults, then the file, then the files of `conf.d` beside it, then flags; checked
//! into a [`Config`] that cannot be wrong.
//!
//! In: TOML files and flags. Out: [`Config`] and where each value comes from, or one line that says
//! what is wrong and where. Never: opening a socket, touching the host.

mod check;
mod file;
pub mod keys;
mod loaded;
mod sections;
mod sources;
mod told;

pub use loaded::{Loaded, Origin};
pub use sections::{Config, GuardConfig, GuardMode, RecorderConfig, Scope, Web};

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What flags say; wins over the file.
#[allow(missing_docs, reason = "named after the flags")]
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub listen_addresses: Vec<SocketAddr>,
    pub telemetry_path: Option<String>,
    pub control_socket: Option<PathBuf>,
    pub web_config_file: Option<PathBuf>,
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

impl Config {
    /// The configuration in force; see [`Loaded::of`].
    pub fn load(file: Option<&Path>, flags: &Overrides) -> Result<Self, ConfigError> {
        Loaded::of(file, flags).map(|loaded| loaded.config)
    }

    /// The files that make the configuration at present; `conf.d` is named by one in it that need not be
    /// there.
    pub(crate) fn files(file: &Path) -> Vec<PathBuf> {
        let drop_ins = sources::drop_ins(file).unwrap_or_default();
        let folder = file.with_file_name("conf.d");
        let folder = folder.canonicalize().unwrap_or(folder);
        let mut files = vec![file.to_owned(), folder.join("any.toml")];
        files.extend(drop_ins);
        files
    }
}

#[cfg(test)]
mod tests;
