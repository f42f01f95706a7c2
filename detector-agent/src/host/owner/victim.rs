//! Looks at a process that is about to be killed for want of memory, while it is there: where it runs, and
//! what its control group may have.
//!
//! Of either hierarchy of control groups. Each file is small, and the process may be gone at any moment:
//! what cannot be read is left out. Paths are hostile, as everywhere here.

use super::cgroup::Placement;
use super::cgroup_memory::{ControlGroups, STAT_BYTES, is_root, memory_group, seen};
use super::proc::ProcTree;
use super::process::{CGROUP_BYTES, Stat};
use crate::host::folder::Folder;
use detector_api::recorded::{KillScope, OomKill};
use detector_api::sanitize;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

/// `memory.events` and others of a few lines.
const LINES_BYTES: usize = 1 << 10;
const MEMINFO_BYTES: usize = 16 << 10;
/// No limit, in the older hierarchy, is the largest number of whole pages.
const NO_LIMIT: u64 = 1 << 62;
/// Groups remembered that were looked for,
const LOOKED_FOR: usize = 16;
/// and for how long one that was not found is not looked for again.
const NOT_FOUND_FOR: Duration = Duration::from_secs(10);
/// Characters kept of a path.
const PATH_CHARS_MAX: usize = 512;

/// See the module.
#[derive(Debug)]
pub(crate) struct VictimReader {
    proc: Folder,
    tree: ProcTree,
    unified: Option<ControlGroups>,
    /// The older hierarchy that limits memory.
    older: Option<ControlGroups>,
    /// Groups that were looked for of late, the newest first: who dies is rarely alone.
    looked_for: VecDeque<LookedFor>,
}

/// A group that was looked for.
#[derive(Debug)]
struct LookedFor {
    number: u64,
    /// `None` where it was not found.
    path: Option<String>,
    at: Instant,
}

/// The memory of one control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    limit_bytes: Option<u64>,
    used_bytes: Option<u64>,
    socket_bytes: Option<u64>,
    /// Whether it has ever been out of memory.
    has_been_short: bool,
}

impl VictimReader {
    pub(crate) fn open(proc: &Path) -> Result<Self, Errno> {
        Ok(Self {
            proc: Folder::open(proc)?,
            tree: ProcTree::open(proc)?,
            unified: ControlGroups::find(proc),
            older: ControlGroups::find_older(proc),
            looked_for: VecDeque::new(),
        })
    }

    /// What is known of the process of this number in the reader's PID namespace.
    pub(crate) fn look(&self, pid: u32) -> OomKill {
        let Ok(process) = self.tree.process(pid) else {
            return OomKill::default();
        };
        // First what goes with it.
        let groups = process.read("cgroup", CGROUP_BYTES).unwrap_or_default();
        let stat = Stat::read(&process).ok();
        let name = stat.map(|stat| stat.command);
        let group = memory_group(&String::from_utf8_lossy(&groups));
        // Once its memory is gone, the older hierarchy has it in the root, wherever it was.
        let statm = process.read("statm", LINES_BYTES).unwrap_or_default();
        let is_gone = statm.is_empty() || statm.starts_with(b"0 ");
        let is_in_root = group.as_ref().is_some_and(|(path, _)| is_root(path));
        if is_in_root && is_gone {
            return OomKill {
                name,
                ..OomKill::default()
            };
        }
        // One that cannot be followed from here is found by its number, or not at all.
        let group = group.and_then(|(path, is_unified)| {
            let path = seen(self.hierarchy(is_unified), &path)?;
            Some((path, is_unified))
        });
        OomKill {
            name,
            ..self.placed(&groups, group)
        }
    }

    /// What is known of a process by the number of its control group in the unified hierarchy: it may be
    /// gone, or out of sight.
    pub(crate) fn look_into(&mut self, control_group: u64) -> OomKill {
        let Some(path) = self.path_of(control_group) else {
            return OomKill::default();
        };
        let groups = format!("0::{path}\n");
        // Where the older hierarchy has the memory, this one does not tell whose was short.
        let group = self.older.is_none().then_some((path, true));
        self.placed(groups.as_bytes(), group)
    }

    /// Walks once for the victims of one group.
    fn path_of(&mut self, number: u64) -> Option<String> {
        let unified = self.unified.as_ref()?;
        // Numbers are not given again: one that is not there will not come.
        let is_known = |each: &&LookedFor| {
            each.number == number
                && match &each.path {
                    Some(path) => unified.has_number(path, number),
                    None => each.at.elapsed() < NOT_FOUND_FOR,
                }
        };
        if let Some(known) = self.looked_for.iter().find(is_known) {
            return known.path.clone();
        }
        let path = unified.path_of_number(number);
        self.looked_for.truncate(LOOKED_FOR - 1);
        self.looked_for.push_front(LookedFor {
            number,
            path: path.clone(),
            at: Instant::now(),
        });
        path
    }

