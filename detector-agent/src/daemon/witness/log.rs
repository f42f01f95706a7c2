//! The thread that reads the kernel's log: OOM kills and what the kernel says of TCP, listen queues, links
//! and hung tasks become notes of the recorder, with the time of the wall clock; an OOM kill is part of
//! an incident.

use super::report::{self, Report, of_line};
use crate::host::kernel_log::{KernelLog, Waited};
use crate::host::pressure::oom_kills_now;
use crate::recording::now;
use crate::state::AgentState;
use detector_kmsg::message::{Message, OomLine, Parsed, parse};
use detector_recorder::NoteKind;
use rustix::io::Errno;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Between looks whether the agent ends; nobody waits for this thread.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The report of an OOM kill is complete once nothing more has come for so long, or after so long.
const QUIET: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(3);
/// Messages noted in a span; a kernel that complains without end would fill the recorder.
const NOTES: u32 = 20;
/// Those of links among them have room of their own: any user has links that come and go, in a network namespace
/// of his own, as often as he likes.
const NOTES_OF_LINKS: u32 = 5;
const NOTES_SPAN: Duration = Duration::from_secs(10);

/// Starts it.
pub(super) fn start(state: Arc<AgentState>, log: KernelLog) -> io::Result<Sender<Infallible>> {
    let (stop, stopped) = channel();
    std::thread::Builder::new()
        .name("witness".to_owned())
        .spawn(move || {
            let mut witness = Reading::new(state, "/proc".into());
            if let Err(errno) = witness.read(log, &stopped) {
                witness.state.lose_kernel_log(&errno.to_string());
            }
        })?;
    Ok(stop)
}

struct Reading {
    state: Arc<AgentState>,
    /// Where the kernel's count of kills is.
    proc: PathBuf,
    /// The lines about an OOM kill so far,
    report: Report,
    /// and since when; `None` between reports.
    gathering: Option<Instant>,
    notes: Room,
    notes_of_links: Room,
}

/// How many notes there is room for in a span, and how many were to be taken.
struct Room {
    most: u32,
    taken: u32,
    since: Instant,
}

impl Room {
    fn new(most: u32) -> Self {
        Self {
            most,
            taken: 0,
            since: Instant::now(),
        }
    }

    fn is_left(&mut self) -> bool {
        if self.since.elapsed() >= NOTES_SPAN {
            (self.taken, self.since) = (0, Instant::now());
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= self.most
    }
}

impl Reading {
    fn new(state: Arc<AgentState>, proc: PathBuf) -> Self {
        let reading = Self {
            state,
            proc,
            report: Report::default(),
            gathering: None,
            notes: Room::new(NOTES),
            notes_of_links: Room::new(NOTES_OF_LINKS),
        };
        // Kills from now on are more than these.
        reading
            .state
            .count_kills(now(), oom_kills_now(&reading.proc));
        reading
    }

    fn read(&mut self, mut log: KernelLog, stopped: &Receiver<Infallible>) -> Result<(), Errno> {
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            let patience = if self.gathering.is_some() {
                QUIET
            } else {
                LOOK_EVERY
            };
            let is_quiet = match log.wait(patience)? {
                Waited::Message(text) => {
                    self.take(&text);
                    false
                }
                Waited::Lost => {
                    let has_room = self.notes.is_left();
                    self.note("messages of the kernel were lost here", has_room);
                    false
                }
                Waited::Other => false,
                Waited::Nothing => true,
            };
            let is_complete = |since: &mut Instant| is_quiet || since.elapsed() >= LONGEST;
            if self.gathering.take_if(is_complete).is_some() {
                self.conclude();
            }
        }
        Ok(())
    }

    fn take(&mut self, text: &str) {
        let parsed = parse(text);
        if let Some(line) = report::line(text, &parsed) {
            // At once, for who holds what at this second; a container waits to hear whose it was.
            if let OomLine::Killed { victim, .. } = line
                && self.state.host.watched.is_host()
                && self.is_kill(victim.pid, None)
            {
                self.state.hear_of_kill(now(), of_line(victim));
            }
            self.report.take(line);
            self.gathering.get_or_insert_with(Instant::now);
        }
        if matches!(parsed, Parsed::Message(Message::TooManyOrphans, _))
            && self.state.host.watched.is_host()
        {
            let look = self.state.host_pressure(&self.state.host.pressure.sample());
            self.state.with_engine(|engine| {
                engine.set_host_pressure(look);
                engine.witness_orphan_limit();
            });
        }
        match parsed {
            Parsed::Nothing
            | Parsed::Begun
            | Parsed::Message(Message::Oom(_) | Message::Boot, _) => {}
            Parsed::Message(Message::Link(..), _) => {
                let has_room = self.notes_of_links.is_left();
                self.note(text, has_room);
            }
            Parsed::Message(..) | Parsed::Cut(_) | Parsed::Impossible | Parsed::NoLocalPort => {
                let has_room = self.notes.is_left();
                self.note(text, has_room);
            }
        }
    }

    fn conclude(&mut self) {
        for kill in std::mem::take(&mut self.report).finish() {
            if self.is_kill(kill.pid, kill.cgroup.as_deref()) {
                self.state.take_kill(now(), kill);
            }
        }
    }

    /// Whether a victim of the log's was killed, and is one of what is watched.
    fn is_kill(&self, pid: Option<u64>, cgroup: Option<&str>) -> bool {
        let of_host = || oom_kills_now(&self.proc);
        self.state.is_kill_of_log(now(), pid, cgroup, of_host)
    }

    fn note(&self, text: &str, has_room: bool) {
        if has_room {
            self.state.recording.note(NoteKind::Kernel, None, text);
        } else {
            self.state.recording.lose_note();
        }
    }
}

#[cfg(test)]
mod tests;
