use super::*;

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn what_is_counted_and_not_listed_is_unlisted_and_never_below_nothing() {
    let listing = Listing {
        send_bytes: 5 * MEBIBYTE,
        receive_bytes: 2 * MEBIBYTE,
        orphan_bytes: MEBIBYTE,
        ..Listing::default()
    };
    let of = |counted, stalled| held(&listing, counted, stalled).held_bytes;
    let bytes = of(10 * MEBIBYTE, 3 * MEBIBYTE);
    assert_eq!(
        (bytes.stalled_send, bytes.send),
        (3 * MEBIBYTE, 2 * MEBIBYTE)
    );
    assert_eq!((bytes.receive, bytes.orphans), (2 * MEBIBYTE, MEBIBYTE));
    assert_eq!(bytes.unlisted, 2 * MEBIBYTE);
    // Sockets came after the kernel had counted; stalled ones have gone since the last sweep.
    let bytes = of(7 * MEBIBYTE, 9 * MEBIBYTE);
    assert_eq!((bytes.stalled_send, bytes.send), (5 * MEBIBYTE, 0));
    assert_eq!(bytes.unlisted, 0);
    assert!(held(&listing, 0, 0).reserve_bytes > 0);
}

fn queue(inode: u32, bytes: u64) -> Queue {
    Queue {
        inode,
        is_accepted: inode != 1,
        netns: 7,
        port: 80,
        bytes,
    }
}

fn process(pid: u32) -> Arc<[Process]> {
    let process = Process {
        pid,
        comm: "proxy".to_owned(),
        unit: None,
        executable: None,
        thread: None,
    };
    Arc::new([process])
}

#[test]
fn queues_are_summed_by_program_and_the_longest_come_first() {
    let gauge = TcpMemoryGauge::default();
    let queues = [(1, 40), (2, 30), (3, 20), (4, 50), (0, 5)];
    let queues: Vec<_> = queues
        .into_iter()
        .map(|(inode, bytes)| queue(inode, bytes))
        .collect();
    gauge.lock().look = Some(Look {
        at: Instant::now(),
        held: TcpMemoryHeld::default(),
        queues,
    });
    let wanted: Vec<_> = gauge
        .owners_wanted()
        .iter()
        .map(|wanted| wanted.2)
        .collect();
    assert_eq!(wanted, [1, 2, 3, 4]);
    gauge.set_owners([(1, process(10)), (2, process(10)), (3, process(11))].into());
    let unread = gauge.read().unwrap().unread;
    let told: Vec<_> = unread
        .iter()
        .map(|each| {
            let pid = each.process.as_ref().map(|process| process.pid);
            (pid, each.bytes, each.sockets, each.not_accepted)
        })
        .collect();
    assert_eq!(
        told,
        [(Some(10), 70, 2, 1), (None, 55, 2, 0), (Some(11), 20, 1, 0)]
    );
}

#[test]
fn a_look_waits_for_its_share_of_time_and_only_while_it_is_wanted() {
    let gauge = TcpMemoryGauge::default();
    assert_eq!(gauge.due_in(false), None);
    assert_eq!(gauge.due_in(true), Some(Duration::ZERO));
    // Nobody looks: whoever asks waits no longer than he wants.
    assert_eq!(gauge.ask(Duration::from_millis(1)), None);
    assert_eq!(gauge.due_in(false), Some(Duration::ZERO));
    gauge.look(0, || 0);
    let counts = gauge.counts();
    assert_eq!((counts.done, counts.failed), (1, 0));
    assert!(counts.used > Duration::ZERO);
    let due_in = gauge.due_in(false).unwrap();
    assert!(due_in > EVERY / 2, "{due_in:?}");
    assert!(gauge.ask(Duration::from_secs(3_600)).is_some());
}

#[test]
fn an_old_look_is_not_told() {
    let gauge = TcpMemoryGauge::default();
    let Some(at) = Instant::now().checked_sub(FRESH) else {
        return;
    };
    gauge.lock().look = Some(Look {
        at,
        held: TcpMemoryHeld::default(),
        queues: vec![queue(1, 1)],
    });
    assert_eq!(gauge.read(), None);
    assert_eq!(gauge.owners_wanted(), []);
}

#[test]
fn a_second_is_told_with_a_look_of_the_last_seconds_only() {
    let gauge = TcpMemoryGauge::default();
    assert_eq!(gauge.recent(), None);
    let held_bytes = HeldBytes {
        receive: MEBIBYTE,
        ..HeldBytes::default()
    };
    let look_at = |at: Instant| {
        gauge.lock().look = Some(Look {
            at,
            held: TcpMemoryHeld {
                held_bytes,
                ..TcpMemoryHeld::default()
            },
            queues: Vec::new(),
        });
    };
    look_at(Instant::now());
    assert_eq!(gauge.recent(), Some(held_bytes));
    look_at(Instant::now() - RECENT - Duration::from_secs(1));
    assert_eq!(gauge.recent(), None);
    assert!(gauge.read().is_some());
}
