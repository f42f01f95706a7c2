//! The labelled scenarios: progress on stderr, the page of the documentation on stdout.

use anyhow::{Context, Result, bail};
use detector_tests::suite;

/// Plays them `runs` times.
pub(crate) fn play(filter: Option<&str>, runs: u32) -> Result<()> {
    let name = format!("detector-scenarios-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).context("make a folder for logs")?;
    let this = std::env::current_exe().context("path of this program")?;
    let report = suite::play(&folder, &this, filter, runs, &mut |line| super::note(line))?;
    super::say(&report.page());
    let wrongs = report.wrongs();
    if wrongs.is_empty() {
        return std::fs::remove_dir_all(&folder).context("remove the folder of logs");
    }
    bail!(
        "{} wrong, logs are kept in {}; the first: {}",
        wrongs.len(),
        folder.display(),
        wrongs[0]
    )
}
