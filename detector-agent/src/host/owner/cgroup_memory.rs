//! How much memory the control group of a process may have, and how much of it sockets take.
//!
//! Of the unified hierarchy (cgroup v2) alone: in the older one the memory of sockets does not count
//! against the limit unless somebody has asked for that, so there is no share to tell. Paths come from
//! `/proc/PID/cgroup` and are hostile: each component is opened below the one before, and none leads
//! up or elsewhere.

mod mounts;
mod number;

use crate::host::folder::Folder;
use mounts::steps_up;

/// `memory.max`, `memory.current`: one number.
const NUMBER_BYTES: usize = 64;
/// `memory.stat`: some sixty lines.
pub(super) const STAT_BYTES: usize = 32 << 10;
/// Control groups in control groups.
const DEPTH_MAX: usize = 64;

/// The memory of one control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupMemory {
    /// `memory.max`.
    pub(super) limit_bytes: u64,
    /// `memory.current`.
    pub(super) used_bytes: u64,
    /// `sock` in `memory.stat`.
    pub(super) socket_bytes: u64,
}

/// A hierarchy. Paths in it begin at the root of its mount.
#[derive(Debug)]
pub(super) struct ControlGroups {
    folder: Folder,
    /// How many groups that root lies above the one that the agent's namespace takes for the root,
    up: usize,
    /// and the way down to it, by names; empty where it is not known.
    namespace: Vec<String>,
}

impl ControlGroups {
    /// What `read` says of each group that `path` leads through, from the outermost on, and of the root where
    /// that is a group like others; none where it leads nowhere.
    pub(super) fn each<T>(&self, path: &str, read: impl Fn(&Folder) -> T) -> Vec<T> {
        let walk = || {
            let mut folder = self.folder.folder(".").ok()?;
            let mut all = Vec::new();
            if folder.read("cgroup.events", 1).is_ok() {
                all.push(read(&folder));
            }
            for (depth, name) in components(path).enumerate() {
                if depth == DEPTH_MAX || matches!(name, "." | "..") {
                    return None;
                }
                folder = folder.folder(name).ok()?;
                all.push(read(&folder));
            }
            Some(all)
        };
        walk().unwrap_or_default()
    }

    /// The folder of one group; `None` where the path leads nowhere.
    pub(super) fn folder(&self, path: &str) -> Option<Folder> {
        let mut folder = self.folder.folder(".").ok()?;
        for (depth, name) in components(path).enumerate() {
            if depth == DEPTH_MAX || matches!(name, "." | "..") {
                return None;
            }
            folder = folder.folder(name).ok()?;
        }
        Some(folder)
    }

    /// The memory of the group that has the smallest limit of those that `path` leads through;
    /// `None` where none has a limit.
    pub(super) fn memory(&self, path: &str) -> Option<GroupMemory> {
        let all = self.each(path, GroupMemory::read).into_iter().flatten();
        all.min_by_key(|memory| memory.limit_bytes)
    }
}

impl GroupMemory {
    /// `None` without a limit (`max`), or where something is missing or makes no sense.
    fn read(folder: &Folder) -> Option<Self> {
        let number = |name: &str| folder.text(name, NUMBER_BYTES)?.trim_end().parse().ok();
        let limit_bytes = number("memory.max")?;
        let stat = folder.text("memory.stat", STAT_BYTES)?;
        let sockets = stat.lines().find_map(|line| line.strip_prefix("sock "));
        Some(Self {
            limit_bytes,
            used_bytes: number("memory.current")?,
            socket_bytes: sockets?.parse().ok()?,
        })
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// Whether a path of `/proc/PID/cgroup` leads to no group below the kernel's root or that of the namespace.
pub(super) fn is_root(path: &str) -> bool {
    matches!(steps_up(path).1, "" | "/")
}

/// The path of a group from `groups` on, of one in `/proc/PID/cgroup`. Where there are none it is as it is, unless it
/// leads out of the namespace.
pub(super) fn seen(groups: Option<&ControlGroups>, of_proc: &str) -> Option<String> {
    match groups {
        Some(groups) => groups.seen(of_proc),
        None => (steps_up(of_proc).0 == 0).then(|| of_proc.to_owned()),
    }
}

/// The group that limits memory, from the whole of `/proc/PID/cgroup`, lines `number:controllers:path`: the
/// unified one, unless an older hierarchy has the memory. Whether it is the unified one comes second.
pub(crate) fn memory_group(groups: &str) -> Option<(String, bool)> {
    let lines = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let rank = match controllers {
            "" => 1,
            named => 2 * u8::from(named.split(',').any(|each| each == "memory")),
        };
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        (rank > 0).then(|| (rank, path.to_owned()))
    });
    let found = lines.max_by_key(|(rank, _)| *rank);
    found.map(|(rank, path)| (path, rank == 1))
}

