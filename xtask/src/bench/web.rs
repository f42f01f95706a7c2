//! `cargo xtask bench web`: what a web server loses to the agent.
//!
//! Requests a second, with the agent against without, is what counts, but on a machine that shares
//! its processors one second of them scatters by ten percent. So there are many short spans under
//! one unbroken load, in blocks without, with, with, without: what drifts falls out of a block, and
//! what does not averages out over hundreds of them. The same is played with a program that does
//! nothing (what being called costs, and nobody who watches windows can save) and with tcpdump.
//! Beside that, the processor time that the agent and its programs take: on saturated processors
//! what is left is what the server keeps, whatever the neighbours do. It says a little too much:
//! where a program is the first to touch a socket, it also pays for what the kernel would have
//! fetched into the cache a moment later.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Interval;
use super::programs::{start_agent, start_empty};
use super::share::{Share, left_over};
use super::stage::{Stage, Traffic};
use crate::background::Background;

/// Requests a second with the agent, against without.
const BUDGET: f64 = 0.99;
/// Long enough to read the counters exactly, short enough that the machine's speed hardly drifts.
const SPAN: Duration = Duration::from_millis(300);
/// From a start or a stop until the load is back to itself.
const SETTLE: Duration = Duration::from_millis(100);
/// One in so many blocks is also played with tcpdump, and its processor time measured: both scatter
/// far less than what they are to show.
const OTHERS_EVERY: u32 = 8;

pub(super) fn main(agent: &Path, loader: &Path, blocks: u32, bytes: u32) -> Result<()> {
    let stage = Stage::build()?;
    stage.write_page(bytes)?;
    // Caches, the server's own start, and whether its answers are good: wrk says so at its end.
    stage.requests_per_second("/page", 1)?;
    // More than a block takes on a slow machine; it is stopped when the last has been played.
    let mut traffic = stage.traffic("/page", blocks.saturating_mul(30))?;
    let mut ratios = Ratios::default();
    println!("blocks  requests/s with the agent, answers of {bytes} bytes");
    for block in 1..=blocks {
        let with_agent = ratio_of_block(&traffic, || start_agent(agent, &stage.scratch.path))?;
        ratios.with_agent.push(with_agent);
        let with_empty = ratio_of_block(&traffic, || start_empty(loader))?;
        ratios.with_empty.push(with_empty);
        if block % OTHERS_EVERY == 1 {
            let dumped = ratio_of_block(&traffic, || stage.tcpdump())?;
            ratios.beside_tcpdump.push(dumped);
            ratios
                .shares
                .push(left_over(&stage, agent, loader, SPAN * 4)?);
        }
        traffic.check()?;
        if block % 20 == 0 {
            println!("{block:>6}  {}", Interval::of_ratios(&ratios.with_agent));
        }
    }
    ratios.judge()
}

/// Without, with, with, without: the ratio of what is with to what is without.
fn ratio_of_block(traffic: &Traffic, start: impl FnOnce() -> Result<Background>) -> Result<f64> {
    let span = || {
        thread::sleep(SETTLE);
        traffic.requests_per_second(SPAN)
    };
    let before = span()?;
    let during = {
        let _running = start()?;
        thread::sleep(SETTLE);
        traffic.requests_per_second(SPAN * 2)?
    };
    let after = span()?;
    if before == 0.0 || during == 0.0 || after == 0.0 {
        bail!("nginx answered nothing for {SPAN:?}: has wrk stopped?");
    }
    Ok(during / f64::midpoint(before, after))
}

/// What the blocks showed.
#[derive(Default)]
struct Ratios {
    with_agent: Vec<f64>,
    with_empty: Vec<f64>,
    beside_tcpdump: Vec<f64>,
    shares: Vec<Share>,
}

impl Ratios {
    fn judge(&self) -> Result<()> {
        let rates = Interval::of_ratios(&self.with_agent);
        // Means, not medians: most short spans hold no sweep, and those that do must count.
        let agent = mean(self.shares.iter().map(|each| each.agent));
        let hooks = mean(self.shares.iter().map(|each| each.hooks));
        let left = mean(self.shares.iter().map(Share::left));
        println!("\nrequests/s with the agent          {rates}");
        println!(
            "requests/s with an empty program   {}",
            Interval::of_ratios(&self.with_empty)
        );
        println!(
            "requests/s beside tcpdump          {}",
            Interval::of_ratios(&self.beside_tcpdump)
        );
        println!(
            "processor time left by the agent   {left:.4} (agent {agent:.4}, its programs {hooks:.4} of all processors)"
        );
        println!("budget: at least {BUDGET} of the requests");
        if rates.low < BUDGET && BUDGET < rates.high {
            println!("noise may have decided: more --blocks tell more");
        }
        if rates.mean < BUDGET {
            bail!("over budget: with the agent nginx answers less than {BUDGET}: {rates}");
        }
        if left < BUDGET {
            bail!("over budget: the agent leaves {left:.4} of the processor time");
        }
        Ok(())
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few blocks")]
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
