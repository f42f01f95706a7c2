//! `cargo xtask bench census`: what it takes to ask the kernel for all connections of suspects.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::ask;
use super::programs::start_telling;
use super::stage::Stage;
use super::storm::{FLOOD, Storm};
use super::table::{Table, tell_bound};

const STALLED: &str = "20000";
const PEERS: &str = "5000";
/// Between two looks at the agent's counters.
const STEP: Duration = Duration::from_secs(10);
/// In so long the processor time that is at hand at first is used up: everybody is counted, and again.
const AT_FIRST: Duration = Duration::from_secs(300);
/// Of one core from then on.
const BOUND: f64 = 0.002;

pub(super) fn main(agent: &Path, examples: &Path, seconds: u32) -> Result<()> {
    let stage = Stage::build()?;
    stage.server.bound_send_queues()?;
    let (running, ready) = start_telling(agent, &stage.scratch.path, &[])?;
    let address = ask::address_in(&ready)?;
    let began = Instant::now();
    let storm = Storm::start(&stage, examples, FLOOD, &["stall", STALLED, PEERS])?;
    println!(
        "{STALLED} stalled connections of {PEERS} peers, there after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let mut table = Table::new(&["seconds", "suspects told", "not told", "% of a core"]);
    let mut last = Moment::now(&address)?;
    let first = last;
    let (mut after_burst, mut until) = (None, Duration::ZERO);
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(seconds.into()) {
        thread::sleep(STEP);
        let now = Moment::now(&address)?;
        until = watched.elapsed();
        if until >= AT_FIRST && after_burst.is_none() {
            after_burst = Some((now, until));
        }
        let lately = (now.seconds - last.seconds) / STEP.as_secs_f64();
        table.row(vec![
            format!("{:.0}", until.as_secs_f64()),
            format!("{:.0}", now.told),
            format!("{:.0}", now.not_told),
            format!("{:.3}", lately * 100.0),
        ]);
        last = now;
    }
    storm.finish()?;
    drop(running);
    println!("{table}");
    let (settled, since) = after_burst.context("it was not watched for long enough")?;
    let over = (until - since).as_secs_f64();
    let share = (last.seconds - settled.seconds) / over;
    tell_bound(
        "asking the kernel for 20,000 stalled connections of 5,000 suspects",
        &format!(
            "{:.3} % of a core over the last {over:.0} s, {:.2} s in the first {:.0}",
            share * 100.0,
            settled.seconds - first.seconds,
            since.as_secs_f64()
        ),
        &format!("{} %", BOUND * 100.0),
        share <= BOUND,
    );
    Ok(())
}

/// The agent's counters of the census.
#[derive(Clone, Copy)]
struct Moment {
    seconds: f64,
    told: f64,
    not_told: f64,
}

impl Moment {
    fn now(address: &str) -> Result<Self> {
        let page = ask::metrics(address)?;
        let value = |series: &str| -> Result<f64> {
            let line = page.lines().find_map(|line| line.strip_prefix(series));
            let value = line.and_then(|rest| rest.trim().parse().ok());
            value.with_context(|| format!("no {series} among the metrics"))
        };
        Ok(Self {
            seconds: value("detector_census_seconds_total ")?,
            told: value("detector_census_suspects_total{result=\"counted\"} ")?,
            not_told: value("detector_census_suspects_total{result=\"not_counted\"} ")?,
        })
    }
}
