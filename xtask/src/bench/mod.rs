//! `cargo xtask bench`: what the agent costs, as ratios measured in one run.

mod hook;
mod programs;
mod stage;
mod web;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{cargo, run};
use crate::packages::{self, is_root};
use crate::run::{Profile, as_root, build_agent};
use crate::tree;

/// Programs the benchmarks use, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("ip", "iproute2"),
    ("tcpdump", "tcpdump"),
    ("bpftool", "bpftool"),
    ("taskset", "util-linux"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Rounds of each kind
    #[arg(long, default_value_t = 5, global = true)]
    rounds: u32,
    /// Seconds of traffic in each round
    #[arg(long, default_value_t = 3, global = true)]
    seconds: u32,
    /// Agent, already built (used when this chore calls itself through sudo)
    #[arg(long, hide = true, global = true)]
    agent: Option<PathBuf>,
    /// Loader of the empty program, already built
    #[arg(long, hide = true, global = true)]
    loader: Option<PathBuf>,
    /// Install missing packages (as root, on Debian)
    #[arg(long, global = true)]
    install: bool,
}

#[derive(clap::Subcommand)]
enum What {
    /// The program on `tcp_probe` against an empty one: nanoseconds a run, by the kernel's own count
    Hook,
    /// Requests a second of nginx without the agent, with it, and beside tcpdump
    Web,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    packages::need(&PROGRAMS, "the benchmark", arguments.install)?;
    let (agent, loader) = match (&arguments.agent, &arguments.loader) {
        (Some(agent), Some(loader)) => (agent.clone(), loader.clone()),
        _ => (build_agent(Profile::Release)?, build_loader()?),
    };
    if !is_root() {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let what = match arguments.what {
            What::Hook => "hook",
            What::Web => "web",
        };
        return run(as_root(&this)?
            .args(["bench", what, "--rounds", &arguments.rounds.to_string()])
            .args(["--seconds", &arguments.seconds.to_string(), "--agent"])
            .arg(agent)
            .arg("--loader")
            .arg(loader));
    }
    match arguments.what {
        What::Hook => hook::main(&agent, &loader, arguments.rounds, arguments.seconds),
        What::Web => web::main(&agent, arguments.rounds, arguments.seconds),
    }
}

/// The program that attaches the empty program: an example of the agent's crate, which alone loads
/// programs.
fn build_loader() -> Result<PathBuf> {
    run(cargo()
        .current_dir(tree::root())
        .args(["build", "--locked", "--release", "--package", "detector"])
        .args(["--example", "attach_empty"]))?;
    Ok(tree::target().join("release/examples/attach_empty"))
}

/// The middle value; of an even number, the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
