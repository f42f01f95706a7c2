//! Arguments of `detector peers` and `detector connections`.

use super::{AgentOrRecorderArgs, candidates};
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::defaults::LIST_LIMIT;
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;
use detector_client::columns::{Choice, Grouping, Row, Sort};
use detector_client::filter::Filter;
use detector_client::prometheus::Prometheus;

/// What both have.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Show at most this many rows; 0 shows all
    #[arg(long, value_name = "N", default_value_t = LIST_LIMIT)]
    pub(crate) limit: usize,
    /// Only those seen since this time: RFC 3339, or how long ago (`10m`); where no agent runs, as
    /// they were recorded last
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Print one JSON array
    #[arg(long, conflicts_with = "columns")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: AgentOrRecorderArgs,
}

/// Arguments of `detector peers`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PeersArgs {
    /// Only those that match, such as `verdict=slow-read-attack pinned>10M net=203.0.113.0/24`
    #[arg(long, value_name = "EXPR", value_parser = filter::<PeerRow>, default_value = "", hide_default_value = true, add = ArgValueCompleter::new(candidates::filter::<PeerRow>))]
    pub(crate) filter: Filter<PeerRow>,
    /// Column to sort by, or `cost`; `-KEY` reverses the order
    #[arg(long, value_name = "KEY", value_parser = sort::<PeerRow>, default_value = "cost", allow_hyphen_values = true, add = ArgValueCompleter::new(candidates::sort_keys::<PeerRow>))]
    pub(crate) sort: Sort<PeerRow>,
    /// Columns to show, separated by commas
    #[arg(long, value_name = "KEYS", value_parser = choice::<PeerRow>, add = ArgValueCompleter::new(candidates::columns::<PeerRow>))]
    pub(crate) columns: Option<Choice<PeerRow>>,
    /// Group the peers by this
    #[arg(long, value_name = "GROUPING", value_enum, default_value_t)]
    pub(crate) group: Grouping,
    /// Ask the Prometheus at this URL, such as http://localhost:9090, about all hosts whose agents it scrapes
    #[arg(long, value_name = "URL", conflicts_with_all = ["control_socket", "state_dir", "since"], value_hint = ValueHint::Url)]
    pub(crate) prometheus: Option<Prometheus>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Arguments of `detector connections`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionsArgs {
    /// Only those that match, such as `stall=zero_window for>1m net=203.0.113.0/24`
    #[arg(long, value_name = "EXPR", value_parser = filter::<Connection>, default_value = "", hide_default_value = true, add = ArgValueCompleter::new(candidates::filter::<Connection>))]
    pub(crate) filter: Filter<Connection>,
    /// Column to sort by, or `cost`; `-KEY` reverses the order
    #[arg(long, value_name = "KEY", value_parser = sort::<Connection>, default_value = "cost", allow_hyphen_values = true, add = ArgValueCompleter::new(candidates::sort_keys::<Connection>))]
    pub(crate) sort: Sort<Connection>,
    /// Columns to show, separated by commas
    #[arg(long, value_name = "KEYS", value_parser = choice::<Connection>, add = ArgValueCompleter::new(candidates::columns::<Connection>))]
    pub(crate) columns: Option<Choice<Connection>>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

pub(super) fn filter<R: Row>(text: &str) -> Result<Filter<R>, String> {
    Filter::parse(text).map_err(|error| error.to_string())
}

pub(super) fn sort<R: Row>(text: &str) -> Result<Sort<R>, String> {
    Sort::parse(text).map_err(|error| error.to_string())
}

pub(super) fn choice<R: Row>(text: &str) -> Result<Choice<R>, String> {
    Choice::parse(text).map_err(|error| error.to_string())
}
