//! The program: the command line, brings agent and client together.

mod cli;
mod commands;
#[cfg(test)]
#[cfg(feature = "agent")]
mod page_parts;
#[cfg(feature = "agent")]
mod selftest;

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
