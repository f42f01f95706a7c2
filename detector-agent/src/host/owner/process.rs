//! Names a process: command, executable, where it runs.

use super::cgroup::Placement;
use super::cgroup_memory;
use super::name::name_of;
use super::pod;
use super::proc::{Miss, ProcessFolder};
use detector_api::owner::command_of;
use detector_api::snapshot::Process;
use detector_core::engine::Owner;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// Fields of `/proc/PID/stat` fit; a command name has at most 63 bytes.
const STAT_BYTES: usize = 1_024;
/// A dozen hierarchies with paths of usual length.
pub(super) const CGROUP_BYTES: usize = 16 << 10;
const EXECUTABLE_BYTES: usize = 512;
const COMMAND_BYTES: usize = 192;
/// A control group further down is not asked for its memory.
const GROUP_BYTES: usize = 1 << 10;
/// For identities of processes: those of twenty thousand with names of usual length (`docs/scaling.md`).
const REMEMBERED_BYTES: usize = 8 << 20;
/// Processes for which there was no room, between two times that those are looked for that may go.
const LOOK_FOR_ROOM_EVERY: usize = 1_024;

/// Processes of which the service alone is remembered.
const SERVICES_REMEMBERED: usize = 16_384;

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
            command: name_of(text.get(begin..end)?, COMMAND_BYTES),
            parent: field(4)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            started_ticks: field(22)?.parse().ok()?,
        })
    }
}

/// What changes rarely in the life of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// What is published of it; shared with all sockets that it holds.
    pub(super) owner: Arc<Owner>,
    /// Path of its control group in the unified hierarchy.
    pub(super) group: Option<String>,
}

/// Number and start of a process, and the command by which it goes.
type Key = (u32, u64, String);

/// Identities of processes that hold sockets, as seen lately: so many bytes of them, whatever users call their
/// programs and control groups, and however many of them hold sockets.
#[derive(Debug)]
pub(super) struct Identities {
    known: HashMap<Key, Arc<Identity>>,
    /// Hashes of the keys of any processes, and of their services: they take no room of those that hold sockets.
    services: HashMap<u64, u64>,
    hashing: RandomState,
    bytes: usize,
    most_bytes: usize,
    /// Since there was no room the last time.
    turned_away: usize,
}

impl Default for Identities {
    fn default() -> Self {
        Self::within(REMEMBERED_BYTES)
    }
}

impl Identities {
    pub(super) fn within(most_bytes: usize) -> Self {
        Self {
            known: HashMap::new(),
            services: HashMap::new(),
            hashing: RandomState::new(),
            bytes: 0,
            most_bytes,
            turned_away: 0,
        }
    }

    /// Of a process whose sockets are to be named: reads its identity, or remembers it as long as the process goes by
    /// the same command. `None` where those that are named leave no room for it.
    pub(super) fn of_holder(
        &mut self,
        process: &ProcessFolder,
        stat: &Stat,
    ) -> Option<Arc<Identity>> {
        let key = key_of(process, stat);
        if let Some(known) = self.known.get(&key) {
            return Some(Arc::clone(known));
        }
        let identity = Arc::new(Identity::read(process, stat));
        let bytes = identity.bytes();
        if !self.has_room_for(bytes) {
            return None;
        }
        self.bytes += bytes;
        self.known.insert(key, Arc::clone(&identity));
        Some(identity)
    }

    /// The hash of the service of a process, whether it holds sockets or not.
    pub(super) fn service_of(&mut self, process: &ProcessFolder, stat: &Stat) -> u64 {
        let key = key_of(process, stat);
        if let Some(known) = self.known.get(&key) {
            return self.hash_of(&known.owner.service);
        }
        let key = self.hashing.hash_one(&key);
        if let Some(known) = self.services.get(&key) {
            return *known;
        }
        let service = self.hash_of(&Identity::read(process, stat).owner.service);
        if self.services.len() >= SERVICES_REMEMBERED {
            self.services.clear();
        }
        self.services.insert(key, service);
        service
    }

    /// Another one at each start, so that nobody can call a program such that it passes for a service.
    pub(super) fn hash_of(&self, service: &str) -> u64 {
        self.hashing.hash_one(service)
    }

