//! Boots a kernel in qemu and reads from its console what happened.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::architecture::Architecture;
use crate::command::shown;

/// A machine that has not switched itself off by then hangs. It takes some two minutes on an idle
/// host.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A kernel that is emulated dies now and then while it boots, before anything of ours has run: it is
/// booted so many times at most.
const BOOTS: u32 = 3;

/// What was seen in a machine where all went well.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) seen: Vec<String>,
}

/// Boots and waits for the end; the console is kept in `log`.
pub(super) fn boot(
    vmlinuz: &Path,
    initrd: &Path,
    log: &Path,
    architecture: Architecture,
) -> Result<Report> {
    for _ in 1..BOOTS {
        let result = boot_once(vmlinuz, initrd, log, architecture);
        if has_begun(log)? {
            return result;
        }
        println!(
            "{}: died before it ran anything of ours, booted again",
            log.display()
        );
    }
    boot_once(vmlinuz, initrd, log, architecture)
}

/// Whether the console shows that our first program ran.
fn has_begun(log: &Path) -> Result<bool> {
    let console = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(marks(&String::from_utf8_lossy(&console)).next().is_some())
}

fn boot_once(
    vmlinuz: &Path,
    initrd: &Path,
    log: &Path,
    architecture: Architecture,
) -> Result<Report> {
    let console = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = console.try_clone().context("cannot share the log file")?;
    let mut qemu = Command::new(architecture.emulator());
    qemu.args(architecture.machine())
        .args(["-nographic", "-no-reboot", "-nic", "none"])
        .args(["-append", architecture.command_line()])
        .arg("-kernel")
        .arg(vmlinuz)
        .arg("-initrd")
        .arg(initrd)
        .stdin(Stdio::null())
        .stdout(console)
        .stderr(errors);
    let child = qemu
        .spawn()
        .with_context(|| format!("cannot start {}", shown(&qemu)))?;
    let in_time = Guard(child).wait(TIME_LIMIT)?;
    let console = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let result = judge(&String::from_utf8_lossy(&console));
    if !in_time {
        bail!(
            "not switched off after {} s, see {}",
            TIME_LIMIT.as_secs(),
            log.display()
        );
    }
    result.with_context(|| format!("see {}", log.display()))
}

/// A machine that does not outlive its owner.
struct Guard(Child);

impl Guard {
    /// Whether it ended by itself within `limit`.
    fn wait(&mut self, limit: Duration) -> Result<bool> {
        let began = Instant::now();
        while began.elapsed() < limit {
            if self.0.try_wait().context("cannot wait for qemu")?.is_some() {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(false)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What the lines that begin with `@@ ` say.
fn marks(console: &str) -> impl Iterator<Item = &str> {
    let lines = console.lines();
    lines.filter_map(|line| Some(line.trim().strip_prefix("@@ ")?.trim()))
}

/// What happened, as they say.
fn judge(console: &str) -> Result<Report> {
    let said: Vec<&str> = marks(console).collect();
    if let Some(failure) = said.iter().find_map(|line| line.strip_prefix("failed ")) {
        bail!("failed: {failure}{}", last_words(console));
    }
    let markers = ["ready", "victim named", "stop 0", "selftest 0", "end"];
    if let Some(missed) = markers.iter().find(|marker| !said.contains(marker)) {
        let instead = said.last().copied().unwrap_or("nothing");
        bail!(
            "`{missed}` was not reached, last was `{instead}`{}",
            last_words(console)
        );
    }
    let Some(summary) = summary(console) else {
        bail!("selftest ended without a word");
    };
    let seen = ["loaded and attached", "victim named", "clean stop"];
    let mut seen = seen.map(str::to_owned).to_vec();
    seen.push(format!("selftest: {summary}"));
    Ok(Report { seen })
}

/// How many cases passed and failed, and which this kernel cannot play.
fn summary(console: &str) -> Option<String> {
    let lines = || console.lines().map(str::trim);
    let counts = lines().rfind(|line| line.ends_with(" failed"))?;
    let absent = lines().filter_map(|line| line.strip_prefix("n/a")?.split_whitespace().next());
    let absent: Vec<&str> = absent.collect();
    if absent.is_empty() {
        return Some(counts.to_owned());
    }
    Some(format!("{counts}, not there: {}", absent.join(", ")))
}

/// The error line of agent or selftest, for the one line that a kernel gets.
fn last_words(console: &str) -> String {
    let is_error = |line: &&str| line.contains("error:") || line.contains("FAILED");
    match console.lines().map(str::trim).rfind(is_error) {
        Some(line) => format!(": {line}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_where_all_was_seen_passes() {
        let console = "@@ kernel 6.1.0\r\n@@ ready\r\n@@ victim named\r\n@@ stop 0\r\n@@ selftest 0\r\n--- selftest\r\n\
             seen     treason  IPv4 hook +2.3 ms\r\nn/a      shrinking-kernel  IPv4 n/a\r\n\
             18 passed, 0 failed\r\n@@ end\r\n";
        assert_eq!(
            judge(console).unwrap().seen,
            [
                "loaded and attached",
                "victim named",
                "clean stop",
                "selftest: 18 passed, 0 failed, not there: shrinking-kernel"
            ]
        );
    }

    #[test]
    fn each_stage_that_is_missing_fails() {
        for (console, says) in [
            ("", "`ready` was not reached, last was `nothing`"),
            (
                "@@ kernel 6.1\n@@ failed start\nerror: no BTF\n@@ end",
                "start: error: no BTF",
            ),
            (
                "@@ ready\n@@ victim named\n@@ stop 0\n@@ selftest 1\n17 passed, 2 failed\nerror: no treason\n@@ end",
                "`selftest 0` was not reached, last was `end`: error: no treason",
            ),
            (
                "@@ ready\n@@ victim named\n@@ stop 1\n@@ selftest 0\n@@ end",
                "`stop 0` was not reached",
            ),
            (
                "@@ ready\n@@ victim named\n@@ stop 0\n@@ selftest 0\n",
                "`end` was not reached",
            ),
            (
                "@@ ready\n@@ victim named\n@@ stop 0\n@@ selftest 0\n@@ end",
                "without a word",
            ),
        ] {
            let error = format!("{:#}", judge(console).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }
}
