//! Names a process: command, executable, where it runs.

use super::cgroup::Placement;
use super::cgroup_memory;
use super::pod;
use super::proc::{Miss, ProcessFolder};
use detector_api::owner::command_of;
use detector_api::sanitize;
use std::collections::HashMap;
use std::sync::Arc;

/// Fields of `/proc/PID/stat` fit; a command name has at most 63 bytes.
const STAT_BYTES: usize = 1_024;
/// A dozen hierarchies with paths of usual length.
pub(super) const CGROUP_BYTES: usize = 16 << 10;
const EXECUTABLE_BYTES: usize = 512;
const COMMAND_CHARS_MAX: usize = 64;
/// Processes whose placement is remembered; more than a host runs services.
const REMEMBERED_MAX: usize = 16_384;

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Command name, sanitized.
    pub(super) command: String,
    pub(super) parent: u32,
    pub(super) threads: u32,
    /// When it started, ticks since boot: with the number, an identity.
    pub(super) started_ticks: u64,
}

impl Stat {
    pub(super) fn read(process: &ProcessFolder) -> Result<Self, Miss> {
        Self::parse(&process.read("stat", STAT_BYTES)?).ok_or(Miss::Unreadable)
    }

    /// `PID (command) state ppid …`. The command may hold anything, parentheses too, so the last
    /// one ends it.
    fn parse(text: &[u8]) -> Option<Self> {
        let begin = text.iter().position(|&byte| byte == b'(')? + 1;
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        // Numbered from 3 in proc(5), where the state is.
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3);
        Some(Self {
            command: name_of(text.get(begin..end)?, COMMAND_CHARS_MAX),
            parent: field(4)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            started_ticks: field(22)?.parse().ok()?,
        })
    }
}

/// What changes rarely in the life of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) command: String,
    pub(super) executable: Option<String>,
    /// systemd unit or container.
    pub(super) unit: Option<String>,
    /// Path of its control group in the unified hierarchy.
    pub(super) group: Option<String>,
    /// What tasks of the same service share.
    pub(super) service: Arc<str>,
}

/// Identities of processes seen lately.
#[derive(Debug, Default)]
pub(super) struct Identities {
    known: HashMap<(u32, u64), Arc<Identity>>,
}

impl Identities {
    /// Reads an identity, or remembers it as long as the process goes by the same command.
    pub(super) fn of(&mut self, process: &ProcessFolder, stat: &Stat) -> Arc<Identity> {
        let key = (process.pid, stat.started_ticks);
        if let Some(known) = self
            .known
            .get(&key)
            .filter(|known| known.command == stat.command)
        {
            return Arc::clone(known);
        }
        let identity = Arc::new(Identity::read(process, stat));
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(key, Arc::clone(&identity));
        identity
    }
}

impl Identity {
    fn read(process: &ProcessFolder, stat: &Stat) -> Self {
        // A process without a readable placement still has a name.
        let groups = process.read("cgroup", CGROUP_BYTES).unwrap_or_default();
        let mut placement = Placement::parse(&groups);
        if let Some(names) = placement.id.as_deref().and_then(pod::find) {
            placement.pod = Some(names.pod);
            placement.container = Some(names.container);
        }
        let mut buffer = [0; EXECUTABLE_BYTES];
        let executable = process.read_link("exe", &mut buffer).ok();
        let executable = executable.map(|path| name_of(path, EXECUTABLE_BYTES));
        let unit = placement.name();
        let service = match unit.as_deref().filter(|_| placement.is_service()) {
            Some(unit) => unit.to_owned(),
            None => command_of(&stat.command, executable.as_deref().unwrap_or("?")),
        };
        Self {
            command: stat.command.clone(),
            executable,
            unit,
            group: cgroup_memory::path_of(&groups).map(str::to_owned),
            service: service.into(),
        }
    }
}

/// Foreign bytes as harmless, bounded text.
fn name_of(bytes: &[u8], chars_max: usize) -> String {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .take(chars_max)
        .collect();
    sanitize::text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(command: &[u8]) -> Option<Stat> {
        let mut line = b"4711 (".to_vec();
        line.extend_from_slice(command);
        line.extend_from_slice(
            b") S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 17 0 905678 1 2\n",
        );
        Stat::parse(&line)
    }

    #[test]
    fn a_command_may_look_like_the_rest_of_the_line() {
        let stat = stat(b"x) R 99 (y\n 1 2").unwrap();
        assert_eq!(stat.command, "x) R 99 (y\u{fffd} 1 2");
        assert_eq!(
            (stat.parent, stat.threads, stat.started_ticks),
            (1, 17, 905_678)
        );
    }

    #[test]
    fn commands_are_harmless() {
        let hostile = stat(b"\x1b[31m\xe2\x80\xae\xff").unwrap();
        assert_eq!(hostile.command, "\u{fffd}[31m\u{fffd}\u{fffd}");
    }

    #[test]
    fn garbage_is_no_process() {
        for line in [
            &b""[..],
            b"1 (x",
            b"1 x) S 1",
            b"1 (x) S",
            b")(",
            b"1 (x) S -1 0 0 0 0",
        ] {
            assert_eq!(Stat::parse(line), None, "{line:?}");
        }
    }
}
