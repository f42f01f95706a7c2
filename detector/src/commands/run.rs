//! `detector run`: the agent.

use crate::cli::RunArgs;
use detector_agent::config::{Config, ConfigError, Overrides};
use detector_agent::daemon::{self, Start};
use detector_agent::log::{self, LogLevel};
use detector_api::failure::Failure;
use std::path::Path;
use std::time::{Duration, Instant};

/// For the last lines of the log.
const LOG_PATIENCE: Duration = Duration::from_millis(200);
/// For what still runs on threads of its own once everything has stopped.
const RUNTIME_PATIENCE: Duration = Duration::from_millis(200);

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let flags = args.config.overrides();
    let config_file = args.config.config.clone();
    let config = load(config_file.as_deref(), &flags)?;
    if args.die_with_parent {
        die_with_parent()?;
    }
    if args.check_config {
        daemon::check_access(&config)?;
        return super::print("configuration ok\n");
    }
    log::start(args.log_format, args.log_level)
        .map_err(|error| Failure::failed(format!("cannot start the log: {error}")))?;
    let start = Start {
        config,
        config_file,
        flags,
        state_dir: args.state_dir.clone(),
        kernel_log_level: kernel_log_level(args.log_level),
        began,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    let outcome = runtime.block_on(daemon::run(start));
    runtime.shutdown_timeout(RUNTIME_PATIENCE);
    log::flush(LOG_PATIENCE);
    outcome
}

/// The configuration, or the failure with its hint.
pub(super) fn load(file: Option<&Path>, flags: &Overrides) -> Result<Config, Failure> {
    Config::load(file, flags).map_err(config_failure)
}

pub(super) fn config_failure(error: ConfigError) -> Failure {
    let hint = match error {
        ConfigError::Unreadable { .. } => {
            "name a file that can be read with --config, or none: no file is needed"
        }
        ConfigError::Wrong { .. } | ConfigError::WrongFlag { .. } => {
            "`detector docs configuration` lists every key with its default"
        }
    };
    Failure::usage(error).hint(hint)
}

/// Has the kernel end this process in order once its parent is gone.
fn die_with_parent() -> Result<(), Failure> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| Failure::failed(format!("cannot follow the parent's end: {error}")))?;
    // It may have ended before it could be followed.
    if getppid() == parent {
        Ok(())
    } else {
        Err(Failure::failed("the process that started this one is gone"))
    }
}

/// The kernel side speaks only when asked to: the verifier drops its lines otherwise.
const fn kernel_log_level(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error | LogLevel::Warning | LogLevel::Info => 0,
        LogLevel::Debug => 4,
        LogLevel::Trace => 5,
    }
}
