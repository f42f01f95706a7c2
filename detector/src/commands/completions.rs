//! `detector completions`: a script that asks this program what comes next.

use crate::cli::{Cli, Shell};
use clap::CommandFactory;
use clap_complete::env::{CompleteEnv, Shells};
use detector_api::failure::Failure;

/// The variable by which the script asks.
const VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "detector";

pub(super) fn run(shell: Shell) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(shell.name()) else {
        return Err(Failure::usage(format!("no such shell: {}", shell.name())));
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    super::print(&String::from_utf8_lossy(&script))
}

/// Answers a shell, if one asks; then the process ends here.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .complete();
}
