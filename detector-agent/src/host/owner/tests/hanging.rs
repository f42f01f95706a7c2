//! Processes that keep whoever reads what they wait for waiting.

use super::{Host, sending};
use crate::host::owner::calls::{self, CallReader, Line};
use crate::host::owner::proc::ProcessFolder;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Processes from this number on hang, as long as they are to.
const HANGING: u32 = 1_000;
static ARE_HANGING: AtomicBool = AtomicBool::new(true);

fn read(process: &ProcessFolder, thread: u32) -> Line {
    while process.pid >= HANGING && ARE_HANGING.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    calls::read(process, thread)
}

/// A process with a worker that writes to a stalled socket.
fn serve(host: &Host, pid: u32, program: &str) -> u64 {
    host.process(pid, 1, &format!("/usr/sbin/{program}"), &[&sending(5)]);
    let inode = u64::from(pid) + 10_000;
    host.hold(pid, 5, inode);
    inode
}

/// Workers of a program that wait in a write.
fn held(host: &mut Host, program: &str) -> Option<u64> {
    let services = host.count_held();
    let name = format!("{program} (/usr/sbin/{program})");
    let service = services.iter().find(|each| each.service == name);
    service.unwrap().held
}

#[test]
fn a_process_that_hangs_keeps_nobody_elses_workers_from_being_counted() {
    let mut host = Host::new();
    host.finder.calls = CallReader::new(read);
    let mut inodes = vec![
        serve(&host, 40, "honest"),
        serve(&host, HANGING, "hangs"),
        serve(&host, 50, "honest"),
    ];
    host.look_up(&inodes);
    for count in 1..=3 {
        assert_eq!(held(&mut host, "honest"), Some(2));
        assert_eq!(host.finder.counts().hung, count);
        // It is waited for once, as long as it hangs.
        assert_eq!(host.finder.calls.left_behind(), 1);
    }
    assert_eq!(host.pids(inodes[1]), [HANGING]);

    // Of however many few are waited for, and what others do can be told without.
    let many = (1..30).map(|each| serve(&host, HANGING + each, "hangs"));
    inodes.extend(many);
    host.look_up(&inodes);
    for _ in 0..3 {
        assert_eq!(held(&mut host, "honest"), Some(2));
        assert_eq!(host.finder.calls.left_behind(), calls::LEFT_MAX);
    }

    ARE_HANGING.store(false, Ordering::Relaxed);
    let began = Instant::now();
    while host.finder.calls.left_behind() > 0 {
        assert!(began.elapsed() < PATIENCE);
        host.count_held();
    }
    // Who answers after all was slow, as anybody is on a host that thrashes, and counts again.
    assert_eq!(held(&mut host, "hangs"), Some(30));
}
