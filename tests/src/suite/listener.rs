//! When each event came, as a process of its own saw it.
//!
//! The plays have hundreds of threads, and a thread that reads would wait with them: for memory
//! they share, and for a processor.

use crate::PATIENCE;
use crate::agent::{EventView, event_of, follow_lines};
use anyhow::{Context, Result, anyhow, ensure};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the listener says when it listens.
const LISTENING: &str = "listening";

/// An event, and when it was read from the agent's socket.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) at: SystemTime,
    pub(crate) event: EventView,
}

/// Follows the events of the agent at `socket` and writes each to `out` with the nanoseconds since
/// 1970 in front, until the agent ends.
pub fn listen(socket: &Path, mut out: impl Write + Send + 'static) -> Result<()> {
    const FIRST: i32 = -20;
    let lines = follow_lines(socket)?;
    writeln!(out, "{LISTENING}")?;
    // A file takes nothing while a recorder has the disk, tens of milliseconds, and who writes does not
    // listen.
    let (sender, arrived) = mpsc::channel::<(Duration, String)>();
    let writing = thread::spawn(move || -> Result<()> {
        for (at, line) in arrived {
            writeln!(out, "{} {line}", at.as_nanos())?;
        }
        Ok(())
    });
    // Without the right to, it waits its turn, and what it measures is a little longer.
    let _ = rustix::process::setpriority_process(None, FIRST);
    for line in lines {
        let line = line?;
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?;
        if sender.send((at, line)).is_err() {
            break;
        }
    }
    drop(sender);
    writing.join().map_err(|_| anyhow!("the writer panicked"))?
}

/// The running process. It writes to a file: who takes from a pipe can make the writer wait.
pub(super) struct Listener {
    child: Child,
    file: PathBuf,
}

impl Listener {
    /// Starts `program`, which has to call [`listen`], and waits until it does.
    pub(super) fn start(program: &Path, socket: &Path, file: PathBuf) -> Result<Self> {
        let out = File::create(&file).with_context(|| format!("write {}", file.display()))?;
        let child = Command::new(program)
            .arg("listen")
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut listener = Self { child, file };
        let deadline = Instant::now() + PATIENCE;
        while !listener.said()?.starts_with(LISTENING) {
            let ended = listener
                .child
                .try_wait()
                .context("look after the listener")?;
            ensure!(ended.is_none(), "the listener ended: {ended:?}");
            ensure!(Instant::now() < deadline, "the listener does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(listener)
    }

    /// Ends it and gives what came.
    pub(super) fn stop(&mut self) -> Result<Vec<Arrived>> {
        self.end();
        self.so_far()
    }

    /// What has come so far.
    pub(super) fn so_far(&self) -> Result<Vec<Arrived>> {
        let said = self.said()?;
        // The last line may be cut short.
        let whole = said
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        whole.skip(1).map(arrived).collect()
    }

    fn said(&self) -> Result<String> {
        std::fs::read_to_string(&self.file).with_context(|| format!("read {}", self.file.display()))
    }

    fn end(&mut self) {
        // It may have ended with the agent.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

/// An event from a line of `listen`.
fn arrived(line: &str) -> Result<Arrived> {
    let (nanoseconds, event) = line.split_once(' ').context("a line without a time")?;
    let since_1970 = Duration::from_nanos(nanoseconds.parse().context("a time")?);
    Ok(Arrived {
        at: UNIX_EPOCH + since_1970,
        event: event_of(event)?,
    })
}
