//! `cargo xtask bench hook`: the healthy acknowledgement, against a program that does nothing.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::programs::{EMPTY, Stats, programs, start_agent, start_counting, start_empty};
use super::{median, stage::Stage};
use crate::background::Background;

/// Nanoseconds a run of ours, against the empty one.
const BUDGET: f64 = 2.0;

/// The agent's program on `tcp_probe`.
const OURS: &str = "det_tcp_probe";

pub(super) fn main(agent: &Path, loader: &Path, rounds: u32, seconds: u32) -> Result<()> {
    let stage = Stage::build()?;
    let _counting = start_counting(loader)?;
    let mut ratios = Vec::new();
    let (mut empty_sum, mut ours_sum) = (Stats::default(), Stats::default());
    println!("round  empty ns (runs)     ours ns (runs)      ratio");
    for round in 1..=rounds {
        // One at a time: a second program would find the socket already in the cache.
        let empty = measure(&stage, EMPTY, seconds, || start_empty(loader))?;
        let ours = measure(&stage, OURS, seconds, || {
            start_agent(agent, &stage.scratch.path)
        })?;
        let ratio = ours.nanoseconds_a_run() / empty.nanoseconds_a_run();
        println!(
            "{round:>5}  {:>6.1} ({:>9})  {:>6.1} ({:>9})  {ratio:.2}",
            empty.nanoseconds_a_run(),
            empty.runs,
            ours.nanoseconds_a_run(),
            ours.runs
        );
        ratios.push(ratio);
        empty_sum = empty_sum.plus(empty);
        ours_sum = ours_sum.plus(ours);
    }
    let ratio = median(&ratios);
    println!(
        "\nempty {:.1} ns, ours {:.1} ns a run (both with the kernel's two clock reads)",
        empty_sum.nanoseconds_a_run(),
        ours_sum.nanoseconds_a_run()
    );
    println!("median ratio {ratio:.2} (budget at most {BUDGET:.1})");
    if ratio > BUDGET {
        bail!("over budget: a healthy acknowledgement costs {ratio:.2} times an empty program");
    }
    Ok(())
}

/// What the program called `name`, brought by `start`, does during some traffic: downloads, so that
/// acknowledgements are many, and short answers, so that connections are.
fn measure(
    stage: &Stage,
    name: &str,
    seconds: u32,
    start: impl FnOnce() -> Result<Background>,
) -> Result<Stats> {
    let others = programs(name)?;
    let _running = start()?;
    let new = |stats: HashMap<u64, Stats>| {
        stats
            .into_iter()
            .find(|(id, _)| !others.contains_key(id))
            .map(|(_, stats)| stats)
    };
    let before = new(programs(name)?).with_context(|| format!("{name} is not loaded"))?;
    stage.requests_per_second("/large", seconds)?;
    stage.requests_per_second("/small", seconds)?;
    let after = new(programs(name)?).with_context(|| format!("{name} has gone"))?;
    let done = after.minus(before);
    if done.runs < 1_000 {
        bail!("{name} ran {} times only: is it attached?", done.runs);
    }
    Ok(done)
}
