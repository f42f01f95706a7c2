//! Looks at a process that is about to be killed for want of memory, while it is there: where it runs, and
//! what its control group may have.
//!
//! Of either hierarchy of control groups. Each file is small, and the process may be gone at any moment:
//! what cannot be read is left out. Paths are hostile, as everywhere here.

use super::cgroup::Placement;
use super::cgroup_memory::{ControlGroups, STAT_BYTES, memory_group};
use super::proc::ProcTree;
use super::process::{CGROUP_BYTES, Stat};
use crate::host::folder::Folder;
use detector_api::recorded::{KillScope, OomKill};
use detector_api::sanitize;
use rustix::io::Errno;
use std::path::Path;

/// `memory.events` and others of a few lines.
const LINES_BYTES: usize = 1 << 10;
const MEMINFO_BYTES: usize = 16 << 10;
/// No limit, in the older hierarchy, is the largest number of whole pages.
const NO_LIMIT: u64 = 1 << 62;
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
        let is_in_root = group.as_ref().is_some_and(|(path, _)| path == "/");
        if is_in_root && is_gone {
            return OomKill {
                name,
                ..OomKill::default()
            };
        }
        OomKill {
            name,
            ..self.placed(&groups, group)
        }
    }

    /// What is known of a process by the number of its control group in the unified hierarchy: it may be
    /// gone, or out of sight.
    pub(crate) fn look_into(&self, control_group: u64) -> OomKill {
        let unified = self.unified.as_ref();
        let path = unified.and_then(|groups| groups.path_of_number(control_group));
        let Some(path) = path else {
            return OomKill::default();
        };
        let groups = format!("0::{path}\n");
        // Where the older hierarchy has the memory, this one does not tell whose was short.
        let group = self.older.is_none().then_some((path, true));
        self.placed(groups.as_bytes(), group)
    }

    /// Of the text of `/proc/PID/cgroup`, and the group in it that limits memory.
    fn placed(&self, groups: &[u8], group: Option<(String, bool)>) -> OomKill {
        let levels = group.as_ref().map_or_else(Vec::new, |(path, is_unified)| {
            let hierarchy = if *is_unified {
                &self.unified
            } else {
                &self.older
            };
            let read = if *is_unified {
                Group::read
            } else {
                Group::read_older
            };
            hierarchy
                .as_ref()
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
mod tests {
    use super::VictimReader;
    use detector_api::recorded::{KillScope, OomKill};
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use tempfile::TempDir;

    const LIMIT: u64 = 64 << 20;

    /// A host with both hierarchies, and a process 870 in `/system.slice/httpd.service` of the unified
    /// one.
    fn host(available_kib: u64) -> TempDir {
        let host = tempfile::tempdir().unwrap();
        let at = |name: &str| host.path().join(name);
        fs::create_dir_all(at("self")).unwrap();
        fs::create_dir_all(at("870")).unwrap();
        let mounts = format!(
            "36 31 0:35 / {0}/older rw - cgroup cgroup rw,memory\n\
             37 31 0:36 / {0}/other rw - cgroup cgroup rw,cpu\n\
             41 31 0:38 / {0}/unified rw - cgroup2 cgroup2 rw\n",
            host.path().display()
        );
        fs::create_dir_all(at("older")).unwrap();
        fs::create_dir_all(at("unified")).unwrap();
        fs::write(at("self/mountinfo"), mounts).unwrap();
        fs::write(at("870/cgroup"), "0::/system.slice/httpd.service\n").unwrap();
        let stat = "870 (httpd) R 1 870 870 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 905678 1 2\n";
        fs::write(at("870/stat"), stat).unwrap();
        let meminfo = format!("MemTotal: 1000000 kB\nMemAvailable: {available_kib} kB\n");
        fs::write(at("meminfo"), meminfo).unwrap();
        fs::write(at("vmstat"), "nr_free_pages 1\noom_kill 7\n").unwrap();
        host
    }

    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    fn unified(host: &TempDir, times_short: u64, used: u64) {
        let slice = host.path().join("unified/system.slice");
        group(&slice, &[("memory.max", "max\n")]);
        let (limit, used) = (format!("{LIMIT}\n"), format!("{used}\n"));
        let events = format!("max 9\noom {times_short}\noom_kill {times_short}\n");
        let files = [
            ("memory.max", limit.as_str()),
            ("memory.current", used.as_str()),
            ("memory.stat", "anon 4096\nsock 4200000\n"),
            ("memory.events.local", events.as_str()),
        ];
        group(&slice.join("httpd.service"), &files);
    }

    fn look(host: &TempDir) -> OomKill {
        VictimReader::open(host.path()).unwrap().look(870)
    }

    fn of_httpd() -> OomKill {
        OomKill {
            name: Some("httpd".to_owned()),
            unit: Some("httpd.service".to_owned()),
            cgroup: Some("/system.slice/httpd.service".to_owned()),
            ..OomKill::default()
        }
    }

    #[test]
    fn whose_memory_was_short_is_told_by_the_groups_and_the_host() {
        let (short, well) = (1_000, 500_000);
        let cases = [
            // The group is full; it has given back already, and the host was not short.
            (1, LIMIT, short, KillScope::ControlGroup),
            (1, LIMIT / 2, well, KillScope::ControlGroup),
            (1, LIMIT / 2, short, KillScope::Unknown),
            (0, LIMIT, short, KillScope::Host),
        ];
        for (times_short, used, available, scope) in cases {
            let host = host(available);
            unified(&host, times_short, used);
            let expected = OomKill {
                scope,
                socket_bytes: Some(4_200_000),
                limit_bytes: (times_short > 0).then_some(LIMIT),
                ..of_httpd()
            };
            assert_eq!(look(&host), expected, "{scope:?}");
        }
    }

    #[test]
    fn the_older_hierarchy_counts_where_it_has_the_memory() {
        let host = host(500_000);
        let groups = "4:memory:/docker/abc\n1:cpu:/x\n0::/system.slice/httpd.service\n";
        fs::write(host.path().join("870/cgroup"), groups).unwrap();
        let limit = format!("{LIMIT}\n");
        group(
            &host.path().join("older/docker"),
            &[("memory.limit_in_bytes", "9223372036854771712\n")],
        );
        let files = [
            ("memory.limit_in_bytes", limit.as_str()),
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.kmem.tcp.usage_in_bytes", "8192\n"),
            ("memory.max_usage_in_bytes", limit.as_str()),
        ];
        group(&host.path().join("older/docker/abc"), &files);
        let expected = OomKill {
            cgroup: Some("/docker/abc".to_owned()),
            scope: KillScope::ControlGroup,
            socket_bytes: Some(8_192),
            limit_bytes: Some(LIMIT),
            ..of_httpd()
        };
        assert_eq!(look(&host), expected);
    }

    #[test]
    fn a_victim_that_is_gone_is_known_by_the_number_of_its_group() {
        let host = host(500_000);
        unified(&host, 1, LIMIT / 2);
        let number = fs::metadata(host.path().join("unified/system.slice/httpd.service"))
            .unwrap()
            .ino();
        fs::remove_dir_all(host.path().join("870")).unwrap();
        let look_into = || VictimReader::open(host.path()).unwrap().look_into(number);
        let of_unit = OomKill {
            unit: of_httpd().unit,
            ..OomKill::default()
        };
        // The older hierarchy has the memory.
        assert_eq!(look_into(), of_unit);
        let mounts = host.path().join("self/mountinfo");
        let text = fs::read_to_string(&mounts).unwrap();
        fs::write(&mounts, text.lines().last().unwrap()).unwrap();
        let expected = OomKill {
            scope: KillScope::ControlGroup,
            socket_bytes: Some(4_200_000),
            limit_bytes: Some(LIMIT),
            cgroup: of_httpd().cgroup,
            ..of_unit
        };
        assert_eq!(look_into(), expected);
        fs::remove_dir_all(host.path().join("unified/system.slice")).unwrap();
        assert_eq!(look_into(), OomKill::default());
    }

    #[test]
    fn what_is_gone_or_hostile_is_left_out() {
        let host = host(500_000);
        assert_eq!(look(&host), of_httpd());
        let reader = VictimReader::open(host.path()).unwrap();
        assert_eq!(reader.look(871), OomKill::default());
        assert_eq!(reader.count(), Some(7));
        fs::write(host.path().join("870/cgroup"), b"0::/\x1b[2J/../..\xff\n").unwrap();
        let hostile = look(&host);
        assert_eq!(
            (hostile.scope, hostile.limit_bytes),
            (KillScope::Unknown, None)
        );
        assert!(!hostile.cgroup.unwrap().contains('\u{1b}'));
        let in_root = "4:memory:/\n0::/\n";
        fs::write(host.path().join("870/cgroup"), in_root).unwrap();
        for (statm, cgroup) in [("0 0 0 0 0 0 0\n", None), ("9 9 9 9 0 9 0\n", Some("/"))] {
            fs::write(host.path().join("870/statm"), statm).unwrap();
            assert_eq!(look(&host).cgroup.as_deref(), cgroup);
        }
        fs::remove_dir_all(host.path().join("870")).unwrap();
        assert_eq!(look(&host), OomKill::default());
    }
}
