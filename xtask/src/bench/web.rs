//! `cargo xtask bench web`: what a web server loses to the agent.

use std::path::Path;

use anyhow::{Result, bail};

use super::programs::start_agent;
use super::{median, stage::Stage};

/// Requests a second with the agent, against without.
const BUDGET: f64 = 0.99;
/// One round is far noisier than the budget is narrow, so there are many short ones.
const ROUNDS_PER_ROUND: u32 = 5;

pub(super) fn main(agent: &Path, rounds: u32, seconds: u32) -> Result<()> {
    let seconds = (seconds / 3).max(1);
    let stage = Stage::build()?;
    // Caches, and the server's own start.
    stage.requests_per_second("/small", 1)?;
    let (mut with_agent, mut beside_tcpdump) = (Vec::new(), Vec::new());
    println!("round  without/s  agent/s  ratio  tcpdump/s  ratio");
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
        let agent_ratio = agent_rate / f64::midpoint(before, between);
        let tcpdump_ratio = tcpdump_rate / f64::midpoint(between, after);
        println!(
            "{round:>5}  {between:>9.0}  {agent_rate:>7.0}  {agent_ratio:.3}  {tcpdump_rate:>9.0}  {tcpdump_ratio:.3}"
        );
        with_agent.push(agent_ratio);
        beside_tcpdump.push(tcpdump_ratio);
    }
    let ratio = median(&with_agent);
    println!("\nmedian: with the agent {ratio:.3} (budget at least {BUDGET})");
    println!("        beside tcpdump {:.3}", median(&beside_tcpdump));
    if ratio < BUDGET {
        bail!("over budget: nginx answers {ratio:.3} of what it does without the agent");
    }
    Ok(())
}
