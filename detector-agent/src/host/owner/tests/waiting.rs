//! Which tasks wait for which connections.

use super::{EPOLL, Host, sending, wanted};
use detector_core::engine::{OwnerWanted, WaitingTasks};

/// Tasks, and the sockets that they wait for.
fn waiting(host: &mut Host) -> Vec<(u64, Vec<u64>)> {
    let sockets = |each: WaitingTasks| {
        let mut sockets: Vec<_> = each.connections.iter().map(|each| each.socket).collect();
        sockets.sort_unstable();
        (each.tasks, sockets)
    };
    let mut waiting: Vec<_> = host.count().waiting.into_iter().map(sockets).collect();
    waiting.sort_unstable();
    waiting
}

#[test]
fn a_writer_waits_for_its_socket_and_others_for_those_that_are_left() {
    let polling = "7 0x7ffd 0x1 0xea60 0x0 0x0 0x0 0x7 0x7\n";
    let mut host = Host::new();
    let writer = sending(5);
    host.process(40, 1, "/usr/sbin/apache2", &[&writer, polling]);
    for (descriptor, inode) in [(5, 1_001), (6, 1_002), (7, 1_003)] {
        host.hold(40, descriptor, inode);
    }
    host.process(50, 1, "/usr/sbin/apache2", &[polling]);
    host.hold(50, 9, 1_004);
    host.look_up(&[1_001, 1_002, 1_003, 1_004]);
    let expected = [
        (1, vec![1_001]),
        // Which of the two is not known.
        (1, vec![1_002, 1_003]),
        (1, vec![1_004]),
    ];
    assert_eq!(waiting(&mut host), expected);
}

/// Ten workers of which one each writes to these sockets, and one waits for any of `left`; the tasks that
/// wait, and those that wait for peers.
fn held(written: &[OwnerWanted], left: &[OwnerWanted]) -> (Option<u64>, Option<u64>) {
    let polling = "7 0x7ffd 0x1 0xea60 0x0 0x0 0x0 0x7 0x7\n";
    let mut host = Host::new();
    for (pid, each) in (50..).zip(written) {
        host.process(pid, 1, "/usr/sbin/apache2", &[&sending(9)]);
        host.hold(pid, 9, each.inode);
    }
    host.process(70, 1, "/usr/sbin/apache2", &[polling]);
    for (descriptor, each) in (9..).zip(left) {
        host.hold(70, descriptor, each.inode);
    }
    host.look_up_all(&[written, left].concat());
    let held = host.count();
    let service = &held.services[0];
    (service.held, held.for_peers.get(&service.service).copied())
}

/// A backend that we opened connections to and that stalls, or a proxy of ours on this host.
#[test]
fn who_waits_for_what_we_opened_waits_for_no_peer() {
    let of_peer = wanted(1_001);
    let none_s = |inode| OwnerWanted {
        is_of_peer: false,
        ..wanted(inode)
    };
    assert_eq!(held(&[of_peer, none_s(1_002)], &[]), (Some(2), Some(1)));
    assert_eq!(held(&[none_s(1_001), none_s(1_002)], &[]), (Some(2), None));
    assert_eq!(held(&[], &[of_peer]), (Some(1), Some(1)));
    assert_eq!(held(&[], &[none_s(1_001)]), (Some(1), None));
    // Which of the two is not known.
    assert_eq!(held(&[], &[of_peer, none_s(1_002)]), (Some(1), None));
}

#[test]
fn a_process_that_ends_before_its_tasks_are_counted_holds_nothing() {
    let mut host = Host::new();
    host.process(10, 1, "/bin/server", &[&sending(3), EPOLL]);
    host.hold(10, 3, 1_001);
    host.look_up(&[1_001]);
    host.end(10);
    assert!(
        host.count_held()
            .iter()
            .all(|service| service.held.is_none())
    );
}