    /// Forgets those that nothing is named by, where they take the room.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        if self.bytes + bytes <= self.most_bytes {
            return true;
        }
        // Not at each process of very many for which there is none.
        self.turned_away += 1;
        if self.turned_away % LOOK_FOR_ROOM_EVERY == 1 {
            self.known.retain(|_, identity| identity.is_in_use());
            self.bytes = self.known.values().map(|each| each.bytes()).sum();
        }
        self.bytes + bytes <= self.most_bytes
    }
}

fn key_of(process: &ProcessFolder, stat: &Stat) -> Key {
    (process.pid, stat.started_ticks, stat.command.clone())
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
        let group = cgroup_memory::path_of(&groups).filter(|path| path.len() <= GROUP_BYTES);
        let process = Process {
            pid: process.pid,
            comm: stat.command.clone(),
            unit,
            executable,
            thread: None,
        };
        Self {
            owner: Arc::new(Owner {
                process,
                service: service.into(),
            }),
            group: group.map(str::to_owned),
        }
    }

    /// Whether a socket, or what is told of one that has gone, is named by it.
    fn is_in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || Arc::strong_count(&self.owner) > 1
    }

    /// What it takes of memory, its key included.
    fn bytes(&self) -> usize {
        let Owner { process, service } = &*self.owner;
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let names = 2 * process.comm.len() + length(&process.unit) + length(&process.executable);
        let beside = size_of::<Self>() + size_of::<Owner>() + 2 * size_of::<Key>();
        beside + names + service.len() + length(&self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::owner::proc::ProcTree;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

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

    /// Processes that run a program with a long and odd name, deep in control groups of their own.
    fn long_names(pids: std::ops::Range<u32>) -> (TempDir, ProcTree) {
        let folder = TempDir::new().unwrap();
        for pid in pids {
            let process = folder.path().join(pid.to_string());
            fs::create_dir(&process).unwrap();
            let program = [&b"/tmp/"[..], &[0xff; 500]].concat();
            let program = std::ffi::OsStr::from_bytes(&program);
            symlink(program, process.join("exe")).unwrap();
            let below = "/\u{fffd}\u{fffd}\u{fffd}.service".repeat(100);
            let group = format!("0::/system.slice/own.service{below}\n");
            fs::write(process.join("cgroup"), group).unwrap();
        }
        let tree = ProcTree::open(folder.path()).unwrap();
        (folder, tree)
    }

    #[test]
    fn whatever_they_are_called_processes_take_so_much_memory() {
        const OF_ONE: usize = 3_500;
        let pids = 1..100;
        let (_folder, tree) = long_names(pids.clone());
        let stat = stat(&[0xff; 15]).unwrap();
        let mut identities = Identities::within(10 * OF_ONE);
        let name = |identities: &mut Identities, pid| {
            let process = tree.process(pid).unwrap();
            identities.of_holder(&process, &stat)
        };
        let named: Vec<_> = pids
            .clone()
            .filter_map(|pid| name(&mut identities, pid))
            .collect();
        assert!((10..50).contains(&named.len()), "{}", named.len());
        assert!(named.iter().all(|each| each.bytes() <= OF_ONE));
        assert!(identities.bytes <= 10 * OF_ONE);
        // What is told of sockets that are closed keeps names, too.
        let owners: Vec<_> = named.iter().map(|each| Arc::clone(&each.owner)).collect();
        drop(named);
        let again = (0..LOOK_FOR_ROOM_EVERY).filter_map(|_| name(&mut identities, 99));
        assert_eq!(again.count(), 0);
        // The service of each is known for a count all the same.
        let process = tree.process(99).unwrap();
        let service = Identity::read(&process, &stat).owner.service.to_string();
        let hash = identities.hash_of(&service);
        assert_eq!(identities.service_of(&process, &stat), hash);
        drop(owners);
        let again = (0..LOOK_FOR_ROOM_EVERY).filter_map(|_| name(&mut identities, 99));
        assert!(again.count() > 0);
    }

    #[test]
    fn processes_without_sockets_take_no_room_of_others() {
        let pids = 1..100;
        let (_folder, tree) = long_names(pids.clone());
        let stat = stat(&[0xff; 15]).unwrap();
        let mut identities = Identities::within(4_000);
        for pid in pids {
            identities.service_of(&tree.process(pid).unwrap(), &stat);
        }
        let holder = tree.process(99).unwrap();
        assert!(identities.of_holder(&holder, &stat).is_some());
    }
}
