//! Arguments of `detector selftest`.

use clap::Args;

/// Arguments of `detector selftest`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Only this case; repeatable
    #[arg(long, value_name = "CASE")]
    pub(crate) only: Vec<String>,
    /// Play at most this many cases at a time, for a slow machine [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) at_once: Option<u16>,
    /// List the cases, with what is expected of each, and exit
    #[arg(long)]
    pub(crate) list: bool,
    /// Print one JSON object at the end
    #[arg(long, conflicts_with = "list")]
    pub(crate) json: bool,
}
