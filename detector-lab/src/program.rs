//! External programs: run to the end, or kept as children that never outlive their guard.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Fails with what to install unless each program is in `PATH` (or in an `sbin`).
pub fn require(programs: &[(&str, &str)]) -> Result<()> {
    let mut missing = String::new();
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    for (program, package) in programs {
        if !path
            .split(':')
            .any(|folder| std::path::Path::new(folder).join(program).exists())
        {
            write!(missing, " {program} (apt-get install {package})")?;
        }
    }
    ensure!(missing.is_empty(), "programs are missing:{missing}");
    Ok(())
}

/// Runs `line` (split at spaces) to its end; its words on stderr become the error.
pub fn run(line: &str) -> Result<()> {
    stdout_of(line).map(drop)
}

/// Runs `line` (split at spaces) to its end and returns what it printed.
pub fn stdout_of(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("empty command")?;
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed ({}): {}", output.status, reason.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A child in a process group of its own that is ended with its guard, and asked to end by the
/// kernel if the thread that started it dies first.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    name: String,
    has_ended: bool,
}

impl Child {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.process_group(0);
        // SAFETY: prctl with PR_SET_PDEATHSIG is async-signal-safe and touches no memory.
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(std::io::Error::from)
            });
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            name,
            has_ended: false,
        })
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status if it has ended.
    pub fn status(&mut self) -> Result<Option<ExitStatus>> {
        let status = self
            .child
            .try_wait()
            .with_context(|| format!("wait for {}", self.name))?;
        self.has_ended |= status.is_some();
        Ok(status)
    }

    /// Sends `signal` to the whole group.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let group = Pid::from_raw(i32::try_from(self.child.id())?);
        killpg(group, signal).with_context(|| format!("send {signal} to {}", self.name))
    }

    /// Waits for the end, at most `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            ensure!(
                started.elapsed() < deadline,
                "{} still runs {deadline:?} after it should have ended",
                self.name
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks with `signal`, waits up to `deadline`, then kills the group.
    pub fn stop(&mut self, signal: Signal, deadline: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.status()? {
            return Ok(status);
        }
        self.signal(signal)?;
        self.wait(deadline)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        if self.stop(Signal::SIGTERM, Duration::from_secs(2)).is_err() {
            // The group may be gone between the look and the signal: nothing is left to do then.
            drop(self.signal(Signal::SIGKILL));
            drop(self.child.wait());
        }
    }
}
