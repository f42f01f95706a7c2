//! Arguments of `detector report`.

use super::candidates;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::defaults::STATE_DIR;
use detector_client::peer_address::PeerAddress;
use std::path::PathBuf;

/// Arguments of `detector report`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportArgs {
    /// Recorders of one or several hosts: files, or the folders that they lie in [default: the one in
    /// --state-dir]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Folder of this host's agent
    #[arg(long, value_name = "DIR", default_value = STATE_DIR, value_hint = ValueHint::DirPath, conflicts_with = "files")]
    pub(crate) state_dir: PathBuf,
    /// From this time on: RFC 3339, or how long ago (`10m`) [default: a day before the end]
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Until this time: RFC 3339, or how long ago [default: the end of what is recorded]
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// About this incident, with the minutes around it; `last` for the newest
    #[arg(long, value_name = "ID", conflicts_with_all = ["since", "until"], add = ArgValueCompleter::new(candidates::incidents))]
    pub(crate) incident: Option<String>,
    /// Write a page (HTML) that needs nothing but itself into this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a letter about this peer to the operator of its network
    #[arg(long, value_name = "PEER", conflicts_with_all = ["output", "json", "incident"], add = ArgValueCompleter::new(candidates::peers))]
    pub(crate) abuse: Option<PeerAddress>,
    /// Ask the resolver for the names of peers: their name servers learn who looks
    #[arg(long)]
    pub(crate) resolve: bool,
    /// File in MaxMind's format (.mmdb) that says whose network an address is in; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) networks: Vec<PathBuf>,
    /// Configuration file of the agent, for its `[peers] networks_file`
    #[cfg(feature = "agent")]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}
