//! Arguments of `detector top`.

use super::candidates;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::row::PeerRow;
use detector_client::columns::{Grouping, Sort};
use detector_client::filter::Filter;
use detector_client::prometheus::Prometheus;
use std::path::PathBuf;
use std::time::Duration;

/// Shortest and longest time between refreshes.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(3_600);

/// Arguments of `detector top`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TopArgs {
    /// Print one table and exit
    #[arg(long)]
    pub(crate) once: bool,
    /// Print a table every interval, for logs; -n limits how many
    #[arg(long, conflicts_with = "once")]
    pub(crate) batch: bool,
    /// How many tables or objects --batch prints
    #[arg(short = 'n', long = "count", value_name = "N", requires = "batch")]
    pub(crate) count: Option<u64>,
    /// Print JSON, one object per table
    #[arg(long)]
    pub(crate) json: bool,
    /// Time between refreshes
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_interval)]
    pub(crate) interval: Duration,
    /// Column to sort by, or `cost`; `-KEY` reverses the order [default: as last used]
    #[arg(long, value_name = "KEY", value_parser = parse_sort, allow_hyphen_values = true, add = ArgValueCompleter::new(candidates::sort_keys::<PeerRow>))]
    pub(crate) sort: Option<Sort<PeerRow>>,
    /// Group the peers by this [default: as last used]
    #[arg(long, value_name = "GROUPING", value_enum)]
    pub(crate) group: Option<Grouping>,
    /// Only peers that match, such as `verdict=slow-read-attack pinned>10M net=203.0.113.0/24`
    #[arg(long, value_name = "EXPR", value_parser = parse_filter, add = ArgValueCompleter::new(candidates::filter::<PeerRow>))]
    pub(crate) filter: Option<Filter<PeerRow>>,
    /// Let keys reset and block peers; each asks first and shows the exact effect
    #[arg(long, conflicts_with_all = ["once", "batch", "json"])]
    pub(crate) allow_actions: bool,
    /// Control socket of the agent [default: /run/detector/control.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: Option<PathBuf>,
    /// Ask the Prometheus at this URL, such as http://localhost:9090, about all hosts whose agents it scrapes
    #[arg(long, value_name = "URL", conflicts_with_all = ["allow_actions", "control_socket", "state_dir"], value_hint = ValueHint::Url)]
    pub(crate) prometheus: Option<Prometheus>,
    /// Folder or copy of the recorder that key `p` opens [default: /var/lib/detector]; without
    /// --control-socket it is opened first
    #[arg(long, value_name = "DIR", conflicts_with_all = ["once", "batch", "json"], value_hint = ValueHint::AnyPath)]
    pub(crate) state_dir: Option<PathBuf>,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = detector_api::units::parse_duration(text)?;
    if INTERVALS.contains(&interval) {
        Ok(interval)
    } else {
        Err("must be between 200ms and 1h".to_owned())
    }
}

fn parse_sort(text: &str) -> Result<Sort<PeerRow>, String> {
    Sort::parse(text).map_err(|error| error.to_string())
}

fn parse_filter(text: &str) -> Result<Filter<PeerRow>, String> {
    Filter::parse(text).map_err(|error| error.to_string())
}
