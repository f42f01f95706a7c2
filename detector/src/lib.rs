//! The agent and its commands.
//!
//! `cli` → `commands` → `agent` → `kernel`, `export`, `control`, which do not know each other.
//! A library so that fuzz targets reach the parts that read foreign input; it promises no API.

mod agent;
mod capability;
mod cli;
mod clock;
#[allow(
    dead_code,
    unused_imports,
    reason = "the commands that show them follow"
)]
mod columns;
mod commands;
pub mod config;
mod control;
#[doc(hidden)]
pub mod crowd;
mod explain;
mod export;
mod failure;
#[allow(
    dead_code,
    unused_imports,
    reason = "the commands that take one follow"
)]
mod filter;
mod guard;
mod host;
mod http;
mod humane;
mod kernel;
mod live;
mod log;
mod namespace;
mod priority;
mod scrub;
mod selftest;
mod session;
mod table;
mod time_text;
mod top;
mod wording;

use clap::Parser;
use std::process::ExitCode;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    commands::completions::answer();
    let line = cli::Cli::try_parse().map_err(|error| cli::refused(&error));
    match line.and_then(commands::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
