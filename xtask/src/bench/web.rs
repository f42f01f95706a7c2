//! `cargo xtask bench web`: what a web server loses to the agent.
//!
//! Answers a second, with the agent against without, is what counts, but on a machine that shares
//! its processors one second of them scatters by ten percent. So there are many short spans under
//! one unbroken load, in blocks without, with, with, without: what drifts falls out of a block, and
//! what does not averages out over hundreds of them. Beside that, the processor time that the agent
//! and its programs take: on saturated processors what is left is what the server keeps, whatever
//! the neighbours do.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Interval;
use super::programs::start_agent;
use super::share::{Share, left_over};
use super::stage::{Stage, Traffic};
use crate::background::Background;

/// Answers a second with the agent, against without.
const BUDGET: f64 = 0.99;
/// Long enough to read the counters exactly, short enough that the machine's speed hardly drifts.
const SPAN: Duration = Duration::from_millis(500);
/// From a start or a stop until the load is back to itself.
const SETTLE: Duration = Duration::from_millis(200);
/// One in so many blocks is also played with tcpdump, and its processor time measured: both scatter
/// far less than what they are to show.
const OTHERS_EVERY: u32 = 8;

pub(super) fn main(agent: &Path, loader: &Path, blocks: u32) -> Result<()> {
    let stage = Stage::build()?;
    // Caches, the server's own start, and whether its answers are good: wrk says so at its end.
    stage.requests_per_second("/small", 1)?;
    // More than a block takes on a slow machine; it is stopped when the last has been played.
    let mut traffic = stage.traffic("/small", blocks.saturating_mul(30))?;
    let (mut with_agent, mut beside_tcpdump) = (Vec::new(), Vec::new());
    let mut left = Vec::new();
    println!("blocks  answers/s with the agent");
    for block in 1..=blocks {
        with_agent.push(ratio_of_block(&traffic, || {
            start_agent(agent, &stage.scratch.path)
        })?);
        if block % OTHERS_EVERY == 1 {
            beside_tcpdump.push(ratio_of_block(&traffic, || stage.tcpdump())?);
            left.push(left_over(&stage, agent, loader, SPAN * 2)?);
        }
        traffic.check()?;
        if block % 20 == 0 {
            println!("{block:>6}  {}", Interval::of_ratios(&with_agent));
        }
    }
    judge(&with_agent, &beside_tcpdump, &left)
}

/// Without, with, with, without: the ratio of what is with to what is without.
fn ratio_of_block(traffic: &Traffic, start: impl FnOnce() -> Result<Background>) -> Result<f64> {
    let span = || {
        thread::sleep(SETTLE);
        traffic.answers_per_second(SPAN)
    };
    let before = span()?;
    let during = {
        let _running = start()?;
        thread::sleep(SETTLE);
        traffic.answers_per_second(SPAN * 2)?
    };
    let after = span()?;
    if before == 0.0 || during == 0.0 || after == 0.0 {
        bail!("nginx answered nothing for {SPAN:?}: has wrk stopped?");
    }
    Ok(during / f64::midpoint(before, after))
}

fn judge(with_agent: &[f64], beside_tcpdump: &[f64], left: &[Share]) -> Result<()> {
    let rates = Interval::of_ratios(with_agent);
    let dumped = Interval::of_ratios(beside_tcpdump);
    // Means, not medians: most short spans hold no sweep, and those that do must count.
    let agent = mean(left.iter().map(|each| each.agent));
    let hooks = mean(left.iter().map(|each| each.hooks));
    let share = mean(left.iter().map(Share::left));
    println!("\nrequests/s with the agent      {rates}");
    println!("requests/s beside tcpdump      {dumped}");
    println!(
        "processor time left by the agent {share:.4} (agent {agent:.4}, its programs {hooks:.4} of all processors)"
    );
    println!("budget: at least {BUDGET} of the requests");
    if rates.high < BUDGET {
        bail!("over budget: with the agent nginx surely answers less than {BUDGET}: {rates}");
    }
    if share < BUDGET {
        bail!("over budget: the agent leaves {share:.4} of the processor time");
    }
    Ok(())
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few blocks")]
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
