//! `cargo xtask run`: builds the agent and starts it, through sudo when that is needed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, find_in_path, run, shown};
use crate::packages;
use crate::tree;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed to `detector run`
    #[arg(last = true)]
    agent: Vec<String>,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let agent = build_agent(Profile::Release)?;
    let mut command = as_root(&agent)?;
    command.arg("run").args(&arguments.agent);
    eprintln!("starting {}", shown(&command));
    // In this process's place, so that Ctrl-C and the exit code are the agent's own.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", shown(&command)))
}

/// Agent and player, for chores that need root.
#[derive(Default, clap::Args)]
pub(crate) struct Programs {
    /// Agent, already built (used when this chore calls itself through sudo)
    #[arg(long, hide = true, requires = "play")]
    agent: Option<PathBuf>,
    /// Player, already built
    #[arg(long, hide = true, requires = "agent")]
    play: Option<PathBuf>,
}

impl Programs {
    /// Builds them as the current user. `None` if the chore, called by these words, was then carried out
    /// by itself through sudo.
    pub(crate) fn as_root(&self, chore: &[&str]) -> Result<Option<(PathBuf, PathBuf)>> {
        let (agent, play) = match (&self.agent, &self.play) {
            (Some(agent), Some(play)) => (agent.clone(), play.clone()),
            _ => (build_agent(Profile::Dev)?, build_play(Profile::Dev)?),
        };
        if packages::is_root() {
            return Ok(Some((agent, play)));
        }
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let mut command = as_root(&this)?;
        command.args(chore);
        run(command.arg("--agent").arg(agent).arg("--play").arg(play))?;
        Ok(None)
    }
}

/// How programs are built: what users run, or what tests run and is built sooner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    Dev,
}

/// Builds the agent as the current user and returns its file.
pub(crate) fn build_agent(profile: Profile) -> Result<PathBuf> {
    build(profile, "detector")
}

/// Builds the program that plays peers and returns its file.
pub(crate) fn build_play(profile: Profile) -> Result<PathBuf> {
    build(profile, "play")
}

/// Builds an example of the recorder's crate, by itself, and returns its file.
pub(crate) fn build_recorder_example(name: &str) -> Result<PathBuf> {
    run(cargo().current_dir(tree::root()).args([
        "build",
        "--locked",
        "--release",
        "--package",
        "detector-recorder",
        "--example",
        name,
    ]))?;
    Ok(tree::target().join("release/examples").join(name))
}

fn build(profile: Profile, program: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .current_dir(tree::root())
        .args(["build", "--locked"]);
    let folder = match profile {
        Profile::Release => {
            let package = if program == "play" {
                "detector-tests"
            } else {
                "detector"
            };
            command.args(["--release", "--package", package, "--bin", program]);
            "release"
        }
        Profile::Dev => {
            // Always both: another choice of packages is another choice of features, and would
            // compile half of the dependencies again.
            command.args([
                "--package",
                "detector",
                "--package",
                "detector-tests",
                "--bins",
            ]);
            "debug"
        }
    };
    run(&mut command)?;
    Ok(tree::target().join(folder).join(program))
}

/// `program` with root's rights: as it is for root, else through sudo.
pub(crate) fn as_root(program: &Path) -> Result<Command> {
    if packages::is_root() {
        return Ok(Command::new(program));
    }
    let Some(sudo) = find_in_path("sudo") else {
        bail!(
            "{} needs root, and sudo is not installed: run this chore as root",
            program.display()
        );
    };
    let mut command = Command::new(sudo);
    command.arg(program);
    Ok(command)
}
