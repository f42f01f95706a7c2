//! `cargo xtask bench`: what the agent costs, as ratios measured in one run.

mod all;
mod ask;
mod census;
mod cost;
mod crowd;
mod engine;
mod flood;
mod guard;
mod hook;
mod idle;
mod latency;
mod life;
mod namespace;
mod owner;
mod programs;
mod recorder;
mod share;
mod stage;
mod storm;
mod sweep;
mod table;
mod top;
mod web;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{cargo, run};
use crate::packages::{self, is_root};
use crate::run::{Profile, as_root, build_agent, build_recorder_example};
use crate::tree;

/// Programs most benchmarks use, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 5] = [
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("openssl", "openssl"),
    ("ip", "iproute2"),
    ("bpftool", "bpftool"),
];

/// What the short round of the recorder needs.
pub(crate) use recorder::PROGRAMS as RECORDER_PROGRAMS;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Without one: all but `guard`, written to BENCHMARKS.md
    #[command(subcommand)]
    what: Option<What>,
    /// Only these parts, separated by commas; the page says which were left out
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
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
    /// The program on `tcp_probe` against one that does nothing: nanoseconds a run, by the kernel's
    /// own count, of healthy segments and of those that misbehave; instructions of all programs
    Hook {
        #[command(flatten)]
        rounds: Rounds,
        /// Another agent's program, built from another commit: both, in turns, with healthy segments
        #[arg(long, value_name = "PROGRAM")]
        against: Option<PathBuf>,
    },
    /// What nginx loses to the agent, to a program that does nothing, and to other tools: requests a
    /// second, and processor time a request, of those without
    Web {
        /// Rounds of everything, some two minutes each
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
        rounds: u32,
    },
    /// 20,000 stalled connections, windows that tease, shrinks in each acknowledgement, peers by the
    /// hundred thousand: memory, losses, totals, latencies of flags and of the server
    Flood {
        /// Peers that come and go before the last flood
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=8_000_000))]
        peers: u32,
    },
    /// What it takes to ask the kernel for all connections of 5,000 suspects with 20,000 stalled ones
    Census {
        /// Seconds over which it is watched; the first 300 are for the work at hand
        #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(420..=3_600))]
        seconds: u32,
    },
    /// Observations a second of the engine, memory and allocations, by connections tracked
    Engine {
        /// Most connections; ten million take some gigabytes
        #[arg(long, default_value_t = 10_000_000)]
        most: u64,
    },
    /// Start, reload, scrape, control socket, report and stop
    Life(Rounds),
    /// `detector top` before an agent with 5,000 peers and 20,000 stalled connections: first frame,
    /// refresh, keys, and what the agent spends for a watcher
    Top(Rounds),
    /// A day of the flight recorder, ordinary and in a flood: processor time, commits, size, its report, how soon
    /// an older file is opened; and how often a quiet host waits for the disk
    Recorder {
        /// Half an hour and less instead, without an agent, held to bounds that only a fault breaks; within a
        /// minute
        #[arg(long)]
        short: bool,
    },
    /// How soon a flag reaches a reader with the flight recorder and without it, in turns, on a calm host
    /// and while 20,000 connections stall
    Latency {
        /// Rounds of each kind
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Seconds of each round
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=600))]
        seconds: u32,
    },
    /// Owners of 5,000 stalled connections of nginx, apache2 (prefork) and a server with threads:
    /// how many are found and right, how soon, and what the search takes
    Owner {
        /// Seconds over which the search is watched once all is found
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(20..=600))]
        seconds: u32,
    },
    /// An idle host, and one with many network namespaces and idle sockets: processor time of the agent
    /// outside its programs, by thread, and of its programs
    Idle(idle::Idle),
    /// A pass of the sweep over 1,000, 10,000 and 100,000 idle sockets, against one of an empty program
    Sweep(Rounds),
    /// What CI holds the programs to: their sizes, against a file in the tree, and the healthy
    /// acknowledgement against an empty program
    Guard {
        /// Write the sizes that this kernel gives
        #[arg(long)]
        bless: bool,
    },
}

impl What {
    fn programs(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Owner { .. } => &owner::PROGRAMS,
            Self::Web { .. } => &web::PROGRAMS,
            Self::Top(_) => &[("script", "bsdutils")],
            Self::Recorder { .. } => &recorder::PROGRAMS,
            Self::Engine { .. } => &[],
            Self::Idle(_)
            | Self::Sweep(_)
            | Self::Hook { .. }
            | Self::Flood { .. }
            | Self::Census { .. }
            | Self::Latency { .. }
            | Self::Life(_)
            | Self::Guard { .. } => &PROGRAMS,
        }
    }

    const fn needs_root(&self) -> bool {
        !matches!(self, Self::Engine { .. } | Self::Top(_))
    }

    /// Sizes and ratios are the same of programs that are built sooner.
    const fn profile(&self) -> Profile {
        match self {
            Self::Guard { .. } => Profile::Dev,
            _ => Profile::Release,
        }
    }
}

