//! `cargo xtask chaos`: the recorder's writer is killed, and a machine that records is switched off; what
//! was announced before must be in the file, and the file sound. The clock of a machine is set while its
//! agent records; the record must stay in order, and tell it. And wrong requests come to an agent's
//! listeners beside slow clients; it must stay well, and its metrics at hand.

mod clock_step;
mod disk;
mod machine;
mod power_cut;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{cargo, run};
use crate::kernels;
use crate::packages;
use crate::run::{Profile, as_root, build_agent, build_play, build_recorder_example};
use crate::tree;

/// Programs that machines with disks need beside those of the kernel matrix.
pub(crate) const PROGRAMS: [(&str, &str); 3] = [
    ("mkfs.ext4", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Times the writer is killed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    kills: u32,
    /// Bytes between two places at which a file is cut and garbled; 0 for no such file
    #[arg(long, value_name = "N", default_value_t = 1)]
    damaged_every: u32,
    /// Times the machine is switched off; some ten seconds each
    #[arg(long, value_name = "N", default_value_t = 100)]
    power_cuts: u32,
    /// Times the clock of a machine is set while its agent records; a minute each
    #[arg(long, value_name = "N", default_value_t = 1)]
    clock_steps: u32,
    /// Wrong requests, beside two thousand slow clients, half of either to each listener; as root
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests: u64,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

impl Arguments {
    /// A round for each run of the tests; kills and damaged files are among the unit tests, requests among the stories.
    pub(crate) fn short(install: bool) -> Self {
        Self {
            kills: 0,
            damaged_every: 0,
            power_cuts: 2,
            clock_steps: 1,
            requests: 0,
            install,
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if arguments.requests > 0 {
        ask(arguments.requests)?;
    }
    if arguments.kills > 0 {
        // Beside the test, which starts it.
        build_writer()?;
        kill(arguments.kills)?;
    }
    if arguments.damaged_every > 0 {
        damage(arguments.damaged_every)?;
    }
    if arguments.power_cuts > 0 || arguments.clock_steps > 0 {
        let writer = build_writer()?;
        let programs: Vec<_> = PROGRAMS.into_iter().chain(kernels::PROGRAMS).collect();
        packages::need(&programs, "machines with disks", arguments.install)?;
        power_cut::cut(&writer, arguments.power_cuts)?;
        if arguments.clock_steps > 0 {
            let agent = build_agent(Profile::Release)?;
            clock_step::step(&agent, &writer, arguments.clock_steps)?;
        }
    }
    Ok(())
}

/// Where disks and what is read of them go.
fn folder() -> Result<PathBuf> {
    let folder = tree::target().join("chaos");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    Ok(folder)
}

/// The program that writes without end, and checks.
fn build_writer() -> Result<PathBuf> {
    build_recorder_example("chaos")
}

fn ask(requests: u64) -> Result<()> {
    let agent = build_agent(Profile::Release)?;
    let play = build_play(Profile::Release)?;
    let mut play_them = as_root(Path::new("env"))?;
    play_them.arg(format!("DETECTOR_BIN={}", agent.display()));
    play_them
        .arg(play)
        .args(["requests", "--count", &requests.to_string()]);
    run(&mut play_them).context("the agent did not stand them")
}

fn kill(times: u32) -> Result<()> {
    let mut test: Command = cargo();
    test.current_dir(tree::root())
        .args(["test", "--locked", "--release"])
        .args(["--package", "detector-recorder", "--test", "kill"])
        .args(["--", "--nocapture"])
        .env("DETECTOR_KILLS", times.to_string());
    run(&mut test).context("something that was announced was lost, or the file is damaged")
}

/// In memory, where no commit waits for a disk.
fn damage(every: u32) -> Result<()> {
    let mut test: Command = cargo();
    test.current_dir(tree::root())
        .args(["test", "--locked", "--release"])
        .args(["--package", "detector-recorder", "--test", "damage"])
        .args(["--", "--nocapture", "garbled"])
        .env("DETECTOR_DAMAGED_EVERY", every.to_string())
        .env("TMPDIR", "/dev/shm");
    run(&mut test).context("a damaged file keeps an agent from recording, or a reader from its end")
}
