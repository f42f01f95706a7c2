//! Arguments of `detector dmesg`.

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Arguments of `detector dmesg`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DmesgArgs {
    /// The log, `-` for stdin; this kernel's own (`/dev/kmsg`) where there is neither a file nor a
    /// pipe
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
