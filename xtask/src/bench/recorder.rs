//! `cargo xtask bench recorder`: what recording costs a second, how often it waits for the disk, and how large
//! a day becomes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::table::tell_bound;
use crate::command::{output, run};
use crate::tree;

/// What counts the waits.
pub(super) const PROGRAMS: [(&str, &str); 1] = [("strace", "strace")];

/// A day of so many events a second, and how much of a core that may take, percent.
const DAYS: [(&str, &str, f64); 2] = [("ordinary", "1", 1.0), ("flood", "200", 5.0)];
/// A host on which nothing happens, long enough for seconds to be thinned.
const QUIET_SECONDS: u32 = 10_800;
/// Once a second, and now and then to move the log into the file.
const SYNCS: f64 = 1.05;
const FILE_MIB: f64 = 256.0;
const REPORT_SECONDS: f64 = 2.0;
const REPORT_KIB: u64 = 5 << 10;

pub(super) fn main(agent: &Path, day: &Path) -> Result<()> {
    for (name, events, core_percent) in DAYS {
        let folder = folder()?;
        let said = output(Command::new(day).arg(&folder).arg(events))?;
        print!("{said}");
        let core = number_before(&said, " % of a core")?;
        tell_bound(
            &format!("recorder, {name}, of a core"),
            &format!("{core} %"),
            &format!("at most {core_percent} %"),
            core <= core_percent,
        );
        let mib = number_before(&said, " MiB of ")?;
        tell_bound(
            &format!("recorder, {name}, file after a day"),
            &format!("{mib} MiB"),
            &format!("at most {FILE_MIB} MiB"),
            mib <= FILE_MIB,
        );
        report(agent, &folder, name)?;
    }
    let syncs = f64::from(syncs(day)?) / f64::from(QUIET_SECONDS);
    tell_bound(
        "recorder, quiet, waits for the disk a second",
        &format!("{syncs:.3}"),
        &format!("at most {SYNCS}"),
        syncs <= SYNCS,
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

/// The report over the day with its fifty incidents.
fn report(agent: &Path, folder: &Path, name: &str) -> Result<()> {
    let page = folder.join("report.html");
    let began = Instant::now();
    run(Command::new(agent)
        .args(["report", "--state-dir"])
        .arg(folder)
        .arg("-o")
        .arg(&page))?;
    let seconds = began.elapsed().as_secs_f64();
    let kib = fs::metadata(&page)?.len() >> 10;
    tell_bound(
        &format!("recorder, {name}, report over 24 h with fifty incidents"),
        &format!("{seconds:.2} s, {kib} KiB"),
        &format!("at most {REPORT_SECONDS} s, {REPORT_KIB} KiB"),
        seconds <= REPORT_SECONDS && kib <= REPORT_KIB,
    );
    Ok(())
}

/// How often the disk is waited for on a quiet host.
fn syncs(day: &Path) -> Result<u32> {
    let folder = folder()?;
    let counts = folder.join("counts");
    run(Command::new("strace")
        .args(["-f", "-c", "-U", "name,calls"])
        .args(["-e", "trace=fsync,fdatasync", "-o"])
        .arg(&counts)
        .arg(day)
        .arg(&folder)
        .args(["0", &QUIET_SECONDS.to_string()]))?;
    let text =
        fs::read_to_string(&counts).with_context(|| format!("cannot read {}", counts.display()))?;
    calls(&text)
}

/// Of all calls in a summary of strace.
fn calls(summary: &str) -> Result<u32> {
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
        assert_eq!(calls(summary).unwrap(), 10_812);
        calls("syscall calls\n").unwrap_err();
    }
}
