use super::*;
use detector_api::snapshot::Process;
use detector_core::engine::Owner;
use std::sync::Arc;

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

fn process(pid: u32) -> Owners {
    let process = Process {
        pid,
        comm: "proxy".to_owned(),
        unit: None,
        executable: None,
        thread: None,
    };
    let service = "proxy (?)".into();
    Arc::new([Arc::new(Owner { process, service })])
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
    let at_once = Some((LookFor::Asker, Duration::ZERO));
    assert_eq!(gauge.due_in(false, false), None);
    assert_eq!(gauge.due_in(true, false), at_once);
    // Nobody looks: whoever asks waits no longer than he wants.
    assert_eq!(gauge.ask(Duration::from_millis(1)), None);
    assert_eq!(gauge.due_in(false, true), at_once);
    gauge.look(LookFor::Asker, 0, || 0);
    let counts = gauge.counts();
    assert_eq!((counts.done, counts.failed), (1, 0));
    assert!(counts.used > Duration::ZERO);
    let (_, due_in) = gauge.due_in(false, false).unwrap();
    assert!(due_in > EVERY / 2, "{due_in:?}");
    assert!(gauge.ask(Duration::from_secs(3_600)).is_some());
}

#[test]
fn a_look_for_the_record_comes_rarely_decides_nothing_and_puts_off_no_other() {
    let gauge = TcpMemoryGauge::default();
    let at_once = |look_for| Some((look_for, Duration::ZERO));
    assert_eq!(gauge.due_in(false, true), at_once(LookFor::Record));
    gauge.look(LookFor::Record, 0, || 0);
    assert!(gauge.counts().used > Duration::ZERO);
    assert!(gauge.recorded().is_some());
    assert_eq!(gauge.read(), None);
    let (look_for, due_in) = gauge.due_in(false, true).unwrap();
    assert_eq!(look_for, LookFor::Record);
    assert!(due_in > RECORDED_EVERY / 2, "{due_in:?}");
    assert_eq!(gauge.due_in(true, true), at_once(LookFor::Asker));
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
fn a_second_is_told_with_the_last_look_until_the_next_is_due() {
    let gauge = TcpMemoryGauge::default();
    assert_eq!(gauge.recorded(), None);
    // A crowded host: a look is so dear that there are few.
    let dear = EVERY * 8 / COST_SHARE;
    let pause = |look_for, cost| gauge.lock().pause_after(look_for, cost);
    assert_eq!(pause(LookFor::Record, Duration::ZERO), RECORDED_EVERY);
    let rare = dear * RECORDED_COST_SHARE;
    assert_eq!(pause(LookFor::Record, dear), rare);
    assert_eq!(pause(LookFor::Asker, dear), rare);
    assert_eq!(first_recorded_after(10), RECORDED_EVERY);
    assert_eq!(first_recorded_after(100_000), rare);
    let due_in = |is_wanted| gauge.due_in(is_wanted, true).unwrap().1;
    assert!(due_in(true) > EVERY * 7 && due_in(true) <= EVERY * 8);
    assert!(due_in(false) > rare - EVERY);

    let held = HeldBytes {
        receive: MEBIBYTE,
        ..HeldBytes::default()
    };
    let until = |until: Instant| gauge.lock().recorded = Some(Recorded { held, until });
    until(Instant::now() + Duration::from_secs(60));
    assert_eq!(gauge.recorded(), Some(held));
    until(Instant::now());
    assert_eq!(gauge.recorded(), None);
}
