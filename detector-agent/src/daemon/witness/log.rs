//! The thread that reads the kernel's log: OOM kills and what the kernel says of TCP, listen queues, links
//! and hung tasks become notes of the recorder, with the time of the wall clock; an OOM kill is part of
//! an incident.

use crate::host::kernel_log::{self, KernelLog, Waited};
use crate::state::AgentState;
use detector_api::units;
use detector_kmsg::message::{Message, OomLine, Parsed, parse};
use detector_kmsg::{Kill, LogReader, Scope};
use detector_recorder::NoteKind;
use rustix::io::Errno;
use std::convert::Infallible;
use std::io;
use std::path::Path;
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
const NOTES_SPAN: Duration = Duration::from_secs(10);

/// The running thread; it ends when this is dropped.
pub(super) struct Witness {
    _stop: Sender<Infallible>,
}

/// Opens the kernel's log, which may need a privilege.
pub(super) fn open() -> io::Result<KernelLog> {
    Ok(KernelLog::open(Path::new(kernel_log::PATH))?)
}

/// Starts it.
pub(super) fn start(state: Arc<AgentState>, log: KernelLog) -> io::Result<Witness> {
    let lines = LogReader::new().map_err(io::Error::other)?;
    let (stop, stopped) = channel();
    std::thread::Builder::new()
        .name("witness".to_owned())
        .spawn(move || {
            let mut witness = Reading {
                state,
                lines,
                gathering: None,
                notes: 0,
                notes_since: Instant::now(),
            };
            if let Err(errno) = witness.read(log, &stopped) {
                witness.state.lose_kernel_log(&errno.to_string());
            }
        })?;
    Ok(Witness { _stop: stop })
}

struct Reading {
    state: Arc<AgentState>,
    /// The lines about an OOM kill so far,
    lines: LogReader,
    /// and since when; `None` between reports.
    gathering: Option<Instant>,
    notes: u32,
    notes_since: Instant,
}

impl Reading {
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
                    self.note(NoteKind::Kernel, "messages of the kernel were lost here");
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
        if let Parsed::Message(Message::Oom(line), _) = &parsed {
            // At once, for who holds what at this second; a container waits to hear whose it was.
            if matches!(line, OomLine::Killed { .. }) && self.state.watched.is_host() {
                self.state.witness_oom_kill();
            }
            self.gathering.get_or_insert_with(Instant::now);
        }
        if self.gathering.is_some() {
            self.lines.feed(text.as_bytes());
            self.lines.feed(b"\n");
        }
        match parsed {
            Parsed::Nothing
            | Parsed::Begun
            | Parsed::Message(Message::Oom(_) | Message::Boot, _) => {}
            Parsed::Message(..) | Parsed::Cut(_) | Parsed::Impossible | Parsed::NoLocalPort => {
                self.note(NoteKind::Kernel, text);
            }
        }
    }

    fn conclude(&mut self) {
        let another = self.lines.another();
        let lines = std::mem::replace(&mut self.lines, another);
        for kill in lines.finish().kills {
            if !self.state.watched.has_victim(&kill) {
                continue;
            }
            if !self.state.watched.is_host() {
                self.state.witness_oom_kill();
            }
            let sentence = sentence(&kill);
            tracing::warn!("{sentence}");
            self.state
                .recording
                .note(NoteKind::OomKill, None, &sentence);
        }
    }

    fn note(&mut self, kind: NoteKind, text: &str) {
        if self.notes_since.elapsed() >= NOTES_SPAN {
            (self.notes, self.notes_since) = (0, Instant::now());
        }
        self.notes += 1;
        if self.notes <= NOTES {
            self.state.recording.note(kind, None, text);
        } else {
            self.state.recording.lose_note();
        }
    }
}

/// `the kernel killed httpd[870] of /system.slice/httpd.service for want of memory: 212 MB anonymous, …`
fn sentence(kill: &Kill) -> String {
    let mut text = format!("the kernel killed {}", kill.victim.name);
    if let Some(pid) = kill.victim.pid {
        text += &format!("[{pid}]");
    }
    if let Some(cgroup) = kill.cgroup.as_deref().filter(|cgroup| *cgroup != "/") {
        text += &format!(" of {cgroup}");
    }
    text += match kill.scope {
        Scope::Cgroup => " at the memory limit of its control group",
        Scope::Host | Scope::Unknown => " for want of memory",
    };
    let held = [
        (kill.memory.anonymous_bytes, "anonymous"),
        (kill.memory.file_bytes, "of files"),
        (kill.memory.shared_bytes, "shared"),
        (kill.socket_bytes, "sockets of the control group"),
    ];
    let held: Vec<_> = held
        .into_iter()
        .filter_map(|(bytes, what)| {
            let bytes = bytes.filter(|&bytes| bytes > 0)?;
            Some(format!("{} {what}", units::bytes(bytes)))
        })
        .collect();
    if !held.is_empty() {
        text += &format!(": {}", held.join(", "));
    }
    if let Some(limit) = kill.limit_bytes {
        text += &format!("; the limit was {}", units::bytes(limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::sentence;
    use detector_kmsg::{Kill, Memory, Scope, Victim};

    #[test]
    fn a_kill_is_told_with_what_is_known() {
        let victim = Victim {
            pid: Some(870),
            name: "httpd".to_owned(),
        };
        let bare = Kill {
            victim: victim.clone(),
            ..Kill::default()
        };
        assert_eq!(
            sentence(&bare),
            "the kernel killed httpd[870] for want of memory"
        );
        let known = Kill {
            victim,
            scope: Scope::Cgroup,
            cgroup: Some("/system.slice/httpd.service".to_owned()),
            memory: Memory {
                anonymous_bytes: Some(212_000_000),
                file_bytes: Some(0),
                ..Memory::default()
            },
            socket_bytes: Some(4_200_000),
            limit_bytes: Some(268_435_456),
            ..Kill::default()
        };
        assert_eq!(
            sentence(&known),
            "the kernel killed httpd[870] of /system.slice/httpd.service at the memory limit of its \
             control group: 212 MB anonymous, 4.2 MB sockets of the control group; the limit was 268 MB"
        );
    }
}
