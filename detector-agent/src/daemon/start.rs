//! What the agent is started with.

use crate::config::{Config, Overrides};
use std::path::PathBuf;
use std::time::Instant;

/// What the agent is started with.
pub struct Start {
    /// The checked configuration.
    pub config: Config,
    /// Where it came from, for reloads.
    pub config_file: Option<PathBuf>,
    /// What flags say, for reloads.
    pub flags: Overrides,
    /// Where the agent keeps things.
    pub state_dir: PathBuf,
    /// Kernel-side log level, 0 for none.
    pub kernel_log_level: u8,
    /// When the process started.
    pub began: Instant,
}
