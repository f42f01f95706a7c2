//! The control group that the agent itself is in, by the paths that others tell of it.

use super::cgroup_memory::{ControlGroups, memory_group, seen};
use crate::host::folder;
use std::fs;
use std::path::Path;

/// The kernel's first control-group namespace, `PROC_CGROUP_INIT_INO`.
const FIRST: &str = "cgroup:[4026531835]";

/// See the module; `None` where a path is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnGroup {
    /// In `/proc`: from the root of the agent's namespace on.
    pub(crate) in_proc: Option<String>,
    /// As of a victim that is looked at: from the root of what is mounted on.
    pub(crate) in_sight: Option<String>,
    /// In the kernel's log: from the root of the kernel's hierarchy on.
    pub(crate) in_log: Option<String>,
}

impl OwnGroup {
    /// By a `/proc`, or a tree like it.
    pub(crate) fn find(proc: &Path) -> Self {
        let text = folder::text(proc.join("self/cgroup")).unwrap_or_default();
        let Some((in_proc, is_unified)) = memory_group(&text) else {
            return Self::default();
        };
        let groups = if is_unified {
            ControlGroups::find(proc)
        } else {
            ControlGroups::find_older(proc)
        };
        let in_sight = seen(groups.as_ref(), &in_proc);
        let in_log = if is_in_first_namespace(proc) {
            Some(in_proc.clone())
        } else {
            let is_whole = is_unified && groups.is_some_and(|groups| groups.is_whole());
            in_sight.clone().filter(|_| is_whole)
        };
        Self {
            in_proc: Some(in_proc),
            in_sight,
            in_log,
        }
    }
}

/// What cannot be read, as by a kernel without such namespaces, counts as the first.
fn is_in_first_namespace(proc: &Path) -> bool {
    fs::read_link(proc.join("self/ns/cgroup")).map_or(true, |target| target == Path::new(FIRST))
}

#[cfg(test)]
mod tests {
    use super::{FIRST, OwnGroup};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn own(of_proc: &str, namespace: &str, mounts: &[(&str, &Path)]) -> OwnGroup {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir_all(proc.path().join("self/ns")).unwrap();
        symlink(namespace, proc.path().join("self/ns/cgroup")).unwrap();
        fs::write(proc.path().join("self/cgroup"), of_proc).unwrap();
        let line = |(root, at): &(&str, &Path)| {
            format!(
                "41 31 0:38 {root} {} rw - cgroup2 cgroup2 rw\n",
                at.display()
            )
        };
        let mounts: String = mounts.iter().map(line).collect();
        fs::write(proc.path().join("self/mountinfo"), mounts).unwrap();
        OwnGroup::find(proc.path())
    }

    #[test]
    fn the_log_is_held_against_a_path_that_is_known_to_be_the_kernels() {
        let host = tempfile::tempdir().unwrap();
        let of_container = host.path().join("pods/web");
        fs::create_dir_all(&of_container).unwrap();
        fs::write(of_container.join("cgroup.events"), "populated 1\n").unwrap();
        let paths = |in_proc: &str, in_sight: Option<&str>, in_log: Option<&str>| OwnGroup {
            in_proc: Some(in_proc.to_owned()),
            in_sight: in_sight.map(str::to_owned),
            in_log: in_log.map(str::to_owned),
        };
        let other = "cgroup:[4026532247]";
        let (of_host, of_own) = (("/", host.path()), ("/", of_container.as_path()));
        let web = Some("/pods/web");
        assert_eq!(
            own("0::/pods/web\n", FIRST, &[of_host]),
            paths("/pods/web", web, web)
        );
        assert_eq!(
            own("0::/pods/web\n", FIRST, &[]),
            paths("/pods/web", web, web)
        );
        // Its own namespace, and nothing else to be seen.
        for mounts in [&[of_own][..], &[]] {
            assert_eq!(own("0::/\n", other, mounts), paths("/", Some("/"), None));
        }
        // And the host's beside it, or alone.
        let above = ("/../..", host.path());
        assert_eq!(own("0::/\n", other, &[of_own, above]), paths("/", web, web));
        assert_eq!(own("0::/\n", other, &[above]), paths("/", None, None));
        assert_eq!(own("", FIRST, &[of_host]), OwnGroup::default());
    }
}
