//! Configuration: defaults, then the file, then flags; checked into a [`Config`] that cannot be
//! wrong.
//!
//! In: a TOML file and flags. Out: [`Config`], or one line that says what is wrong and where.
//! Never: opening a socket, touching the host.

mod check;
mod file;
pub mod keys;
mod sections;

pub use sections::{Config, RecorderConfig};

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A configuration file is a page of text; more is not a configuration file.
const MAX_FILE_BYTES: u64 = 1 << 20;

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