/// The path in the unified hierarchy, from the whole of `/proc/PID/cgroup`.
pub(super) fn path_of(cgroup: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(cgroup).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    (!path.ends_with(" (deleted)")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use tempfile::TempDir;

    const MEBIBYTE: u64 = 1 << 20;

    /// A `/proc` whose mounts lead to a hierarchy below it.
    fn host() -> (TempDir, std::path::PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let groups = scratch.path().join("groups");
        fs::create_dir_all(scratch.path().join("self")).unwrap();
        fs::create_dir(&groups).unwrap();
        let mounts = format!(
            "36 31 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             broken\n\
             40 31 0:38 /docker {0}/part rw - cgroup2 cgroup2 rw\n\
             41 31 0:38 / {0} rw,relatime shared:9 - cgroup2 cgroup2 rw\n",
            groups.display()
        );
        fs::write(scratch.path().join("self/mountinfo"), mounts).unwrap();
        (scratch, groups)
    }

    fn group(groups: &Path, path: &str, limit: &str, sockets: &str) {
        let folder = groups.join(path);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("memory.max"), format!("{limit}\n")).unwrap();
        fs::write(folder.join("memory.current"), "33554432\n").unwrap();
        let stat = format!("anon 4096\nsock {sockets}\nshmem 0\n");
        fs::write(folder.join("memory.stat"), stat).unwrap();
    }

    #[test]
    fn the_tightest_limit_on_the_way_counts() {
        let (host, groups) = host();
        group(&groups, "system.slice", "max", "9000000");
        group(
            &groups,
            "system.slice/docker-1.scope",
            "67108864",
            "8000000",
        );
        group(
            &groups,
            "system.slice/docker-1.scope/init",
            "134217728",
            "7000000",
        );
        let found = ControlGroups::find(host.path()).unwrap();
        let expected = GroupMemory {
            limit_bytes: 64 * MEBIBYTE,
            used_bytes: 32 * MEBIBYTE,
            socket_bytes: 8_000_000,
        };
        for path in [
            "/system.slice/docker-1.scope",
            "/system.slice/docker-1.scope/init",
        ] {
            assert_eq!(found.memory(path), Some(expected), "{path}");
        }
        for path in [
            "/",
            "/system.slice",
            "/nowhere",
            "/system.slice/docker-1.scope/nowhere",
        ] {
            assert_eq!(found.memory(path), None, "{path}");
        }
    }

    #[test]
    fn hostile_paths_and_files_have_no_limit() {
        let (host, groups) = host();
        group(&groups, "good", "1000000", "1");
        group(host.path(), "outside", "1000", "1");
        symlink(host.path().join("outside"), groups.join("link")).unwrap();
        for (name, limit, sockets) in [
            ("negative", "-1", "1"),
            ("empty", "", "1"),
            ("words", "1000 2000", "1"),
            ("huge", "99999999999999999999999", "1"),
            ("odd", "1000", "many"),
        ] {
            group(&groups, name, limit, sockets);
        }
        fs::create_dir(groups.join("bare")).unwrap();
        let found = ControlGroups::find(host.path()).unwrap();
        assert!(found.memory("/good").is_some());
        let deep = "/good".to_owned() + &"/x".repeat(DEPTH_MAX);
        for path in [
            "/../outside",
            "/good/../../outside",
            "/link",
            "/./good",
            "/negative",
            "/empty",
            "/words",
            "/huge",
            "/odd",
            "/bare",
            &deep,
        ] {
            assert_eq!(found.memory(path), None, "{path}");
        }
    }

    #[test]
    fn only_the_whole_unified_hierarchy_is_one() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(ControlGroups::find(scratch.path()).is_none());
        fs::create_dir(scratch.path().join("self")).unwrap();
        for mounts in [
            "36 31 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "41 31 0:38 /.. /nowhere rw - cgroup2 cgroup2 rw\n",
            "41 31 0:38 / /a\\040b rw - cgroup2 cgroup2 rw\n",
            "41 31 0:38 /\n",
        ] {
            fs::write(scratch.path().join("self/mountinfo"), mounts).unwrap();
            assert!(ControlGroups::find(scratch.path()).is_none(), "{mounts}");
        }
    }

    #[test]
    fn the_path_is_that_of_the_unified_hierarchy() {
        assert_eq!(path_of(b"4:memory:/a\n0::/b/c\n"), Some("/b/c"));
        for text in [
            &b"4:memory:/a\n"[..],
            b"0::/b (deleted)\n",
            b"0::/\xff\n",
            b"",
        ] {
            assert_eq!(path_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_group_that_limits_memory_is_found_in_either_hierarchy() {
        let group = |text| memory_group(text).map(|(path, _)| path);
        let both = "4:memory:/docker/abc\n1:cpu:/x\n0::/system.slice\n";
        assert_eq!(group(both).as_deref(), Some("/docker/abc"));
        assert_eq!(group("0::/pod/a:b\n").as_deref(), Some("/pod/a:b"));
        assert_eq!(group("3:cpu,memory:/a\n0::/\n").as_deref(), Some("/a"));
        assert_eq!(group("1:cpu:/x\nnonsense\n"), None);
    }
}
