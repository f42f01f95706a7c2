//! Look-ups in a tree that looks like `/proc`.

mod hanging;
mod limits;
mod waiting;

use super::{CpuBudget, Finder, Held, NamedSocket, Share};
use detector_api::snapshot::{HeldWorkers, Process};
use detector_core::engine::OwnerWanted;
use detector_core::observe::observation::ConnectionId;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const EPOLL: &str = "232 0x8 0x1 0x2 0x3 0x0 0x0 0x7 0x7";

/// A tree, a finder that looks into it, and what it reported last of each socket.
struct Host {
    folder: TempDir,
    finder: Finder,
    budget: CpuBudget,
    _stop: Sender<Infallible>,
    reported: Vec<NamedSocket>,
    now: Instant,
}

impl Host {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (stop, stopped) = channel();
        let finder = Finder::new(folder.path()).unwrap();
        fs::create_dir(folder.path().join("self")).unwrap();
        fs::write(folder.path().join("uptime"), "1 1").unwrap();
        let now = Instant::now();
        let budget = CpuBudget::new(stopped, Share::OWNERS);
        Self {
            folder,
            finder,
            budget,
            _stop: stop,
            reported: Vec::new(),
            now,
        }
    }

    fn path(&self, pid: u32, name: &str) -> PathBuf {
        self.folder.path().join(pid.to_string()).join(name)
    }

    /// A process with one thread in each of `calls`.
    fn process(&self, pid: u32, parent: u32, executable: &str, calls: &[&str]) {
        fs::create_dir_all(self.path(pid, "fd")).unwrap();
        let command = executable.rsplit('/').next().unwrap();
        let threads = calls.len();
        let stat = format!(
            "{pid} ({command}) S {parent} 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 77 0 0\n"
        );
        fs::write(self.path(pid, "stat"), stat).unwrap();
        fs::write(self.path(pid, "cgroup"), "0::/\n").unwrap();
        symlink(executable, self.path(pid, "exe")).unwrap();
        symlink("/dev/null", self.path(pid, "fd/0")).unwrap();
        for (index, call) in (0..).zip(calls) {
            let task = self.path(pid, &format!("task/{}", pid + index));
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("syscall"), call).unwrap();
        }
    }

    fn hold(&self, pid: u32, descriptor: u32, inode: u64) {
        let link = self.path(pid, &format!("fd/{descriptor}"));
        symlink(format!("socket:[{inode}]"), link).unwrap();
    }

    fn place(&self, pid: u32, path: &str) {
        fs::write(self.path(pid, "cgroup"), format!("0::{path}\n")).unwrap();
    }

    fn end(&self, pid: u32) {
        fs::remove_dir_all(self.folder.path().join(pid.to_string())).unwrap();
    }

    fn look_up(&mut self, inodes: &[u64]) {
        self.look_up_all(
            &inodes
                .iter()
                .map(|&inode| wanted(inode))
                .collect::<Vec<_>>(),
        );
    }

    fn look_up_all(&mut self, wanted: &[OwnerWanted]) {
        let reported = &mut self.reported;
        let mut report = |named: &[NamedSocket]| reported.extend_from_slice(named);
        self.finder
            .look_up(wanted, self.now, &mut self.budget, &mut report)
            .unwrap();
    }

    fn count_held(&mut self) -> Vec<HeldWorkers> {
        self.count().services
    }

    fn count(&mut self) -> Held {
        let reported = &mut self.reported;
        let mut report = |named: &[NamedSocket]| reported.extend_from_slice(named);
        self.finder
            .count_held(&mut self.budget, &mut report)
            .unwrap()
    }

    fn processes(&self, inode: u64) -> Vec<Process> {
        let mut reported = self.reported.iter().rev();
        let named = reported.find(|named| named.inode == inode);
        let owners = named.iter().flat_map(|named| named.owners.iter());
        let mut processes: Vec<_> = owners.map(|owner| owner.process.clone()).collect();
        if let Some(first) = processes.first_mut() {
            first.thread = named.and_then(|named| named.writer);
        }
        processes
    }

    fn pids(&self, inode: u64) -> Vec<u32> {
        self.processes(inode)
            .iter()
            .map(|process| process.pid)
            .collect()
    }
}

fn wanted(inode: u64) -> OwnerWanted {
    OwnerWanted {
        connection: ConnectionId {
            socket: inode,
            local: SocketAddr::from(([192, 0, 2, 1], 80)),
            remote: SocketAddr::from(([198, 51, 100, 1], 40_000)),
            netns: 1,
        },
        inode,
        is_stalled: true,
        is_of_peer: true,
    }
}

/// `sendto` on a descriptor.
fn sending(descriptor: u32) -> String {
    format!("44 {descriptor:#x} 0x1 0x2 0x0 0x0 0x0 0x7 0x7\n")
}

