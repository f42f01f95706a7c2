//! Arguments of `detector events`.

use super::candidates;
use super::{AgentOrRecorderArgs, list};
use clap::Args;
use clap_complete::ArgValueCompleter;
use detector_api::snapshot::{Event, FlagKind};
use detector_client::filter::Filter;

/// Arguments of `detector events`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EventsArgs {
    /// Keep printing events as they happen; needs an agent
    #[arg(long, conflicts_with = "state_dir")]
    pub(crate) follow: bool,
    /// Only events since this time: RFC 3339, or how long ago (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only events until this time: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<String>,
    /// Only events of this peer
    #[arg(long, value_name = "PEER", add = ArgValueCompleter::new(candidates::peers))]
    pub(crate) peer: Option<String>,
    /// Only events of this kind
    #[arg(long, value_name = "KIND", add = ArgValueCompleter::new(candidates::flag_kinds))]
    pub(crate) kind: Option<FlagKind>,
    /// Only those that match, such as `severity>info net=203.0.113.0/24 local~:443`
    #[arg(long, value_name = "EXPR", value_parser = list::filter::<Event>, default_value = "", hide_default_value = true, add = ArgValueCompleter::new(candidates::filter::<Event>))]
    pub(crate) filter: Filter<Event>,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: AgentOrRecorderArgs,
}
