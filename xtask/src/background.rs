//! A program kept running beside a chore, stopped with its guard.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::shown;

/// A running program. Dropping it asks it to end, then makes it.
pub(crate) struct Background {
    child: Child,
}

impl Background {
    /// Starts `command` with its output in `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let other = file.try_clone().context("cannot share a log file")?;
        command.stdin(Stdio::null()).stdout(file).stderr(other);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        Ok(Self { child })
    }

    /// Starts a program and waits for its `ready:` line on stderr, which is returned.
    pub(crate) fn start_until_ready(command: &mut Command) -> Result<(Self, String)> {
        Self::start_until_ready_within(command, Duration::from_secs(20))
    }

    /// The same, of a program that may need long.
    pub(crate) fn start_until_ready_within(
        command: &mut Command,
        patience: Duration,
    ) -> Result<(Self, String)> {
        // Input that does not end before the guard is dropped: some stop by it.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            // Reads to the end, also when nobody listens any more: a full pipe would stop the program.
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(|line| line.ok()) {
                    drop(sender.send(line));
                }
            });
        }
        let started = Self { child };
        let mut said = Vec::new();
        let end = Instant::now() + patience;
        while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.starts_with("ready:") {
                return Ok((started, line));
            }
            said.push(line);
        }
        bail!(
            "{} did not become ready:\n{}",
            shown(command),
            said.join("\n")
        );
    }

    /// Ends its input, which some take for the end, and waits until it has ended well.
    pub(crate) fn finish(mut self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(20);
        drop(self.child.stdin.take());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.child.try_wait().context("cannot wait for a program")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("a program in the background ended with {status}"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        bail!("a program in the background has not ended within {PATIENCE:?}")
    }

    /// Has it read its configuration again.
    pub(crate) fn hang_up(&self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::HUP).context("cannot send a signal")
    }

    /// Its number among the processes.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            if self.has_ended() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A folder for scratch files, removed with its guard.
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
}

impl Scratch {
    pub(crate) fn create(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("detector-{name}-{}", std::process::id()));
        std::fs::create_dir(&path)
            .with_context(|| format!("cannot create folder {}", path.display()))?;
        // Servers give up root's rights before they read their files.
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot open folder {} to others", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}
