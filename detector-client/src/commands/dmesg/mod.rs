//! `detector dmesg`: what a kernel log says about TCP peers and OOM kills.

mod phrases;
mod source;
mod text;
mod utf16;

use crate::output::{note, print};
use crate::terminal::Capabilities;
use detector_api::failure::Failure;
use std::path::Path;

/// Reads a log, or this kernel's own where none is named, and says what it proves.
pub fn dmesg(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let source = source::Source::open(file)?;
    let name = source.name().to_owned();
    let report = source.read()?;
    if report.bytes == 0 {
        return Err(
            Failure::failed(format!("cannot explain {name}: it is empty"))
                .hint("`journalctl -k -b -1 | detector dmesg -` reads the boot before this one"),
        );
    }
    if json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        return print(&format!("{text}\n"));
    }
    if report.runs_backwards {
        note("the newest line stands first; what follows is in the order of time");
    }
    print(&text::text(&report, &name, Capabilities::of_stdout()))
}
