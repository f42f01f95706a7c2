//! When each event came, as a process of its own saw it.
//!
//! The plays have hundreds of threads, and a thread that reads would wait with them: for memory
//! they share, and for a processor.

use crate::agent::{EventView, event_of, follow_lines};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
pub fn listen(socket: &Path, out: &mut impl Write) -> Result<()> {
    const FIRST: i32 = -20;
    // Without the right to, it waits its turn, and what it measures is a little longer.
    let _ = rustix::process::setpriority_process(None, FIRST);
    let lines = follow_lines(socket)?;
    writeln!(out, "{LISTENING}")?;
    for line in lines {
        let line = line?;
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?;
        writeln!(out, "{} {line}", at.as_nanos())?;
    }
    Ok(())
}

/// The running process, and the thread that takes what it says.
pub(super) struct Listener {
    child: Child,
    taken: Option<JoinHandle<Result<Vec<Arrived>>>>,
}

impl Listener {
    /// Starts `program`, which has to call `listen`, and waits until it does.
    pub(super) fn start(program: &Path, socket: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("listen")
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let stdout = child.stdout.take();
        let mut listener = Self { child, taken: None };
        let mut lines = BufReader::new(stdout.context("the listener has no stdout")?);
        let mut first = String::new();
        lines.read_line(&mut first).context("read the listener")?;
        ensure!(first.trim() == LISTENING, "the listener said {first:?}");
        listener.taken = Some(std::thread::spawn(move || take(lines)));
        Ok(listener)
    }

    /// Ends it and gives what came.
    pub(super) fn stop(&mut self) -> Result<Vec<Arrived>> {
        self.end();
        let taken = self.taken.take().context("the listener was stopped")?;
        taken
            .join()
            .unwrap_or_else(|_| bail!("the thread that takes events panicked"))
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

fn take(mut lines: BufReader<ChildStdout>) -> Result<Vec<Arrived>> {
    let mut events = Vec::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).context("read the listener")?;
        // Its end may cut a line short.
        let Some(line) = line.strip_suffix('\n') else {
            return Ok(events);
        };
        events.push(arrived(line)?);
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