    const fn hierarchy(&self, is_unified: bool) -> Option<&ControlGroups> {
        let hierarchy = if is_unified {
            &self.unified
        } else {
            &self.older
        };
        hierarchy.as_ref()
    }

    /// Of the text of `/proc/PID/cgroup`, and the group that limits memory, by its path from here.
    fn placed(&self, groups: &[u8], group: Option<(String, bool)>) -> OomKill {
        let levels = group.as_ref().map_or_else(Vec::new, |(path, is_unified)| {
            let read = if *is_unified {
                Group::read
            } else {
                Group::read_older
            };
            self.hierarchy(*is_unified)
                .map_or_else(Vec::new, |groups| groups.each(path, read))
        });
        OomKill {
            unit: Placement::parse(groups).name(),
            cgroup: group.map(|(path, _)| clean(&path)),
            ..self.memory(&levels)
        }
    }

    /// Kills so far, as the kernel counts them.
    pub(crate) fn count(&self) -> Option<u64> {
        const VMSTAT_BYTES: usize = 64 << 10;
        let text = self.proc.text("vmstat", VMSTAT_BYTES)?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        count.trim().parse().ok()
    }

    /// Whose memory was short, by the groups from the outermost to that of the victim. One that has never
    /// been out of memory was not; one that is full, or has been while the host has memory, was.
    fn memory(&self, levels: &[Group]) -> OomKill {
        let short = levels.iter().filter(|group| group.has_been_short);
        let short = short.min_by_key(|group| group.limit_bytes.unwrap_or(u64::MAX));
        let scope = match short {
            None if levels.is_empty() => KillScope::Unknown,
            None => KillScope::Host,
            Some(group) if group.is_full() || self.has_memory() => KillScope::ControlGroup,
            Some(_) => KillScope::Unknown,
        };
        let told = short.or(levels.last());
        OomKill {
            scope,
            limit_bytes: short.and_then(|group| group.limit_bytes),
            socket_bytes: told.and_then(|group| group.socket_bytes),
            ..OomKill::default()
        }
    }

    /// Whether a twentieth of the host's memory could still be had.
    fn has_memory(&self) -> bool {
        let text = self.proc.text("meminfo", MEMINFO_BYTES);
        let number = |name: &str| {
            let line = text
                .as_ref()?
                .lines()
                .find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        let memory = number("MemAvailable:").zip(number("MemTotal:"));
        memory.is_some_and(|(available, total)| available > total / 20)
    }
}

impl Group {
    fn read(folder: &Folder) -> Self {
        let events = folder
            .text("memory.events.local", LINES_BYTES)
            .or_else(|| folder.text("memory.events", LINES_BYTES));
        let stat = folder.text("memory.stat", STAT_BYTES);
        Self {
            limit_bytes: number(folder, "memory.max"),
            used_bytes: number(folder, "memory.current"),
            socket_bytes: value(stat.as_deref(), "sock "),
            has_been_short: value(events.as_deref(), "oom ").is_some_and(|times| times > 0),
        }
    }

    fn read_older(folder: &Folder) -> Self {
        let limit_bytes = number(folder, "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT);
        // Not told; but once it has been full it may have been short.
        let most_bytes = number(folder, "memory.max_usage_in_bytes");
        let most = most_bytes.zip(limit_bytes);
        Self {
            limit_bytes,
            used_bytes: number(folder, "memory.usage_in_bytes"),
            socket_bytes: number(folder, "memory.kmem.tcp.usage_in_bytes"),
            has_been_short: most.is_some_and(|(most, limit)| most >= limit - limit / 100),
        }
    }

    /// Nine tenths of its limit or more: the victim gives back what it has from now on.
    fn is_full(&self) -> bool {
        let bytes = self.used_bytes.zip(self.limit_bytes);
        bytes.is_some_and(|(used, limit)| used >= limit - limit / 10)
    }
}

fn number(folder: &Folder, name: &str) -> Option<u64> {
    folder.text(name, LINES_BYTES)?.trim_end().parse().ok()
}

fn value(lines: Option<&str>, name: &str) -> Option<u64> {
    let line = lines?.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

/// Bounded and harmless.
fn clean(path: &str) -> String {
    let bounded: String = path.chars().take(PATH_CHARS_MAX).collect();
    sanitize::text(&bounded)
}

#[cfg(test)]
mod tests;
