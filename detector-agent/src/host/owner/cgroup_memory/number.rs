//! The path of a control group by its number, which is the inode number of its folder.
//!
//! The kernel has no table of them that may be read, so the hierarchy is walked, outer groups first. It is when
//! memory has run out that this is asked, and anybody who may make groups may make many, deep ones with long names:
//! the walk is bounded in groups, depth, bytes and time.

use super::{ControlGroups, DEPTH_MAX};
use rustix::fs::fstat;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Groups met at most.
const GROUPS_MAX: usize = 16_384;
/// Bytes of the paths that wait to be looked into.
const BYTES_MAX: usize = 1 << 20;
/// How long it may take.
const PATIENCE: Duration = Duration::from_millis(200);

impl ControlGroups {
    /// The path of the group with this number; `None` where it is gone, out of sight, or not found within the
    /// bounds.
    pub(in crate::host::owner) fn path_of_number(&self, number: u64) -> Option<String> {
        self.search(number, PATIENCE)
    }

    /// Whether this path leads to the group with this number.
    pub(in crate::host::owner) fn has_number(&self, path: &str, number: u64) -> bool {
        let found = self.folder(path).and_then(|folder| fstat(&folder).ok());
        found.is_some_and(|found| found.st_ino == number)
    }

    fn search(&self, number: u64, patience: Duration) -> Option<String> {
        let began = Instant::now();
        if self.has_number("/", number) {
            return Some("/".to_owned());
        }
        let mut waiting = VecDeque::from([(String::new(), 0)]);
        let (mut met, mut bytes) = (0, 0);
        while let Some((path, depth)) = waiting.pop_front() {
            bytes -= path.len();
            // It may have gone since.
            let Ok(folder) = self.folder.folder(&format!("./{path}")) else {
                continue;
            };
            for (name, inode) in folder.folders() {
                let path = format!("{path}{name}/");
                if inode == number {
                    return Some(format!("/{}", path.trim_end_matches('/')));
                }
                met += 1;
                bytes += path.len();
                if met == GROUPS_MAX || bytes > BYTES_MAX || began.elapsed() >= patience {
                    return None;
                }
                if depth + 1 < DEPTH_MAX {
                    waiting.push_back((path, depth + 1));
                } else {
                    bytes -= path.len();
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, ControlGroups, DEPTH_MAX, Duration, PATIENCE};
    use crate::host::folder::Folder;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    fn groups(root: &Path) -> ControlGroups {
        ControlGroups {
            folder: Folder::open(root).unwrap(),
            up: 0,
            namespace: Vec::new(),
        }
    }

    fn number(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_group_is_found_by_its_number() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        let below = root.join("system.slice/httpd.service");
        fs::create_dir_all(&below).unwrap();
        fs::create_dir_all(root.join("init.scope")).unwrap();
        fs::write(root.join("cgroup.procs"), "").unwrap();
        symlink("system.slice", root.join("link")).unwrap();
        let groups = groups(root);
        for (path, expected) in [
            (root.to_owned(), Some("/")),
            (root.join("system.slice"), Some("/system.slice")),
            (below.clone(), Some("/system.slice/httpd.service")),
            // What is no group has a number, too.
            (root.join("cgroup.procs"), None),
        ] {
            let found = groups.path_of_number(number(&path));
            assert_eq!(found.as_deref(), expected, "{}", path.display());
            let is_it = |path: &str| groups.has_number(path, number(&below));
            assert!(is_it("/system.slice/httpd.service") && !is_it("/system.slice"));
        }
        assert_eq!(groups.search(number(&below), Duration::ZERO), None);
        let gone = number(&below);
        fs::remove_dir(&below).unwrap();
        assert_eq!(groups.path_of_number(gone), None);
        assert!(!groups.has_number("/system.slice/httpd.service", gone));
    }

    #[test]
    fn a_walk_among_deep_groups_or_many_with_long_names_ends() {
        let scratch = tempfile::tempdir().unwrap();
        let deep = scratch.path().join("d/".repeat(DEPTH_MAX));
        fs::create_dir_all(deep.join("deeper")).unwrap();
        let groups = groups(scratch.path());
        let search = |path: &Path| groups.search(number(path), PATIENCE * 100);
        assert!(search(&deep).is_some());
        assert_eq!(search(&deep.join("deeper")), None);

        // The paths of its outer group and of the sisters of that are more than may wait.
        let long = "x".repeat(250);
        let outer = scratch.path().join(format!("{long}/{long}/{long}/{long}"));
        let count = BYTES_MAX / (5 * long.len()) + 1;
        let mut last = 0;
        for group in 0..count {
            let inner = outer.join(format!("{group:0250}"));
            fs::create_dir_all(inner.join("victim")).unwrap();
            last = number(&inner.join("victim"));
        }
        assert_eq!(groups.search(last, PATIENCE * 100), None);
    }
}
