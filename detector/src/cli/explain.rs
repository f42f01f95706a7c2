//! Arguments of `detector explain`.

use super::{AgentOrRecorderArgs, candidates};
use clap::Args;
use clap_complete::ArgValueCompleter;
use detector_client::peer_address::PeerAddress;

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
    #[command(flatten)]
    pub(crate) place: AgentOrRecorderArgs,
}
