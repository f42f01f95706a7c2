//! Arguments of the commands that have the agent do something.

use super::explain::{Wanted, wanted};
use crate::commands::completions;
use crate::config::DEFAULT_CONTROL_SOCKET;
use crate::config::units::parse_duration;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use std::path::PathBuf;
use std::time::Duration;

/// What all of them have.
#[derive(Clone, Debug, Args)]
pub(crate) struct ActionArgs {
    /// Tell exactly what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the agent's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
}

/// Arguments of `detector reset`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ResetArgs {
    /// The peer: an address, an address with a port (only that connection), or the network of an
    /// IPv6 peer
    #[arg(value_name = "PEER", value_parser = wanted, add = ArgValueCompleter::new(completions::peers))]
    pub(crate) peer: Wanted,
    /// Only connections that have been stalled for so long without a break
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub(crate) stalled_for: Duration,
    #[command(flatten)]
    pub(crate) action: ActionArgs,
}
