//! `cargo xtask bench`: what the agent costs, as ratios measured in one run.

mod hook;
mod programs;
mod share;
mod stage;
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
    #[arg(long, default_value_t = 5, global = true, value_parser = clap::value_parser!(u32).range(1..))]
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
    /// `detector top` before an agent with 5,000 peers and 20,000 stalled connections: first frame,
    /// refresh, keys, and what the agent spends for a watcher
    Top,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if matches!(arguments.what, What::Top) {
        packages::need(
            &[("script", "bsdutils")],
            "the benchmark",
            arguments.install,
        )?;
        let agent = build_agent(Profile::Release)?;
        let crowd = build_example("crowded_agent")?;
        return top::main(&agent, &crowd, arguments.rounds, arguments.seconds);
    }
    packages::need(&PROGRAMS, "the benchmark", arguments.install)?;
    let (agent, loader) = match (&arguments.agent, &arguments.loader) {
        (Some(agent), Some(loader)) => (agent.clone(), loader.clone()),
        _ => (
            build_agent(Profile::Release)?,
            build_example("attach_empty")?,
        ),
    };
    if !is_root() {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let what = match arguments.what {
            What::Hook => "hook",
            What::Web => "web",
            What::Top => "top",
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
        What::Web => web::main(&agent, &loader, arguments.rounds, arguments.seconds),
        // Needs neither root nor the loader: done above.
        What::Top => Ok(()),
    }
}

/// An example of the agent's crate: the program that attaches the empty program, as that crate
/// alone loads programs; or the agent with full tables.
fn build_example(name: &str) -> Result<PathBuf> {
    run(cargo()
        .current_dir(tree::root())
        .args(["build", "--locked", "--release", "--package", "detector"])
        .args(["--example", name]))?;
    Ok(tree::target().join("release/examples").join(name))
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

/// A median, and where that of endless rounds lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    median: f64,
    low: f64,
    high: f64,
}

impl Interval {
    /// From order statistics: no assumption about how the values scatter. How many of n values lie
    /// below the true median is binomial; its 2.5 % point by the normal approximation, rounded
    /// outwards. With fewer than six values all of them are needed.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among a few values"
    )]
    fn of_median(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let rank = (count as f64 / 2.0 - 0.98 * (count as f64).sqrt()).floor() as usize;
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self {
            median: median(values),
            low: at(rank.saturating_sub(1)),
            high: at(count.saturating_sub(rank.max(1))),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        write!(
            out,
            "{median:.3} (95 % sure between {low:.3} and {high:.3})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, median};

    #[test]
    fn the_interval_of_a_median_narrows_with_more_values() {
        let values: Vec<f64> = (1..=25).map(f64::from).collect();
        let wide = Interval::of_median(&values[..5]);
        assert_eq!((wide.low, wide.median, wide.high), (1.0, 3.0, 5.0));
        // Binomial(25, 1/2): the 8th and the 18th enclose the median with 95.7 %; one further out.
        let narrow = Interval::of_median(&values);
        assert_eq!((narrow.low, narrow.median, narrow.high), (7.0, 13.0, 19.0));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
