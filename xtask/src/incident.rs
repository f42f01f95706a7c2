//! `cargo xtask demo --incident`: the night of an incident on two hosts, and the report of it. What was
//! recorded and the report stay in `target/incident`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{output, run};
use crate::tree;

/// Hosts of the play.
const HOSTS: [&str; 2] = ["web1", "web2"];

/// What a night leaves.
pub(crate) struct Night {
    /// Where it is: `web1.db` and `web2.db`.
    pub(crate) folder: PathBuf,
}

impl Night {
    fn files(&self) -> [PathBuf; 2] {
        HOSTS.map(|host| self.folder.join(format!("{host}.db")))
    }
}

/// Plays it, as root.
pub(crate) fn play(agent: &Path, play: &Path) -> Result<Night> {
    let folder = tree::target().join("incident");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    println!("two hosts, some two minutes:");
    run(Command::new(play)
        .arg("incident")
        .arg(&folder)
        .env("DETECTOR_BIN", agent))?;
    Ok(Night { folder })
}

/// Plays it and shows the report.
pub(crate) fn show(agent: &Path, play: &Path) -> Result<()> {
    let night = self::play(agent, play)?;
    let page = page(agent, &night)?;
    let [first, second] = night.files();
    println!(
        "\n$ detector report {} {}",
        first.display(),
        second.display()
    );
    print!("{}", output(&mut report(agent, &night))?);
    println!("\nThe same as a page: {}", page.display());
    Ok(())
}

/// Writes the report as a page; where it is.
pub(crate) fn page(agent: &Path, night: &Night) -> Result<PathBuf> {
    let page = night.folder.join("report.html");
    run(report(agent, night).arg("-o").arg(&page))?;
    Ok(page)
}

fn report(agent: &Path, night: &Night) -> Command {
    let mut report = Command::new(agent);
    report.arg("report").args(night.files());
    report
}
