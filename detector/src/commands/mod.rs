//! One file a command. They assemble what others do and decide nothing.

#[cfg(feature = "agent")]
mod check;
mod client;
pub(crate) mod completions;
#[cfg(feature = "agent")]
mod config;
#[cfg(feature = "agent")]
mod docs;
mod man;
#[cfg(feature = "agent")]
mod own_agent;
mod report;
#[cfg(feature = "agent")]
mod run;
#[cfg(feature = "agent")]
mod selftest;
mod top;

#[cfg(feature = "agent")]
use crate::cli::ConfigVerb;
use crate::cli::{Cli, Command};
use detector_api::failure::Failure;
use detector_client::output::print;

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        #[cfg(feature = "agent")]
        Command::Run(args) => run::run(&args),
        #[cfg(feature = "agent")]
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "agent")]
        Command::Config(ConfigVerb::Show(args)) => config::show(&args),
        Command::Top(args) => top::run(&args),
        Command::Peers(args) => client::peers(&args),
        Command::Connections(args) => client::connections(&args),
        Command::Events(args) => client::events(&args),
        Command::Incidents(args) => client::incidents(&args),
        Command::Explain(args) => client::explain(&args),
        Command::Dmesg(args) => client::dmesg(&args),
        Command::Report(args) => report::run(&args),
        Command::Reset(args) => client::reset(&args),
        Command::Block(args) => client::block(&args),
        Command::Unblock(args) => client::unblock(&args),
        Command::Blocked(args) => client::blocked(&args),
        #[cfg(feature = "agent")]
        Command::Selftest(args) => selftest::run(&args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => man::run(),
        #[cfg(feature = "agent")]
        Command::Docs { chapter } => docs::run(chapter),
    }
}
