//! `cargo xtask bench recorder`: what recording costs a second, and how large a day becomes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::command::{output, run};
use crate::tree;

/// Events a second: an ordinary day, and a flood.
const EVENTS: [&str; 2] = ["1", "200"];

pub(super) fn main(agent: &Path, day: &Path) -> Result<()> {
    println!("budget: 1 % of a core, 5 % under flood; 256 MiB");
    for events in EVENTS {
        let folder = tree::target().join("bench-recorder");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create folder {}", folder.display()))?;
        run(Command::new(day).arg(&folder).arg(events))?;
        let began = Instant::now();
        output(Command::new(agent).arg("report").arg(&folder))?;
        println!("its report: {:.1} s", began.elapsed().as_secs_f64());
    }
    Ok(())
}