#[test]
fn one_search_names_all_sockets_and_holders() {
    let mut host = Host::new();
    host.process(10, 1, "/usr/sbin/nginx", &[EPOLL]);
    host.process(11, 10, "/usr/sbin/nginx", &[EPOLL]);
    host.place(11, "/system.slice/nginx.service");
    host.hold(11, 3, 1_001);
    host.hold(11, 4, 1_001);
    host.hold(11, 5, 1_002);
    host.look_up(&[1_001, 1_002, 1_003]);
    let expected = Process {
        pid: 11,
        comm: "nginx".to_owned(),
        unit: Some("nginx.service".to_owned()),
        executable: Some("/usr/sbin/nginx".to_owned()),
        thread: None,
    };
    assert_eq!(host.processes(1_001), std::slice::from_ref(&expected));
    assert_eq!(host.processes(1_002), [expected]);
    assert_eq!(host.processes(1_003), []);
    let counts = host.finder.counts();
    assert_eq!(
        (counts.found, counts.not_found, counts.unreadable),
        (2, 1, 0)
    );
}

#[test]
fn a_socket_that_is_not_found_is_looked_for_ever_less_often() {
    let mut host = Host::new();
    for second in 0..60 {
        host.look_up(&[1_001]);
        assert_eq!(
            host.finder.counts().not_found,
            u64::from(u32::ilog2(second + 1)) + 1
        );
        host.now += Duration::from_secs(1);
    }
    host.process(10, 1, "/bin/late", &[EPOLL]);
    host.hold(10, 3, 1_001);
    host.now += Duration::from_secs(64);
    host.look_up(&[1_001]);
    assert_eq!(host.pids(1_001), [10]);
}

#[test]
fn new_sockets_of_a_known_port_are_found_the_short_way_and_completed_later() {
    let mut host = Host::new();
    host.process(10, 1, "/bin/server", &[EPOLL]);
    host.hold(10, 3, 1_001);
    host.look_up(&[1_001]);
    host.hold(10, 4, 1_002);
    // It inherits the second one, too; only a full search can know.
    host.process(11, 10, "/bin/server", &[EPOLL]);
    host.hold(11, 4, 1_002);
    host.now += Duration::from_secs(1);
    host.look_up(&[1_001, 1_002]);
    assert_eq!(host.pids(1_002), [10]);
    host.now += Duration::from_secs(10);
    host.look_up(&[1_001, 1_002]);
    assert_eq!(host.pids(1_002), [11, 10]);
    assert_eq!(host.finder.counts().not_found, 0);
}

#[test]
fn owners_outlive_their_processes_and_change_with_a_new_holder() {
    let mut host = Host::new();
    host.process(10, 1, "/bin/server", &[EPOLL]);
    host.hold(10, 3, 1_001);
    host.look_up(&[1_001]);
    host.end(10);
    host.now += Duration::from_secs(301);
    host.look_up(&[1_001]);
    assert_eq!(host.pids(1_001), [10]);
    host.process(12, 1, "/bin/server", &[EPOLL]);
    host.hold(12, 3, 1_001);
    host.now += Duration::from_secs(301);
    host.look_up(&[1_001]);
    assert_eq!(host.pids(1_001), [12]);
}

#[test]
fn a_program_that_inherited_by_mistake_comes_after_its_parent() {
    let mut host = Host::new();
    host.process(20, 1, "/usr/sbin/httpd", &["-1 0x0 0x0"]);
    host.process(30, 20, "/usr/bin/perl", &["-1 0x0 0x0"]);
    host.hold(20, 9, 1_001);
    host.hold(30, 9, 1_001);
    host.look_up(&[1_001]);
    assert_eq!(host.pids(1_001), [20, 30]);
    // Unless it is the one that writes.
    fs::write(host.path(30, "task/30/syscall"), sending(9)).unwrap();
    host.count_held();
    assert_eq!(host.pids(1_001), [30, 20]);
    assert_eq!(host.processes(1_001)[0].thread, Some(30));
}

#[test]
fn holders_are_bounded() {
    let mut host = Host::new();
    for pid in 100..150 {
        host.process(pid, 1, "/bin/prefork", &[EPOLL]);
        host.hold(pid, 3, 1_001);
    }
    host.look_up(&[1_001]);
    assert_eq!(host.pids(1_001).len(), 8);
}

