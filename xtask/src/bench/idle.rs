//! `cargo xtask bench idle`: what the agent takes while nothing happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::cost::number_at;
use super::crowd::Crowd;
use super::programs::{Stats, programs, start_agent, start_counting};
use super::share::HOOKS;
use crate::background::{Background, Scratch};

/// The agent's own program, which runs on its own time.
const SWEEP: &str = "det_sweep";
/// Percent of one core, outside the agent's programs.
const BOUND: f64 = 0.02;
const CROWDED_BOUND: f64 = 0.05;
/// For the first pass over all sockets, and what a start brings with it.
const SETTLE: Duration = Duration::from_secs(5);

/// How much is idle, and for how long it is watched.
#[derive(Clone, Copy, clap::Args)]
pub(super) struct Idle {
    /// Network namespaces of the crowded host
    #[arg(long, default_value_t = 250)]
    namespaces: u32,
    /// Idle sockets in them together
    #[arg(long, default_value_t = 100_000)]
    sockets: u32,
    /// Seconds over which each host is watched
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..))]
    seconds: u32,
}

pub(super) fn main(agent: &Path, examples: &Path, idle: Idle) -> Result<()> {
    let _counting = start_counting(&examples.join("attach_empty"))?;
    println!("idle host:");
    watch(agent, idle.seconds, BOUND)?;
    if idle.namespaces > 0 {
        let crowd = Crowd::gather(examples, idle.namespaces, idle.sockets)?;
        println!(
            "\nidle host with {} network namespaces and {} idle sockets:",
            crowd.namespaces.len(),
            crowd.sockets
        );
        watch(agent, idle.seconds, CROWDED_BOUND)?;
    }
    Ok(())
}

fn watch(agent: &Path, seconds: u32, bound: f64) -> Result<()> {
    let scratch = Scratch::create("bench-idle")?;
    let running = start_agent(agent, &scratch.path)?;
    thread::sleep(SETTLE);
    let (before, began) = (Moment::now(&running)?, Instant::now());
    thread::sleep(Duration::from_secs(seconds.into()));
    let after = Moment::now(&running)?;
    let passed = began.elapsed().as_secs_f64();
    let percent = |nanoseconds: f64| nanoseconds / passed / 1e7;
    let mut whole = 0.0;
    println!("  thread             us a second  wake-ups a second");
    for (id, thread) in &after.threads {
        let earlier = before.threads.get(id).cloned().unwrap_or_default();
        let used = thread.nanoseconds - earlier.nanoseconds;
        whole += used;
        let woken = (thread.switches - earlier.switches) / passed;
        println!(
            "  {:<18} {:>11.1}  {woken:>17.2}",
            thread.name,
            used / passed / 1e3
        );
    }
    let sweep = after.sweep.minus(before.sweep).nanoseconds_beyond(0.0);
    let hooks = after.hooks.minus(before.hooks).nanoseconds_beyond(0.0);
    println!(
        "  of one core: agent outside its programs {:.4} % (bound {bound} %), its sweep program {:.4} %, \
         its hooks {:.4} %",
        percent(whole - sweep),
        percent(sweep),
        percent(hooks)
    );
    Ok(())
}

/// A thread of the agent.
#[derive(Clone, Default)]
struct Thread {
    name: String,
    /// On a processor.
    nanoseconds: f64,
    /// Times it has waited for something.
    switches: f64,
}

/// Totals at one moment.
struct Moment {
    threads: BTreeMap<String, Thread>,
    sweep: Stats,
    hooks: Stats,
}

impl Moment {
    fn now(agent: &Background) -> Result<Self> {
        let total = |name: &str| -> Result<Stats> {
            let found = programs(name)?.into_values();
            Ok(found.fold(Stats::default(), Stats::plus))
        };
        let mut hooks = Stats::default();
        for name in HOOKS {
            hooks = hooks.plus(total(name)?);
        }
        Ok(Self {
            threads: threads(agent.id())?,
            sweep: total(SWEEP)?,
            hooks,
        })
    }
}

fn threads(id: u32) -> Result<BTreeMap<String, Thread>> {
    let tasks = format!("/proc/{id}/task");
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        let task = task.context("cannot list a thread")?;
        let read = |name: &str| {
            let file = task.path().join(name);
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
        };
        let status = read("status")?;
        let switches = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse().ok());
        let thread = Thread {
            name: read("comm")?.trim().to_owned(),
            nanoseconds: number_at(&read("schedstat")?, 0).context("schedstat")?,
            switches: switches.context("voluntary_ctxt_switches")?,
        };
        threads.insert(task.file_name().to_string_lossy().into_owned(), thread);
    }
    Ok(threads)
}
