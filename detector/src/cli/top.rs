//! Arguments of `detector top`.

use super::candidates;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::row::PeerRow;
use detector_client::columns::{Grouping, Sort};
use detector_client::filter::Filter;
use std::path::PathBuf;
use std::time::Duration;

/// Shortest and longest time between refreshes.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(3_600);

/// Arguments of `detector top`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TopArgs {
    /// Print one table and leave
    #[arg(long)]
    pub(crate) once: bool,
    /// Print one table each interval, for logs, until -n of them are printed
    #[arg(long, conflicts_with = "once")]
    pub(crate) batch: bool,
    /// Tables or objects to print with --batch
    #[arg(short = 'n', long = "count", value_name = "N", requires = "batch")]
    pub(crate) count: Option<u64>,
    /// Print JSON, one object for each table
    #[arg(long)]
    pub(crate) json: bool,
    /// Time from one refresh to the next
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_interval)]
    pub(crate) interval: Duration,
    /// Column to sort by, or `cost`; `-KEY` for the other way round [default: as last time]
    #[arg(long, value_name = "KEY", value_parser = parse_sort, allow_hyphen_values = true, add = ArgValueCompleter::new(candidates::sort_keys::<PeerRow>))]
    pub(crate) sort: Option<Sort<PeerRow>>,
    /// What peers are put together by [default: as last time]
    #[arg(long, value_name = "GROUPING", value_enum)]
    pub(crate) group: Option<Grouping>,
    /// Only peers that fit, as in `verdict=slow-read-attack pinned>10M net=203.0.113.0/24`
    #[arg(long, value_name = "EXPR", value_parser = parse_filter, add = ArgValueCompleter::new(candidates::filter::<PeerRow>))]
    pub(crate) filter: Option<Filter<PeerRow>>,
    /// Let keys reset and block peers, each after a question that shows the exact effect
    #[arg(long, conflicts_with_all = ["once", "batch", "json"])]
    pub(crate) allow_actions: bool,
    /// Control socket of the agent [default: /run/detector/control.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: Option<PathBuf>,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = detector_api::units::parse_duration(text)?;
    if INTERVALS.contains(&interval) {
        Ok(interval)
    } else {
        Err("it lies between 200ms and 1h".to_owned())
    }
}

fn parse_sort(text: &str) -> Result<Sort<PeerRow>, String> {
    Sort::parse(text).map_err(|error| error.to_string())
}

fn parse_filter(text: &str) -> Result<Filter<PeerRow>, String> {
    Filter::parse(text).map_err(|error| error.to_string())
}
