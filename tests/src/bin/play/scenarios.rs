//! The labelled scenarios: progress on stderr, the page of the documentation on stdout.

use anyhow::{Context, Result, bail};
use detector_tests::suite;
use std::path::{Path, PathBuf};

/// Plays them once before an agent whose guard acts.
pub(crate) fn play_guarded(filter: Option<&str>) -> Result<()> {
    let folder = folder()?;
    let this = std::env::current_exe().context("path of this program")?;
    let report = suite::play_guarded(&folder, &this, filter)?;
    super::say(&report.to_string());
    end(&folder, report.wrongs())
}

fn folder() -> Result<PathBuf> {
    let name = format!("detector-scenarios-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).context("make a folder for logs")?;
    Ok(folder)
}

/// Plays them `runs` times.
pub(crate) fn play(filter: Option<&str>, runs: u32) -> Result<()> {
    let folder = folder()?;
    let this = std::env::current_exe().context("path of this program")?;
    let report = suite::play(&folder, &this, filter, runs, &mut |line| super::note(line))?;
    super::say(&report.page());
    end(&folder, &report.wrongs())
}

fn end(folder: &Path, wrongs: &[String]) -> Result<()> {
    let Some(first) = wrongs.first() else {
        return std::fs::remove_dir_all(folder).context("remove the folder of logs");
    };
    for wrong in wrongs {
        super::note(wrong);
    }
    bail!(
        "{} wrong, logs are kept in {}; the first: {first}",
        wrongs.len(),
        folder.display()
    )
}
