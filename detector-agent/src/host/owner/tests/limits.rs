//! The limit of a service's control group, from wherever its path is seen; and how little is kept of who holds
//! sockets.

use super::{Finder, Host, sending};
use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

/// In a control-group namespace of the agent's own, `/pods/agent`.
#[test]
fn limits_of_units_are_known_from_a_namespace_of_control_groups_of_its_own() {
    let mut host = Host::new();
    let groups = host.folder.path().join("groups");
    fs::create_dir_all(groups.join("pods/agent")).unwrap();
    for (unit, limit) in [("system.slice/httpd.service", 9_000), ("pods/web", 8_000)] {
        let folder = groups.join(unit);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("memory.max"), format!("{limit}\n")).unwrap();
        fs::write(folder.join("memory.current"), "7000\n").unwrap();
        fs::write(folder.join("memory.stat"), "sock 6000\n").unwrap();
    }
    let mounts = format!(
        "41 31 0:38 / {0}/pods/agent rw - cgroup2 cgroup2 rw\n\
         42 31 0:38 /../.. {0} ro - cgroup2 cgroup2 rw\n",
        groups.display()
    );
    fs::write(host.folder.path().join("self/mountinfo"), mounts).unwrap();
    host.finder = Finder::new(host.folder.path()).unwrap();
    for (pid, inode, path, limit_bytes) in [
        (40, 1_001, "/../../system.slice/httpd.service", 9_000),
        (50, 1_002, "/../web", 8_000),
    ] {
        host.process(pid, 1, "/usr/sbin/httpd", &[&sending(5)]);
        host.place(pid, path);
        host.hold(pid, 5, inode);
        host.look_up(&[inode]);
        let held = host.count_held();
        let memory = held.iter().find_map(|service| service.memory.as_ref());
        let limit = memory.map(|memory| memory.limit_bytes);
        assert_eq!(limit, Some(limit_bytes), "{path}: {held:?}");
        host.end(pid);
    }
}

/// A program that forks after it has connected.
#[test]
fn what_holds_very_many_sockets_is_called_by_its_name_once() {
    let mut host = Host::new();
    let sockets = 1_001..1_101;
    let pids = 10..18;
    for pid in pids.clone() {
        host.process(pid, 9, "/usr/bin/a-name-of-some-length", &[&sending(5)]);
        for inode in sockets.clone() {
            host.hold(pid, u32::try_from(inode).unwrap(), inode);
        }
    }
    host.look_up(&sockets.clone().collect::<Vec<_>>());
    let mut kept = HashSet::new();
    for inode in sockets {
        assert_eq!(host.pids(inode), pids.clone().collect::<Vec<_>>());
        let named = host.reported.iter().filter(|named| named.inode == inode);
        kept.extend(named.flat_map(|named| named.owners.iter().map(Arc::as_ptr)));
    }
    assert_eq!(kept.len(), pids.len());
}

/// Anybody may open as many files as he likes.
#[test]
fn who_has_very_many_descriptors_is_looked_into_after_the_others() {
    let mut host = Host::new();
    let (greedy, server) = (10, 20);
    host.process(greedy, 1, "/usr/bin/opens-files", &[&sending(5)]);
    host.finder.at_first = 8;
    let opened = 10..40;
    for descriptor in opened.clone() {
        host.hold(greedy, descriptor, descriptor.into());
    }
    host.process(server, 1, "/usr/sbin/nginx", &[&sending(5)]);
    host.hold(server, 5, 9_999);
    let wanted: Vec<u64> = opened.map(u64::from).chain([9_999]).collect();
    host.look_up(&wanted);
    let place = |inode| host.reported.iter().position(|named| named.inode == inode);
    assert_eq!(host.reported.len(), wanted.len());
    assert!(place(9_999).unwrap() <= 8);
}
