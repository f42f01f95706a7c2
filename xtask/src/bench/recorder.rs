//! `cargo xtask bench recorder`: what recording costs a second, how often it waits for the disk, and how large
//! a day becomes; a short round of it for `cargo xtask test`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::programs::start_agent;
use super::table::tell_bound;
use crate::background::{Background, Scratch};
use crate::command::{output, run};
use crate::tree;

/// What counts the waits.
pub(crate) const PROGRAMS: [(&str, &str); 1] = [("strace", "strace")];

/// How long it is played, and what it is held to.
pub(super) struct Round {
    /// So many seconds with so many events each, and how much of a core that may take, percent.
    runs: [(&'static str, &'static str, &'static str, f64); 2],
    /// A host on which nothing happens,
    quiet_seconds: u32,
    /// of which a real agent records so much,
    watched: Option<Duration>,
    /// and how often either may wait for the disk a second.
    syncs: f64,
    /// How many times as long as otherwise everything may take.
    margin: f64,
}

/// Of the ordinary kind a day; of the flood two hours, in which its file becomes full. Quiet for long enough that
/// seconds are thinned; waits are once a second, and now and then to move the log into the file.
pub(super) const LONG: Round = Round {
    runs: [
        ("ordinary", "1", "86400", 1.0),
        ("flood", "200", "7200", 5.0),
    ],
    quiet_seconds: 10_800,
    syncs: 1.05,
    watched: Some(Duration::from_secs(300)),
    margin: 1.0,
};
/// Within a minute, on a machine that has other things to do: what breaks these bounds is a fault. A second wait a
/// second is one; those of a start count for more in a short time.
pub(super) const SHORT: Round = Round {
    runs: [("ordinary", "1", "1800", 1.0), ("flood", "200", "300", 5.0)],
    quiet_seconds: 600,
    syncs: 1.5,
    watched: None,
    margin: 3.0,
};
/// For what a start brings with it.
const SETTLE: Duration = Duration::from_secs(5);
/// Of the half second that a start may take.
const OPENING_MS: f64 = 250.0;
const FILE_MIB: f64 = 256.0;
const REPORT_SECONDS: f64 = 2.0;
const REPORT_KIB: u64 = 5 << 10;

pub(super) fn main(agent: &Path, day: &Path, round: &Round) -> Result<()> {
    let mut are_within = Vec::new();
    for (name, events, seconds, core_percent) in round.runs {
        let core_percent = core_percent * round.margin;
        let folder = folder()?;
        let said = output(Command::new(day).arg(&folder).args([events, seconds]))?;
        print!("{said}");
        let core = number_before(&said, " % of a core")?;
        are_within.push(tell_bound(
            &format!("recorder, {name}, of a core"),
            &format!("{core} %"),
            &format!("at most {core_percent} %"),
            core <= core_percent,
        ));
        let mib = number_before(&said, " MiB of ")?;
        are_within.push(tell_bound(
            &format!("recorder, {name}, file"),
            &format!("{mib} MiB"),
            &format!("at most {FILE_MIB} MiB"),
            mib <= FILE_MIB,
        ));
        are_within.push(report(agent, &folder, (name, round))?);
        are_within.push(migration(day, &folder, (name, round))?);
    }
    let alone = syncs_of_writer(day, round.quiet_seconds)?;
    let mut waits = vec![("the writer alone", alone)];
    if let Some(watched) = round.watched {
        waits.push(("the agent", syncs_of_agent(agent, watched)?));
    }
    for (who, syncs) in waits {
        are_within.push(tell_bound(
            &format!("recorder, quiet, {who} waits for the disk a second"),
            &format!("{syncs:.3}"),
            &format!("at most {}", round.syncs),
            syncs <= round.syncs,
        ));
    }
    let missed = are_within.iter().filter(|is_within| !**is_within).count();
    ensure!(
        missed == 0,
        "{missed} of {} bounds are missed",
        are_within.len()
    );
    Ok(())
}

/// An empty one.
fn folder() -> Result<PathBuf> {
    let folder = tree::target().join("bench-recorder");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    Ok(folder)
}

/// The report over all that is there: of a day with its fifty incidents.
fn report(agent: &Path, folder: &Path, (name, round): (&str, &Round)) -> Result<bool> {
    let most = REPORT_SECONDS * round.margin;
    let page = folder.join("report.html");
    let began = Instant::now();
    run(Command::new(agent)
        .args(["report", "--state-dir"])
        .arg(folder)
        .arg("-o")
        .arg(&page))?;
    let seconds = began.elapsed().as_secs_f64();
    let kib = fs::metadata(&page)?.len() >> 10;
    Ok(tell_bound(
        &format!("recorder, {name}, report"),
        &format!("{seconds:.2} s, {kib} KiB"),
        &format!("at most {most} s, {REPORT_KIB} KiB"),
        seconds <= most && kib <= REPORT_KIB,
    ))
}

/// How long an agent takes to open the file where an agent of the first schema wrote it: it does so before
/// it watches anything.
fn migration(day: &Path, folder: &Path, (name, round): (&str, &Round)) -> Result<bool> {
    let most = OPENING_MS * round.margin;
    let said = output(Command::new(day).arg(folder).arg("older"))?;
    print!("{said}");
    let milliseconds = number_before(&said, " ms from schema 1")?;
    Ok(tell_bound(
        &format!("recorder, {name}, opening a file of schema 1"),
        &format!("{milliseconds} ms"),
        &format!("at most {most} ms"),
        milliseconds <= most,
    ))
}

/// How often a writer waits for the disk on a quiet host, of each second.
fn syncs_of_writer(day: &Path, seconds: u32) -> Result<f64> {
    let folder = folder()?;
    let counts = folder.join("counts");
    run(strace(&counts)
        .arg(day)
        .arg(&folder)
        .args(["0", &seconds.to_string()]))?;
    Ok(f64::from(calls(&counts)?) / f64::from(seconds))
}

/// The same of an agent with all that it writes.
fn syncs_of_agent(agent: &Path, watched: Duration) -> Result<f64> {
    let scratch = Scratch::create("bench-recorder")?;
    let running = start_agent(agent, &scratch.path)?;
    thread::sleep(SETTLE);
    let counts = scratch.path.join("counts");
    let began = Instant::now();
    let counting = Background::start(
        strace(&counts).arg("-p").arg(running.id().to_string()),
        &scratch.path.join("strace"),
    )?;
    thread::sleep(watched);
    let seconds = began.elapsed().as_secs_f64();
    drop(counting);
    Ok(f64::from(calls(&counts)?) / seconds)
}

/// Counts waits for the disk into a file.
fn strace(counts: &Path) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-c", "-U", "name,calls"])
        .args(["-e", "trace=fsync,fdatasync", "-o"])
        .arg(counts);
    command
}

/// Of all calls in a summary of strace.
fn calls(summary: &Path) -> Result<u32> {
    let text = fs::read_to_string(summary);
    total(&text.with_context(|| format!("cannot read {}", summary.display()))?)
}

fn total(summary: &str) -> Result<u32> {
    let mut lines = summary.lines().map(str::split_whitespace);
    let total = lines.find_map(|mut words| {
        let is_total = words.next() == Some("total");
        is_total.then(|| words.next()?.parse().ok()).flatten()
    });
    total.context("strace has counted nothing")
}

fn number_before(text: &str, words: &str) -> Result<f64> {
    let number = text
        .split_once(words)
        .and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    number.with_context(|| format!("no number before {words:?} in {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_say_is_read() {
        let said = "86400 s with 10000 peers and 1 events a second: 0.25 % of a core (making the rows \
                    included), commit p99 1.20 ms, file 83 MiB of 256 MiB\n";
        assert_eq!(number_before(said, " % of a core").unwrap(), 0.25);
        assert_eq!(number_before(said, " MiB of ").unwrap(), 83.0);
        number_before(said, " of cheese").unwrap_err();
        let summary = "syscall          calls\n---------------- ---------\nfdatasync          10800\n\
                       fsync                 12\n---------------- ---------\ntotal             10812\n";
        assert_eq!(total(summary).unwrap(), 10_812);
        total("syscall calls\n").unwrap_err();
    }
}
