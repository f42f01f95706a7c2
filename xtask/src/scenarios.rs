//! `cargo xtask scenarios`: the labelled scenarios, and the page that tells what came of them; with
//! `--guard` what the guard does about them.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::{run, shown};
use crate::e2e;
use crate::packages;
use crate::run::{Profile, as_root, build_agent, build_play};
use crate::tree;

/// The page, below the root of the tree.
const PAGE: &str = "docs/scenarios.md";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only scenarios with this in their name; the page is printed then, not written
    filter: Option<String>,
    /// How many times each is played
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Play once before an agent whose guard enforces, under pressure all the time: it must free 95 % of
    /// what each attack pins within ten seconds of its accusation and touch nobody honest; what came of
    /// it is printed, no page is written
    #[arg(long, conflicts_with = "runs")]
    guard: bool,
    /// Play before the agent as users run it, not as tests build it
    #[arg(long)]
    release: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    packages::need(&e2e::PROGRAMS, "playing the scenarios", arguments.install)?;
    let profile = if arguments.release {
        Profile::Release
    } else {
        Profile::Dev
    };
    let agent = build_agent(profile)?;
    let play = build_play(Profile::Dev)?;
    let mut command = as_root("env".as_ref())?;
    command
        .arg(format!("DETECTOR_BIN={}", agent.display()))
        .arg(play)
        .arg("scenarios")
        .args(&arguments.filter);
    if arguments.guard {
        command.arg("--guard").stdin(Stdio::null());
        return run(&mut command).context("the guard was late or touched somebody: see above");
    }
    command.args(["--runs", &arguments.runs.to_string()]);
    let (page, is_right) = page_of(&mut command)?;
    if arguments.filter.is_some() {
        std::io::stdout().write_all(page.as_bytes())?;
    } else {
        let file = tree::root().join(PAGE);
        fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{PAGE}: written");
    }
    if is_right {
        return Ok(());
    }
    bail!("a scenario was missed, an honest one accused or a flag late: see above")
}

/// Runs the player; returns its page and whether all was right. Without a page there is none.
fn page_of(command: &mut Command) -> Result<(String, bool)> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let page = String::from_utf8(output.stdout).context("the page is not UTF-8")?;
    if page.is_empty() {
        bail!("{} ended with {}", shown(command), output.status);
    }
    Ok((format!("{}\n", page.trim_end()), output.status.success()))
}
