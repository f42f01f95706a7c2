//! Which tasks wait for which connections.

use super::{Host, sending};
use detector_core::engine::WaitingTasks;

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
