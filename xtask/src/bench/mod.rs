//! `cargo xtask bench`: what the agent costs, as ratios measured in one run.

mod crowd;
mod hook;
mod idle;
mod namespace;
mod owner;
mod programs;
mod recorder;
mod share;
mod stage;
mod sweep;
mod top;
mod web;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{cargo, run};
use crate::packages::{self, is_root};
use crate::run::{Profile, as_root, build_agent};
use crate::tree;

/// Programs the benchmarks use, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 5] = [
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("ip", "iproute2"),
    ("tcpdump", "tcpdump"),
    ("bpftool", "bpftool"),
];

/// Holds idle connections.
const IDLE_SOCKETS: (&str, &str) = ("detector-lab", "idle_sockets");

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Agent, already built (used when this chore calls itself through sudo)
    #[arg(long, hide = true, global = true)]
    agent: Option<PathBuf>,
    /// Folder of the programs the benchmark is helped by, already built
    #[arg(long, hide = true, global = true)]
    examples: Option<PathBuf>,
    /// Install missing packages (as root, on Debian)
    #[arg(long, global = true)]
    install: bool,
}

#[derive(clap::Subcommand)]
enum What {
    /// The program on `tcp_probe` against an empty one: nanoseconds a run, by the kernel's own count
    Hook(Rounds),
    /// Requests a second of nginx with the agent against without; the same for a program that does
    /// nothing, and for tcpdump
    Web {
        /// Blocks without, with, with, without; about four seconds each, with all that is compared
        #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(10..))]
        blocks: u32,
        /// Bytes of an answer: the fewer, the more of the time goes to segments. The default is the
        /// mean on the web (about 2.5 MB a page in 70 answers, HTTP Archive)
        #[arg(long, default_value_t = 36_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
        bytes: u32,
    },
    /// `detector top` before an agent with 5,000 peers and 20,000 stalled connections: first frame,
    /// refresh, keys, and what the agent spends for a watcher
    Top(Rounds),
    /// A day of the flight recorder, ordinary and in a flood: processor time, commits, size, and how
    /// long a report of it takes
    Recorder,
    /// An idle host, and one with many network namespaces and idle sockets: processor time of the agent
    /// outside its programs, by thread, and of its programs
    Idle(idle::Idle),
    /// A pass of the sweep over 1,000, 10,000 and 100,000 idle sockets, against one of an empty program
    Sweep(Rounds),
    /// Owners of 5,000 stalled connections of nginx, apache2 (prefork) and a server with threads:
    /// how many are found and right, how soon, and what the search takes
    Owner {
        /// Seconds over which the search is watched once all is found
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(20..=600))]
        seconds: u32,
    },
}

impl What {
    fn programs(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Owner { .. } => &owner::PROGRAMS,
            _ => &PROGRAMS,
        }
    }

    /// Examples it is helped by, with the packages they belong to.
    const fn examples(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Owner { .. } => &owner::EXAMPLES,
            Self::Recorder => &[("detector-recorder", "day")],
            Self::Top(_) => &[("detector-agent", "crowded_agent")],
            Self::Idle(_) => &[("detector-agent", "attach_empty"), IDLE_SOCKETS],
            Self::Sweep(_) => &[("detector-agent", "time_sweeps"), IDLE_SOCKETS],
            Self::Hook(_) | Self::Web { .. } => &[("detector-agent", "attach_empty")],
        }
    }
}

#[derive(clap::Args)]
struct Rounds {
    /// Rounds of each kind
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of traffic in each round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if let What::Recorder = arguments.what {
        let day = build_examples(arguments.what.examples())?.join("day");
        return recorder::main(&day, &build_agent(Profile::Release)?);
    }
    if let What::Top(Rounds { rounds, seconds }) = arguments.what {
        packages::need(
            &[("script", "bsdutils")],
            "the benchmark",
            arguments.install,
        )?;
        let agent = build_agent(Profile::Release)?;
        let crowd = build_examples(arguments.what.examples())?.join("crowded_agent");
        return top::main(&agent, &crowd, rounds, seconds);
    }
    packages::need(
        arguments.what.programs(),
        "the benchmark",
        arguments.install,
    )?;
    let (agent, examples) = match (&arguments.agent, &arguments.examples) {
        (Some(agent), Some(examples)) => (agent.clone(), examples.clone()),
        _ => (
            build_agent(Profile::Release)?,
            build_examples(arguments.what.examples())?,
        ),
    };
    if !is_root() {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        return run(as_root(&this)?
            .args(std::env::args_os().skip(1))
            .arg("--agent")
            .arg(agent)
            .arg("--examples")
            .arg(examples));
    }
    let loader = examples.join("attach_empty");
    match arguments.what {
        What::Hook(Rounds { rounds, seconds }) => hook::main(&agent, &loader, rounds, seconds),
        What::Web { blocks, bytes } => web::main(&agent, &loader, blocks, bytes),
        What::Idle(idle) => idle::main(&agent, &examples, idle),
        What::Sweep(Rounds { rounds, .. }) => sweep::main(&examples, rounds),
        What::Owner { seconds } => owner::main(&agent, &examples, seconds),
        // Need neither root nor the loader: done above.
        What::Recorder | What::Top(_) => Ok(()),
    }
}

/// Builds examples of packages: the program that attaches the empty one, as the agent's crate alone
/// loads programs; the agent with full tables; servers and peers. Returns their folder.
fn build_examples(examples: &[(&str, &str)]) -> Result<PathBuf> {
    for (package, name) in examples {
        run(cargo()
            .current_dir(tree::root())
            .args(["build", "--locked", "--release", "--package", package])
            .args(["--example", name]))?;
    }
    Ok(tree::target().join("release/examples"))
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

/// A mean ratio, and where that of endless rounds lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    mean: f64,
    low: f64,
    high: f64,
}

impl Interval {
    /// The geometric mean of independent ratios: scatter in what a ratio divides by would push the
    /// arithmetic one up. Normal approximation; with few rounds it says too much of itself.
    fn of_ratios(ratios: &[f64]) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "a few hundred rounds")]
        let count = ratios.len() as f64;
        let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
        let squares: f64 = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        Self {
            mean: mean.exp(),
            low: 1.96f64.mul_add(-error, mean).exp(),
            high: 1.96f64.mul_add(error, mean).exp(),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, low, high } = self;
        write!(out, "{mean:.3} (95 % sure between {low:.3} and {high:.3})")
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, median};

    #[test]
    fn the_interval_of_ratios_narrows_with_more_of_them() {
        let few = Interval::of_ratios(&[0.5, 2.0, 0.5, 2.0]);
        let many = Interval::of_ratios(&[0.5, 2.0].repeat(50));
        assert_eq!((few.mean, many.mean), (1.0, 1.0));
        assert!(few.low < many.low && many.low < 1.0);
        assert!(few.high > many.high && many.high > 1.0);
        // ln 2 / sqrt(99) * 1.96
        assert!((many.high - 0.136_54f64.exp()).abs() < 1e-4, "{many:?}");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
