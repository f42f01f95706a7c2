//! `cargo xtask bench web`: what a web server loses to the agent.
//!
//! Twice over. Requests a second, with the agent against without, is what counts, but on a machine
//! that shares its processors it scatters by tens of percent, and no number of short rounds shows
//! one percent. So the processor time that the agent and its programs take is measured too: on
//! saturated processors what is left is what the server keeps, whatever the neighbours do.

use std::path::Path;

use anyhow::{Result, bail};

use super::programs::start_agent;
use super::share::{Share, left_over};
use super::{Interval, stage::Stage};

/// Requests a second with the agent, against without.
const BUDGET: f64 = 0.99;
/// One round is far noisier than the budget is narrow, so there are many short ones.
const ROUNDS_PER_ROUND: u32 = 5;

pub(super) fn main(agent: &Path, loader: &Path, rounds: u32, seconds: u32) -> Result<()> {
    let seconds = (seconds / 3).max(1);
    let stage = Stage::build()?;
    // Caches, and the server's own start.
    stage.requests_per_second("/small", 1)?;
    let (mut with_agent, mut beside_tcpdump) = (Vec::new(), Vec::new());
    let mut left = Vec::new();
    println!("round  without/s  agent/s  ratio  tcpdump/s  ratio  time left");
    for round in 1..=rounds * ROUNDS_PER_ROUND {
        // The machine's speed drifts: each is compared with the mean of the rounds around it.
        let before = stage.requests_per_second("/small", seconds)?;
        let agent_rate = {
            let _running = start_agent(agent, &stage.scratch.path)?;
            stage.requests_per_second("/small", seconds)?
        };
        let between = stage.requests_per_second("/small", seconds)?;
        let tcpdump_rate = {
            let _running = stage.tcpdump()?;
            stage.requests_per_second("/small", seconds)?
        };
        let after = stage.requests_per_second("/small", seconds)?;
        let share = left_over(&stage, agent, loader, seconds)?;
        let agent_ratio = agent_rate / f64::midpoint(before, between);
        let tcpdump_ratio = tcpdump_rate / f64::midpoint(between, after);
        println!(
            "{round:>5}  {between:>9.0}  {agent_rate:>7.0}  {agent_ratio:.3}  {tcpdump_rate:>9.0}  {tcpdump_ratio:.3}      {:.4}",
            share.left()
        );
        with_agent.push(agent_ratio);
        beside_tcpdump.push(tcpdump_ratio);
        left.push(share);
    }
    judge(&with_agent, &beside_tcpdump, &left)
}

fn judge(with_agent: &[f64], beside_tcpdump: &[f64], left: &[Share]) -> Result<()> {
    let rates = Interval::of_median(with_agent);
    let dumped = Interval::of_median(beside_tcpdump);
    // Means, not medians: most short spans hold no sweep, and those that do must count.
    let agent = mean(left.iter().map(|each| each.agent));
    let hooks = mean(left.iter().map(|each| each.hooks));
    let share = mean(left.iter().map(Share::left));
    println!("\nrequests/s with the agent      {rates}");
    println!("requests/s beside tcpdump      {dumped}");
    println!(
        "processor time left by the agent {share:.4} (agent {agent:.4}, its programs {hooks:.4} of both cores)"
    );
    println!("budget: at least {BUDGET} of the requests");
    if rates.high < BUDGET {
        bail!("over budget: with the agent nginx surely answers less than {BUDGET}: {rates}");
    }
    if share < BUDGET {
        bail!("over budget: the agent leaves {share:.4} of the processor time");
    }
    if rates.high - rates.low > 1.0 - BUDGET {
        println!(
            "the rates scatter too much here to show the budget by themselves; the time left shows it"
        );
    }
    Ok(())
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few rounds")]
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
