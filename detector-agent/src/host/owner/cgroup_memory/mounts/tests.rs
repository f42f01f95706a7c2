use super::{ControlGroups, steps_up};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A host with the group of a container in `/pods/web`, and one beside it.
struct Host {
    folder: TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Self { folder };
        for group in ["pods/web/worker", "pods/db", "system.slice/httpd.service"] {
            fs::create_dir_all(host.groups().join(group)).unwrap();
        }
        for group in ["pods", "pods/web"] {
            fs::write(host.groups().join(group).join("cgroup.events"), "").unwrap();
        }
        fs::create_dir_all(host.folder.path().join("self")).unwrap();
        host
    }

    fn groups(&self) -> PathBuf {
        self.folder.path().join("groups")
    }

    /// As seen with these mounts of groups: root and folder.
    fn mount(&self, mounts: &[(&str, &str)]) -> Option<ControlGroups> {
        let line = |(root, folder): &(&str, &str)| {
            let at = self.groups().join(folder);
            let at = at.display().to_string();
            let at = at.trim_end_matches('/');
            format!("41 31 0:38 {root} {at} rw - cgroup2 cgroup2 rw\n")
        };
        let text: String = mounts.iter().map(line).collect();
        fs::write(self.folder.path().join("self/mountinfo"), text).unwrap();
        ControlGroups::find(self.folder.path())
    }
}

fn number(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn from_a_namespace_of_its_own_paths_lead_through_the_mount_of_the_host() {
    let host = Host::new();
    let own = ("/", "pods/web");
    let above = ("/../..", "");
    for mounts in [[own, above], [above, own]] {
        let groups = host.mount(&mounts).unwrap();
        assert!(groups.sees_all());
        for (of_proc, seen) in [
            (
                "/../../system.slice/httpd.service",
                "/system.slice/httpd.service",
            ),
            ("/../db", "/pods/db"),
            ("/..", "/pods"),
            ("/../..", "/"),
            ("/", "/pods/web"),
            ("/worker", "/pods/web/worker"),
        ] {
            let found = groups.seen(of_proc);
            assert_eq!(found.as_deref(), Some(seen), "{of_proc}");
            let folder = host.groups().join(seen.trim_start_matches('/'));
            assert!(groups.has_number(seen, number(&folder)), "{of_proc}");
        }
        for outside in ["/../../..", "/../../../pods", "/../../../../etc"] {
            assert_eq!(groups.seen(outside), None, "{outside}");
        }
        let hostile = groups.seen("/../../pods/../pods").unwrap();
        assert!(groups.folder(&hostile).is_none());
    }
}

#[test]
fn without_the_own_group_what_lies_beside_it_is_not_known() {
    let host = Host::new();
    let groups = host.mount(&[("/../..", "")]).unwrap();
    assert!(groups.is_whole() && !groups.sees_all());
    assert_eq!(groups.seen("/../../pods/db").as_deref(), Some("/pods/db"));
    for path in ["/../db", "/", "/worker"] {
        assert_eq!(groups.seen(path), None, "{path}");
    }
    // What is mounted for the own one is another's, or hidden by another mount.
    for mounts in [
        &[("/", "pods/web/worker"), ("/../..", "")][..],
        &[("/", ""), ("/../..", "")],
        &[("/", "pods/web"), ("/../..", ""), ("/worker", "pods/web")],
    ] {
        let groups = host.mount(mounts).unwrap();
        assert_eq!(groups.seen("/../db"), None, "{mounts:?}");
    }
}

#[test]
fn a_container_that_sees_its_own_groups_alone_is_told_from_one_that_sees_all() {
    let host = Host::new();
    let own = host.mount(&[("/", "pods/web")]).unwrap();
    assert!(!own.is_whole() && !own.sees_all());
    assert_eq!(own.seen("/worker").as_deref(), Some("/worker"));
    assert_eq!(own.seen("/../db"), None);
    // The limit of the container is that of the root, from there.
    fs::write(host.groups().join("pods/web/memory.max"), "1000\n").unwrap();
    fs::write(host.groups().join("pods/web/memory.current"), "900\n").unwrap();
    fs::write(host.groups().join("pods/web/memory.stat"), "sock 7\n").unwrap();
    for path in ["/", "/worker"] {
        assert_eq!(
            own.memory(path).map(|memory| memory.limit_bytes),
            Some(1_000)
        );
    }
    let part = host.mount(&[("/..", "pods")]).unwrap();
    assert!(!part.is_whole());
    assert_eq!(part.seen("/../../system.slice"), None);
    assert!(host.mount(&[("/", "")]).unwrap().sees_all());
    for root in ["/worker", "/../db", "/..x"] {
        assert!(host.mount(&[(root, "pods/web")]).is_none(), "{root}");
    }
}

#[test]
fn only_whole_steps_lead_up() {
    for (path, expected) in [
        ("/", (0, "/")),
        ("/..", (1, "")),
        ("/../../a", (2, "/a")),
        ("/..a/..", (0, "/..a/..")),
        ("/a/..", (0, "/a/..")),
        ("..", (0, "..")),
        ("", (0, "")),
    ] {
        assert_eq!(steps_up(path), expected, "{path}");
    }
}
