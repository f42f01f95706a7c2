//! `cargo xtask chaos`: the recorder's writer is killed, and a machine that records is switched off; what
//! was announced before must be in the file, and the file sound.

mod power_cut;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{cargo, run};
use crate::kernels;
use crate::packages;
use crate::tree;

/// Programs that power cuts need beside those of the kernel matrix.
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
    /// Times the machine is switched off; some ten seconds each
    #[arg(long, value_name = "N", default_value_t = 100)]
    power_cuts: u32,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

impl Arguments {
    /// A round for each run of the tests; kills are among the unit tests.
    pub(crate) fn short(install: bool) -> Self {
        Self {
            kills: 0,
            power_cuts: 2,
            install,
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let writer = build_writer()?;
    if arguments.kills > 0 {
        kill(arguments.kills)?;
    }
    if arguments.power_cuts > 0 {
        let programs: Vec<_> = PROGRAMS.into_iter().chain(kernels::PROGRAMS).collect();
        packages::need(&programs, "power cuts", arguments.install)?;
        power_cut::cut(&writer, arguments.power_cuts)?;
    }
    Ok(())
}

/// The program that writes without end, and checks.
fn build_writer() -> Result<PathBuf> {
    run(cargo().current_dir(tree::root()).args([
        "build",
        "--locked",
        "--release",
        "--package",
        "detector-recorder",
        "--example",
        "chaos",
    ]))?;
    Ok(tree::target().join("release/examples/chaos"))
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
