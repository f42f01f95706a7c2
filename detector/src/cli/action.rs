//! Arguments of the commands that have the agent do something.

use super::candidates;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::address::network_of;
use detector_api::defaults::CONTROL_SOCKET;
use detector_api::units::parse_duration;
use detector_client::peer_address::PeerAddress;
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// What all of them have.
#[derive(Clone, Debug, Args)]
pub(crate) struct ActionArgs {
    /// Show exactly what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the agent's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
}

/// Arguments of `detector reset`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ResetArgs {
    /// The peer: an address, an address with a port (only that connection), or the network of an
    /// IPv6 peer
    #[arg(value_name = "PEER", add = ArgValueCompleter::new(candidates::peers))]
    pub(crate) peer: PeerAddress,
    /// Only connections that have been stalled for at least this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub(crate) stalled_for: Duration,
    #[command(flatten)]
    pub(crate) action: ActionArgs,
}

/// Arguments of `detector block`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BlockArgs {
    /// An address, or a network no wider than /8 (/24 for IPv6)
    #[arg(value_name = "ADDR[/LEN]", value_parser = network, add = ArgValueCompleter::new(candidates::peers))]
    pub(crate) network: IpNet,
    /// How long to block, at most 24h; the block also ends with the agent
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) span: Duration,
    #[command(flatten)]
    pub(crate) action: ActionArgs,
}

/// Arguments of `detector unblock`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UnblockArgs {
    /// What was blocked, as `detector blocked` lists it
    #[arg(value_name = "ADDR[/LEN]", value_parser = network)]
    pub(crate) network: IpNet,
    #[command(flatten)]
    pub(crate) action: ActionArgs,
}

/// Arguments of `detector blocked`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BlockedArgs {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
}

fn network(text: &str) -> Result<IpNet, String> {
    network_of(text).ok_or_else(|| {
        "not an address or a network; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64".to_owned()
    })
}
