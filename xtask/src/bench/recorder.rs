//! `cargo xtask bench recorder`: what recording costs a second, and how large a day becomes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::command::run;
use crate::tree;

/// Events a second: an ordinary day, and a flood.
const EVENTS: [&str; 2] = ["1", "200"];

pub(super) fn main(agent: &Path, day: &Path) -> Result<()> {
    println!("budget: 1 % of a core, 5 % under flood; 256 MiB; a report 2 s and 5 MiB");
    for events in EVENTS {
        let folder = tree::target().join("bench-recorder");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create folder {}", folder.display()))?;
        run(Command::new(day).arg(&folder).arg(events))?;
        let page = folder.join("report.html");
        let began = Instant::now();
        run(Command::new(agent)
            .args(["report", "--state-dir"])
            .arg(&folder)
            .arg("-o")
            .arg(&page))?;
        let seconds = began.elapsed().as_secs_f64();
        let kib = fs::metadata(&page)?.len() >> 10;
        println!("its report over 24 h with fifty incidents: {seconds:.2} s, {kib} KiB");
    }
    Ok(())
}
