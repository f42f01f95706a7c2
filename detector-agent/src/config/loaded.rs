//! Puts the sources together, key by key, and remembers where each value comes from.

use super::check::WrongValue;
use super::keys::{KEYS, Key};
use super::sections::Config;
use super::{ConfigError, Overrides, file, sources};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the value of a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Origin {
    /// Nothing sets it.
    Default,
    /// A file; the last of those that set it.
    File {
        /// Which.
        file: PathBuf,
        /// On which line.
        line: usize,
    },
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { file, line } => write!(out, "{}:{line}", file.display()),
            Self::Flag => out.write_str("flag"),
        }
    }
}

/// A checked configuration, and where its values come from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// By path of the key; what is not there is a default.
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Defaults, then `file`, then `conf.d` beside it, then `flags`: of each key, the last wins.
    ///
    /// # Errors
    ///
    /// What is wrong, in which file and line, or under which key.
    pub fn of(file: Option<&Path>, flags: &Overrides) -> Result<Self, ConfigError> {
        let mut texts = Vec::new();
        if let Some(file) = file {
            texts.push((file.to_owned(), sources::read(file)?));
            for path in sources::drop_ins(file)? {
                let text = sources::read(&path)?;
                texts.push((path, text));
            }
        }
        Self::merge(&texts, flags)
    }

    /// The same of texts that have been read.
    pub(super) fn merge(
        texts: &[(PathBuf, String)],
        flags: &Overrides,
    ) -> Result<Self, ConfigError> {
        let mut sections = toml::Table::new();
        let mut origins = BTreeMap::new();
        for (path, text) in texts {
            let wrong = |message| ConfigError::Wrong {
                path: path.clone(),
                message,
            };
            let document = file::parse(text).map_err(wrong)?;
            for (name, section) in document.sections {
                let merged = sections.entry(name).or_insert_with(|| section.clone());
                if let (Some(merged), toml::Value::Table(keys)) = (merged.as_table_mut(), section) {
                    merged.extend(keys);
                }
            }
            for (key, line) in document.lines {
                let file = path.clone();
                origins.insert(key.path, Origin::File { file, line });
            }
        }
        let config = sections
            .try_into()
            .map_err(|error| ConfigError::WrongFlag {
                // Each file was right by itself.
                message: format!("the files do not go together: {error}"),
            })?;
        let mut loaded = Self { config, origins };
        loaded.apply(flags);
        let checked = loaded.config.check();
        checked.map_err(|wrong| loaded.located(wrong))?;
        Ok(loaded)
    }

    fn apply(&mut self, flags: &Overrides) {
        let config = &mut self.config;
        let mut set = Vec::new();
        if !flags.listen_addresses.is_empty() {
            let addresses = &mut config.web.listen_addresses;
            addresses.clone_from(&flags.listen_addresses);
            set.push("web.listen_addresses");
        }
        if let Some(path) = &flags.telemetry_path {
            config.web.telemetry_path.clone_from(path);
            set.push("web.telemetry_path");
        }
        if let Some(path) = &flags.control_socket {
            config.control.socket.clone_from(path);
            set.push("control.socket");
        }
        if let Some(path) = &flags.web_config_file {
            config.web.config_file.clone_from(path);
            set.push("web.config_file");
        }
        let set = set.into_iter().map(|key| (key, Origin::Flag));
        self.origins.extend(set);
    }

    fn located(&self, wrong: WrongValue) -> ConfigError {
        match self.origins.get(wrong.key) {
            Some(Origin::File { file, line }) => ConfigError::Wrong {
                path: file.clone(),
                message: format!("line {line}: {}", wrong.message),
            },
            _ => ConfigError::WrongFlag {
                message: wrong.message,
            },
        }
    }

    /// Every key in the order of the reference, and where its value comes from.
    pub fn keys(&self) -> impl Iterator<Item = (&'static Key, &Origin)> {
        let origin = |key: &Key| self.origins.get(key.path).unwrap_or(&Origin::Default);
        KEYS.iter().map(move |key| (key, origin(key)))
    }
}
