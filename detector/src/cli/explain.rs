//! Arguments of `detector explain`.

use super::candidates;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::defaults::CONTROL_SOCKET;
use detector_client::commands::PeerAddress;
use std::path::PathBuf;

/// Arguments of `detector explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The peer: an address, an address with a port (shows that connection first), or the network
    /// of an IPv6 peer
    #[arg(value_name = "PEER", add = ArgValueCompleter::new(candidates::peers))]
    pub(crate) peer: PeerAddress,
    /// Print the object of `/v1/peers/PEER` as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
}
