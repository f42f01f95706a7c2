//! Arguments of `detector incidents`.

use super::AgentOrRecorderArgs;
use super::candidates;
use super::list::{choice, filter, sort};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use detector_api::snapshot::Incident;
use detector_client::columns::{Choice, Sort};
use detector_client::filter::Filter;

/// Arguments of `detector incidents`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<IncidentsVerb>,
    /// Only those that match, such as `kinds=hoard pinned>10M open=yes`
    #[arg(long, value_name = "EXPR", value_parser = filter::<Incident>, default_value = "", hide_default_value = true, add = ArgValueCompleter::new(candidates::filter::<Incident>))]
    pub(crate) filter: Filter<Incident>,
    /// Column to sort by; `-KEY` reverses the order [default: oldest first]
    #[arg(long, value_name = "KEY", value_parser = sort::<Incident>, allow_hyphen_values = true, add = ArgValueCompleter::new(candidates::sort_keys::<Incident>))]
    pub(crate) sort: Option<Sort<Incident>>,
    /// Columns to show, separated by commas
    #[arg(long, value_name = "KEYS", value_parser = choice::<Incident>, add = ArgValueCompleter::new(candidates::columns::<Incident>))]
    pub(crate) columns: Option<Choice<Incident>>,
    /// Only those still open or ended since this time: RFC 3339, or how long ago (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Print one JSON array
    #[arg(long, conflicts_with = "columns")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: AgentOrRecorderArgs,
}

/// What else to do with incidents.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum IncidentsVerb {
    /// Show one incident: what was flagged, who took part, how loaded the host was, what ended it
    Show(ShowArgs),
}

/// Arguments of `detector incidents show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// The incident; `last` for the newest
    #[arg(value_name = "ID", add = ArgValueCompleter::new(candidates::incidents))]
    pub(crate) id: String,
    /// Print the object of `/v1/incidents/ID` as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: AgentOrRecorderArgs,
}