#[derive(Clone, Copy, clap::Args)]
struct Rounds {
    /// Rounds of each kind
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of traffic in each round
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let what = arguments.what.as_ref();
    if let Some(What::Recorder { short: true }) = what {
        return recorder(arguments.install);
    }
    let programs = what.map_or(&web::PROGRAMS[..], What::programs);
    packages::need(programs, "the benchmark", arguments.install)?;
    let (agent, examples) = match (&arguments.agent, &arguments.examples) {
        (Some(agent), Some(examples)) => (agent.clone(), examples.clone()),
        _ => build(what.map_or(Profile::Release, What::profile))?,
    };
    if what.is_none_or(What::needs_root) && !is_root() {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        return run(as_root(&this)?
            .args(std::env::args_os().skip(1))
            .arg("--agent")
            .arg(agent)
            .arg("--examples")
            .arg(examples));
    }
    let loader = examples.join("attach_empty");
    match what {
        None => all::main(&agent, &examples, &arguments.parts),
        Some(What::Hook { rounds, against }) => {
            let Rounds { rounds, seconds } = *rounds;
            match against {
                Some(other) => hook::compare((&agent, other), &examples, rounds, seconds),
                None => hook::main(&agent, &examples, rounds, seconds),
            }
        }
        Some(What::Web { rounds }) => web::main(&agent, &loader, *rounds),
        Some(What::Flood { peers }) => flood::main(&agent, &examples, *peers),
        Some(What::Census { seconds }) => census::main(&agent, &examples, *seconds),
        Some(What::Engine { most }) => engine::main(&examples.join("many"), *most),
        Some(What::Life(Rounds { rounds, .. })) => life::main(&agent, *rounds),
        Some(What::Top(Rounds { rounds, seconds })) => {
            top::main(&agent, &examples.join("crowded_agent"), *rounds, *seconds)
        }
        Some(What::Recorder { .. }) => {
            recorder::main(&agent, &examples.join("day"), &recorder::LONG)
        }
        Some(What::Latency { rounds, seconds }) => {
            latency::main(&agent, &examples, *rounds, *seconds)
        }
        Some(What::Owner { seconds }) => owner::main(&agent, &examples, *seconds),
        Some(What::Idle(idle)) => idle::main(&agent, &examples, *idle),
        Some(What::Sweep(Rounds { rounds, .. })) => sweep::main(&examples, *rounds),
        Some(What::Guard { bless }) => guard::main(&agent, &examples, *bless),
    }
}

/// The short check of `cargo xtask test`.
pub(crate) fn guard(install: bool) -> Result<()> {
    main(&Arguments {
        what: Some(What::Guard { bless: false }),
        parts: Vec::new(),
        agent: None,
        examples: None,
        install,
    })
}

/// The short round of the recorder in `cargo xtask test`. Built as other steps build the same programs.
pub(crate) fn recorder(install: bool) -> Result<()> {
    packages::need(&recorder::PROGRAMS, "the benchmark", install)?;
    let agent = build_agent(Profile::Release)?;
    let day = build_recorder_example("day")?;
    recorder::main(&agent, &day, &recorder::SHORT)
}

/// Builds the agent, and what benches are helped by: programs that load the empty one (the agent's
/// crate alone loads any), play peers, or have full tables. Returns the agent and their folder.
///
/// Always all of them: another choice of packages is another choice of features, and would compile
/// half of the dependencies again.
fn build(profile: Profile) -> Result<(PathBuf, PathBuf)> {
    let agent = build_agent(profile)?;
    let mut command = cargo();
    command
        .current_dir(tree::root())
        .args(["build", "--locked", "--examples"]);
    let folder = match profile {
        Profile::Release => {
            command.arg("--release");
            "release/examples"
        }
        Profile::Dev => "debug/examples",
    };
    run(&mut command)?;
    Ok((agent, tree::target().join(folder)))
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

/// The value that this share of the sorted ones does not exceed.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among a few thousand"
)]
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    let value = sorted.get(rank.saturating_sub(1));
    value.copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{median, percentile};

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&values, 0.5), 2.0);
        assert_eq!(percentile(&values, 0.99), 4.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
