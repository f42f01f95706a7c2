//! `cargo xtask bench latency`: how soon a flag reaches a reader, with the flight recorder and without it.
//!
//! Rounds alternate, each with an agent of its own, on a calm host and while 20,000 connections stall.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::flood::probe;
use super::percentile;
use super::programs::start_telling;
use super::stage::Stage;
use super::storm::{FLOOD, Storm};
use super::table::{Table, tell_bound};

/// Milliseconds between two connections whose flags are waited for.
const PROBE_EVERY_MS: &str = "20";
/// What the recorder may add at the 99th of a hundred.
const BOUND: f64 = 1.1;

/// What goes on meanwhile, and the storm that makes it.
const HOSTS: [(&str, &[&str]); 2] = [
    ("calm", &["stall", "1", "1"]),
    ("20,000 stalled", &["stall", "20000", "1"]),
];

pub(super) fn main(agent: &Path, examples: &Path, rounds: u32, seconds: u32) -> Result<()> {
    let stage = Stage::build()?;
    stage.server.bound_send_queues()?;
    let bench = Bench {
        stage,
        agent,
        examples,
        span: Duration::from_secs(seconds.into()),
    };
    let mut table = Table::new(&["host", "recorder", "flags", "missed", "p50 ms", "p99 ms"]);
    let mut bounds = Vec::new();
    for (host, storm) in HOSTS {
        let mut found = [Flags::default(), Flags::default()];
        for round in 1..=rounds {
            eprintln!("{host}: round {round} of {rounds}");
            for (flags, recorder) in found.iter_mut().zip(["on", "off"]) {
                bench.play(storm, recorder == "on", flags)?;
            }
        }
        for (flags, recorder) in found.iter_mut().zip(["on", "off"]) {
            flags.milliseconds.sort_by(f64::total_cmp);
            table.row(vec![
                host.to_owned(),
                recorder.to_owned(),
                flags.milliseconds.len().to_string(),
                flags.missed.to_string(),
                format!("{:.2}", flags.at(0.5)),
                format!("{:.2}", flags.at(0.99)),
            ]);
        }
        bounds.push((host, found[0].at(0.99) / found[1].at(0.99)));
    }
    println!("{table}");
    for (host, ratio) in bounds {
        tell_bound(
            &format!("flag latency p99 with the recorder, of that without, {host}"),
            &format!("{ratio:.2}"),
            &format!("at most {BOUND}"),
            ratio <= BOUND,
        );
    }
    Ok(())
}

#[derive(Default)]
struct Flags {
    milliseconds: Vec<f64>,
    missed: usize,
}

impl Flags {
    fn at(&self, share: f64) -> f64 {
        percentile(&self.milliseconds, share)
    }
}

struct Bench<'a> {
    stage: Stage,
    agent: &'a Path,
    examples: &'a Path,
    span: Duration,
}

impl Bench<'_> {
    fn play(&self, storm: &[&str], records: bool, flags: &mut Flags) -> Result<()> {
        let folder = &self.stage.scratch.path;
        // No memory of the round before.
        drop(fs::remove_dir_all(folder.join("state")));
        let config = self.config(records)?;
        let more = [Path::new("--config"), config.as_path()];
        let (_running, _) = start_telling(self.agent, folder, &more)?;
        let storm = Storm::start(&self.stage, self.examples, FLOOD, storm)?;
        let programs = (self.agent, self.examples);
        let probed = probe(&self.stage, programs, PROBE_EVERY_MS, || {
            std::thread::sleep(self.span);
            Ok(())
        })?;
        let (milliseconds, missed) = probed.flags;
        flags.milliseconds.extend(milliseconds);
        flags.missed += missed;
        storm.finish()?;
        Ok(())
    }

    fn config(&self, records: bool) -> Result<PathBuf> {
        let file = self.stage.scratch.path.join("recorder.toml");
        fs::write(&file, format!("[recorder]\nenabled = {records}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}
