//! The thread that reads the kernel's log: OOM kills and what the kernel says of TCP, listen queues, links
//! and hung tasks become notes of the recorder, with the time of the wall clock; an OOM kill is part of
//! an incident.

use crate::host::kernel_log::{KernelLog, Waited};
use crate::host::owner;
use crate::recording::now;
use crate::state::AgentState;
use detector_api::recorded::{KillScope, OomKill};
use detector_api::sanitize;
use detector_kmsg::message::{Message, OomLine, Parsed, Task, parse};
use detector_kmsg::{Kill, LogReader, Scope};
use detector_recorder::NoteKind;
use rustix::io::Errno;
use std::convert::Infallible;
use std::io;
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

/// Starts it.
pub(super) fn start(state: Arc<AgentState>, log: KernelLog) -> io::Result<Sender<Infallible>> {
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
    Ok(stop)
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
            if let OomLine::Killed { victim, .. } = line
                && self.state.host.watched.is_host()
            {
                self.state.hear_of_kill(now(), of_line(victim));
            }
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
            let at = now();
            if self
                .state
                .is_kill_of_log(at, kill.victim.pid, kill.cgroup.as_deref())
            {
                self.state.take_kill(at, of_report(&kill));
            }
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

/// What its line tells before the report is complete; only then is it told by the log.
fn of_line(victim: &Task) -> OomKill {
    OomKill {
        pid: victim.pid,
        name: Some(sanitize::text(&victim.name)).filter(|name| !name.is_empty()),
        ..OomKill::default()
    }
}

/// What the whole report tells.
fn of_report(kill: &Kill) -> OomKill {
    let scope = match kill.scope {
        Scope::Host => KillScope::Host,
        Scope::Cgroup => KillScope::ControlGroup,
        Scope::Unknown => KillScope::Unknown,
    };
    OomKill {
        pid: kill.victim.pid,
        name: Some(sanitize::text(&kill.victim.name)).filter(|name| !name.is_empty()),
        unit: kill.cgroup.as_deref().and_then(owner::unit_of),
        cgroup: kill.cgroup.as_deref().map(sanitize::text),
        scope,
        anonymous_bytes: kill.memory.anonymous_bytes,
        file_bytes: kill.memory.file_bytes,
        shared_bytes: kill.memory.shared_bytes,
        socket_bytes: kill.socket_bytes,
        limit_bytes: kill.limit_bytes,
        by_hook: false,
        by_log: true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, LogReader, Reading, now, of_line, of_report};
    use crate::config::Config;
    use crate::host::owner::{GroupKills, OwnGroup};
    use crate::state::tests::state;
    use crate::watched::Watched;
    use detector_api::recorded::{KillScope, OomKill};
    use detector_kmsg::message::Task;
    use detector_kmsg::{Kill, Memory, Scope, Victim};
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn a_report_is_taken_with_its_fields() {
        let kill = Kill {
            victim: Victim {
                pid: Some(870),
                name: "httpd\u{1b}".to_owned(),
            },
            scope: Scope::Cgroup,
            cgroup: Some("/system.slice/httpd.service".to_owned()),
            memory: Memory {
                anonymous_bytes: Some(212_000_000),
                ..Memory::default()
            },
            socket_bytes: Some(4_200_000),
            limit_bytes: Some(268_435_456),
            ..Kill::default()
        };
        let expected = OomKill {
            pid: Some(870),
            name: Some("httpd\u{fffd}".to_owned()),
            unit: Some("httpd.service".to_owned()),
            cgroup: Some("/system.slice/httpd.service".to_owned()),
            scope: KillScope::ControlGroup,
            anonymous_bytes: Some(212_000_000),
            socket_bytes: Some(4_200_000),
            limit_bytes: Some(268_435_456),
            by_log: true,
            ..OomKill::default()
        };
        assert_eq!(of_report(&kill), expected);
        assert_eq!(of_report(&Kill::default()).name, None);
    }

    #[test]
    fn a_line_alone_is_not_yet_told_by_the_log() {
        let victim = Task {
            pid: Some(870),
            name: "httpd".to_owned(),
            uid: None,
        };
        let kill = of_line(&victim);
        assert_eq!((kill.pid, kill.by_log), (Some(870), false));
        // Nor where the hook tells of the same victim meanwhile.
        let by_hook = OomKill {
            pid: Some(870),
            by_hook: true,
            ..OomKill::default()
        };
        assert!(!by_hook.or(kill).by_log);
    }

    /// A container whose control groups are mounted here, and the name of its own in the log, if it is known.
    fn in_a_container(proc: &Path, in_log: Option<&str>) -> Reading {
        let (mut state, _pings) = state(&Config::default());
        let host = &mut Arc::get_mut(&mut state).unwrap().host;
        host.watched = Watched::Container {
            netns: None,
            cgroup: OwnGroup {
                in_proc: Some("/".to_owned()),
                in_sight: Some("/".to_owned()),
                in_log: in_log.map(str::to_owned),
            },
        };
        host.kills_of_container = Some(GroupKills::open(proc, Some("/")));
        state.recording.lock_status().is_awaited = true;
        Reading {
            state,
            lines: LogReader::new().unwrap(),
            gathering: None,
            notes: 0,
            notes_since: Instant::now(),
        }
    }

    /// The pids of those whose kills were noted, of one that the log tells of in this group.
    fn noted(reading: &mut Reading, pid: u32, group: &str) -> Vec<Option<u64>> {
        for line in [
            format!(
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,\
                 oom_memcg={group},task_memcg={group},task=httpd,pid={pid},uid=0"
            ),
            format!(
                "Memory cgroup out of memory: Killed process {pid} (httpd) total-vm:912340kB, \
                 anon-rss:701220kB, file-rss:1024kB, shmem-rss:2048kB"
            ),
        ] {
            reading.take(&line);
        }
        reading.conclude();
        let notes = reading.state.recording.take_notes().0.into_iter();
        notes.map(|note| note.kill.unwrap().pid).collect()
    }

    /// In a control-group namespace of its own every path of the log is below `/`.
    #[test]
    fn a_kill_of_somebody_else_that_the_log_names_is_none_of_a_container() {
        let proc = tempfile::tempdir().unwrap();
        let groups = proc.path().join("groups");
        fs::create_dir_all(&groups).unwrap();
        fs::create_dir_all(proc.path().join("self")).unwrap();
        let mounts = format!(
            "41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n",
            groups.display()
        );
        fs::write(proc.path().join("self/mountinfo"), mounts).unwrap();
        let count = |kills: u64| {
            let events = format!("oom {kills}\noom_kill {kills}\n");
            fs::write(groups.join("memory.events"), events).unwrap();
        };
        count(4);
        let mut reading = in_a_container(proc.path(), None);
        // Before the first count nobody knows.
        assert_eq!(noted(&mut reading, 869, "/pod/other"), []);
        reading.state.count_kills(now(), None);
        assert_eq!(noted(&mut reading, 870, "/pod/other"), []);
        count(5);
        assert_eq!(noted(&mut reading, 871, "/pod/web"), [Some(871)]);
        assert_eq!(noted(&mut reading, 872, "/pod/other"), []);
        // It is not counted at all.
        fs::remove_file(groups.join("memory.events")).unwrap();
        let mut reading = in_a_container(proc.path(), None);
        reading.state.count_kills(now(), None);
        assert_eq!(noted(&mut reading, 870, "/pod/web"), []);
        // The name is known.
        let mut reading = in_a_container(proc.path(), Some("/pod/web"));
        assert_eq!(noted(&mut reading, 870, "/pod/other"), []);
        assert_eq!(noted(&mut reading, 871, "/pod/web/httpd"), [Some(871)]);
    }
}
