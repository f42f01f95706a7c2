//! `cargo xtask bench hook`: the program on `tcp_probe`, against one that does nothing.
//!
//! The healthy acknowledgement is nginx's and wrk's; what misbehaves is a crafted peer of one
//! connection. Nanoseconds a run are the kernel's own count, its two clock reads included.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::programs::{
    EMPTY, Size, Stats, programs, sizes_of, start_agent, start_counting, start_empty,
};
use super::stage::Stage;
use super::storm::{FLOOD, PROBE, Site, Storm};
use super::table::{Spread, Table, tell_bound};
use crate::background::Background;

/// Nanoseconds of a healthy acknowledgement, against the empty program.
const BUDGET: f64 = 1.4;

/// Ours to another agent's: as far as neighbours of a machine let it be told.
const NO_WORSE: f64 = 1.05;

/// The agent's program on `tcp_probe`.
const OURS: &str = "det_tcp_probe";

/// What is sent.
#[derive(Clone, Copy)]
enum Segments {
    /// Downloads, so that acknowledgements are many, and short answers, so that connections are.
    Healthy,
    /// By a mode of the storm, from each of these sites.
    Storm(&'static str, &'static [Site]),
}

const SEGMENTS: [(&str, Segments); 5] = [
    ("healthy", Segments::Healthy),
    ("a shrink in each", Segments::Storm("shrink", &[FLOOD])),
    (
        "the same, two peers at once",
        Segments::Storm("shrink", &[FLOOD, PROBE]),
    ),
    ("windows 1, 0, 1, 0, …", Segments::Storm("tease", &[FLOOD])),
    (
        "the same, two peers at once",
        Segments::Storm("tease", &[FLOOD, PROBE]),
    ),
];

/// What is attached in turn, and what plays.
pub(super) struct Hooks<'a> {
    pub(super) agent: &'a Path,
    pub(super) examples: &'a Path,
    stage: Stage,
}