#[test]
fn threads_that_write_to_stalled_sockets_are_held() {
    let mut host = Host::new();
    let calls = [
        sending(5),
        sending(6),
        sending(7),
        EPOLL.to_owned(),
        "running\n".to_owned(),
    ];
    host.process(
        40,
        1,
        "/usr/bin/python3",
        &calls.each_ref().map(String::as_str),
    );
    host.hold(40, 5, 1_001);
    host.hold(40, 6, 1_002);
    // Nobody waits for this one's peer: it is not stalled.
    host.hold(40, 7, 9_999);
    host.look_up(&[1_001, 1_002]);
    let held = host.count_held();
    let expected = HeldWorkers {
        memory: None,
        service: "python3 (/usr/bin/python3)".to_owned(),
        held: Some(2),
        total: 5,
        stalled_connections: 2,
    };
    assert_eq!(held, [expected]);
    assert_eq!(host.processes(1_001)[0].thread, Some(40));
    assert_eq!(host.processes(1_002)[0].thread, Some(41));
    fs::write(host.path(40, "task/40/syscall"), EPOLL).unwrap();
    assert_eq!(host.count_held()[0].held, Some(1));
    assert_eq!(host.processes(1_001)[0].thread, None);
}

#[test]
fn of_an_event_loop_that_holds_many_sockets_nothing_is_said() {
    let mut host = Host::new();
    host.process(10, 1, "/usr/sbin/nginx", &["-1 0x0 0x0"]);
    host.process(11, 10, "/usr/sbin/nginx", &[EPOLL]);
    for inode in 0..100 {
        host.hold(11, 3 + inode, 1_000 + u64::from(inode));
    }
    host.look_up(&(1_000..1_100).collect::<Vec<_>>());
    let held = host.count_held();
    assert_eq!(
        (held[0].held, held[0].total, held[0].stalled_connections),
        (None, 2, 100)
    );
}

#[test]
fn workers_that_poll_one_descriptor_are_held_as_far_as_sockets_go() {
    let polling = "7 0x7ffd 0x1 0xea60 0x0 0x0 0x0 0x7 0x7\n";
    let mut host = Host::new();
    for pid in 50..60 {
        host.process(pid, 1, "/usr/sbin/apache2", &[polling]);
        host.place(pid, "/system.slice/apache2.service");
    }
    host.hold(50, 9, 1_001);
    host.hold(51, 9, 1_002);
    host.look_up(&[1_001, 1_002]);
    let held = host.count_held();
    assert_eq!(held[0].service, "apache2.service");
    assert_eq!((held[0].held, held[0].total), (Some(2), 10));
}

#[test]
fn without_the_call_a_single_task_counts_unless_it_is_in_an_event_loop() {
    let mut host = Host::new();
    for pid in [60, 61, 62] {
        host.process(pid, 1, "/bin/server", &["?"]);
        host.hold(pid, 3, 1_000 + u64::from(pid));
    }
    fs::write(host.path(61, "task/61/wchan"), "ep_poll").unwrap();
    fs::remove_file(host.path(62, "task/62/syscall")).unwrap();
    fs::create_dir(host.path(62, "task/62/syscall")).unwrap();
    host.look_up(&[1_060, 1_061, 1_062]);
    assert_eq!(host.count_held()[0].held, Some(2));
}

#[test]
fn what_vanishes_or_makes_no_sense_is_counted() {
    let mut host = Host::new();
    host.process(10, 1, "/bin/server", &[EPOLL]);
    host.hold(10, 3, 1_001);
    fs::write(host.path(10, "stat"), "garbage").unwrap();
    // A process without a list of descriptors, and a link in place of a process.
    fs::create_dir(host.folder.path().join("11")).unwrap();
    symlink(host.path(10, ""), host.folder.path().join("12")).unwrap();
    host.look_up(&[1_001]);
    assert_eq!(host.pids(1_001), Vec::<u32>::new());
    let counts = host.finder.counts();
    assert_eq!(
        (counts.vanished, counts.unreadable, counts.not_found),
        (1, 2, 1)
    );
}

#[test]
fn hostile_names_are_harmless() {
    let mut host = Host::new();
    host.process(10, 1, "/tmp/\u{1b}[2J\u{202e}evil", &[EPOLL]);
    host.hold(10, 3, 1_001);
    host.look_up(&[1_001]);
    let process = &host.processes(1_001)[0];
    let names = format!("{}{:?}", process.comm, process.executable);
    assert!(!names.contains(['\u{1b}', '\u{202e}']), "{names}");
}

#[test]
fn names_that_are_no_utf8_are_harmless() {
    let mut host = Host::new();
    host.process(10, 1, "/bin/server", &[EPOLL]);
    host.hold(10, 3, 1_001);
    let mut stat = b"10 (se\xffr\x9b\n\xe2\x80r) S 1".to_vec();
    stat.extend_from_slice(b" 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0\n");
    fs::write(host.path(10, "stat"), stat).unwrap();
    fs::write(
        host.path(10, "cgroup"),
        b"0::/system.slice/\xff\x1b.service\n",
    )
    .unwrap();
    host.look_up(&[1_001]);
    let process = &host.processes(1_001)[0];
    let names = format!(
        "{}{}",
        process.comm,
        process.unit.as_deref().unwrap_or_default()
    );
    let is_harmless = |name: char| !name.is_control();
    assert!(
        process.pid == 10 && names.chars().all(is_harmless),
        "{names:?}"
    );
}