pub(super) fn main(agent: &Path, examples: &Path, rounds: u32, seconds: u32) -> Result<()> {
    let hooks = Hooks::new(agent, examples)?;
    let _counting = start_counting(&hooks.loader())?;
    let mut table = Table::new(&[
        "segments",
        "empty, ns a run",
        "ours, ns a run",
        "ratio",
        "runs",
    ]);
    let (mut healthy, mut undisturbed) = (f64::NAN, f64::NAN);
    for (name, segments) in SEGMENTS {
        let (mut empties, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut runs = 0;
        for _ in 0..rounds {
            let [empty, own] = hooks.round(segments, seconds)?;
            runs += own.runs;
            empties.push(empty.nanoseconds_a_run());
            ours.push(own.nanoseconds_a_run());
            ratios.push(own.nanoseconds_a_run() / empty.nanoseconds_a_run());
        }
        let ratio = Spread::of(&ratios);
        let [empties, ours] = [empties, ours].map(|times| Spread::of(&times));
        if matches!(segments, Segments::Healthy) {
            (healthy, undisturbed) = (ratio.median, ours.low / empties.low);
        }
        table.row(vec![
            name.to_owned(),
            empties.shown(0),
            ours.shown(0),
            ratio.shown(2),
            runs.to_string(),
        ]);
    }
    println!("{table}");
    let mut sizes = Table::new(&["program", "instructions", "verified, all states"]);
    for Size {
        name,
        instructions,
        verified,
    } in hooks.sizes()?
    {
        sizes.row(vec![name, instructions.to_string(), verified.to_string()]);
    }
    println!("{sizes}");
    println!(
        "healthy, the lowest round of ours against that of the empty program, as neighbours only add: {undisturbed:.2}"
    );
    tell_bound(
        &format!("healthy acknowledgement against an empty program, median of {rounds} rounds"),
        &format!("{healthy:.2}"),
        &format!("at most {BUDGET}"),
        healthy <= BUDGET,
    );
    Ok(())
}

/// The program of this tree's agent and that of another, of healthy segments, in turns with the empty one.
pub(super) fn compare(
    (agent, other): (&Path, &Path),
    examples: &Path,
    rounds: u32,
    seconds: u32,
) -> Result<()> {
    let hooks = Hooks::new(agent, examples)?;
    let _counting = start_counting(&hooks.loader())?;
    let (mut empties, mut theirs, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let time = |stats: Stats| stats.nanoseconds_a_run();
        let of = |agent| hooks.of(agent, Segments::Healthy, seconds).map(time);
        empties.push(hooks.empty(Segments::Healthy, seconds).map(time)?);
        // Who comes first changes from round to round.
        if round.is_multiple_of(2) {
            theirs.push(of(other)?);
            ours.push(of(agent)?);
        } else {
            ours.push(of(agent)?);
            theirs.push(of(other)?);
        }
    }
    let ratio = |times: &[f64], to: &[f64]| {
        let each: Vec<f64> = times.iter().zip(to).map(|(time, to)| time / to).collect();
        Spread::of(&each)
    };
    let mut table = Table::new(&["program", "ns a run", "to the empty one"]);
    for (name, times) in [("empty", &empties), ("theirs", &theirs), ("ours", &ours)] {
        table.row(vec![
            name.to_owned(),
            Spread::of(times).shown(0),
            ratio(times, &empties).shown(2),
        ]);
    }
    println!("{table}");
    let change = ratio(&ours, &theirs);
    tell_bound(
        &format!("healthy acknowledgement, ours to theirs, median of {rounds} rounds"),
        &change.shown(2),
        &format!("at most {NO_WORSE}"),
        change.median <= NO_WORSE,
    );
    Ok(())
}

impl<'a> Hooks<'a> {
    pub(super) fn new(agent: &'a Path, examples: &'a Path) -> Result<Self> {
        let stage = Stage::build()?;
        Ok(Self {
            agent,
            examples,
            stage,
        })
    }

    pub(super) fn loader(&self) -> std::path::PathBuf {
        self.examples.join("attach_empty")
    }

    /// The empty program and ours, of healthy segments.
    pub(super) fn healthy(&self, seconds: u32) -> Result<[Stats; 2]> {
        self.round(Segments::Healthy, seconds)
    }

    /// The empty program and ours. One at a time: a second program would find the socket already in
    /// the cache.
    fn round(&self, segments: Segments, seconds: u32) -> Result<[Stats; 2]> {
        let empty = self.empty(segments, seconds)?;
        Ok([empty, self.of(self.agent, segments, seconds)?])
    }

    fn empty(&self, segments: Segments, seconds: u32) -> Result<Stats> {
        self.measure(EMPTY, segments, seconds, || start_empty(&self.loader()))
    }

    /// The program of this agent.
    fn of(&self, agent: &Path, segments: Segments, seconds: u32) -> Result<Stats> {
        let start = || start_agent(agent, &self.stage.scratch.path);
        self.measure(OURS, segments, seconds, start)
    }

    /// What the program called `name`, brought by `start`, does meanwhile.
    fn measure(
        &self,
        name: &str,
        segments: Segments,
        seconds: u32,
        start: impl FnOnce() -> Result<Background>,
    ) -> Result<Stats> {
        let others = programs(name)?;
        let _running = start()?;
        let now = || {
            let mut found = programs(name)?.into_iter();
            let new = found.find(|(id, _)| !others.contains_key(id));
            new.map(|(_, stats)| stats)
                .with_context(|| format!("{name} is not loaded"))
        };
        let done = match segments {
            Segments::Healthy => {
                let before = now()?;
                self.stage.requests_per_second("/large", seconds)?;
                self.stage.requests_per_second("/small", seconds)?;
                now()?.minus(before)
            }
            Segments::Storm(mode, sites) => {
                let start = |site: &Site| Storm::start(&self.stage, self.examples, *site, &[mode]);
                let storms = sites.iter().map(start).collect::<Result<Vec<_>>>()?;
                let before = now()?;
                thread::sleep(Duration::from_secs(seconds.into()));
                let done = now()?.minus(before);
                for storm in storms {
                    storm.finish()?;
                }
                done
            }
        };
        if done.runs < 1_000 {
            bail!("{name} ran {} times only: is it attached?", done.runs);
        }
        Ok(done)
    }

    pub(super) fn sizes(&self) -> Result<Vec<Size>> {
        let running = start_agent(self.agent, &self.stage.scratch.path)?;
        sizes_of(running.id())
    }
}
