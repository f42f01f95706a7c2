//! Looks that are made up.

use super::{Compared, Found, KEPT, Look, Lot};
use crate::netlink::sock_diag::{Ends, Seen};
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::PeerAddress;
use std::net::{Ipv4Addr, SocketAddr};

fn compare(first: &Found, second: &Found, least_bytes: u64) -> Compared {
    super::compare(first, second, least_bytes, &Lot::default())
}

/// `queued`, `acked`, `window` of each connection.
fn found(ended_well: u64, connections: &[(u32, u64, u64)]) -> Found {
    let seen = connections.iter().zip(1_u8..);
    let seen = seen.map(|((queued_bytes, bytes_acked, window), number)| {
        let end = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let seen = Seen {
            ends: Ends {
                local: end(80),
                remote: end(u16::from(number)),
            },
            cookie: [number; 8],
            queued_bytes: *queued_bytes,
            bytes_acked: *bytes_acked,
            edge: Some(bytes_acked + window),
        };
        ((1, seen.cookie), seen)
    });
    Found {
        connections: seen.collect(),
        halvings: 0,
        ended: (ended_well, 0),
    }
}

const READS: [(u32, u64, u64); 3] = [
    (9_000, 10_000, 60_000),
    (9_000, 20_000, 60_000),
    (9_000, 30_000, 60_000),
];
const FILLS_ITS_BUFFER: [(u32, u64, u64); 3] = [
    (9_000, 10_000, 60_000),
    (9_000, 40_000, 30_000),
    (9_000, 69_000, 1_000),
];
const IDLE: [(u32, u64, u64); 3] = [(0, 10_000, 60_000); 3];
const IN_ITS_FIRST_BURST: [(u32, u64, u64); 3] = [
    (9_000, 1, 60_000),
    (9_000, 60_000, 9_000),
    (9_000, 69_000, 0),
];
const UNUSED: [(u32, u64, u64); 3] = [(0, 1, 60_000); 3];

#[test]
fn a_connection_is_well_whose_peer_reads_or_has_taken_all() {
    let all = [READS, FILLS_ITS_BUFFER, IDLE, IN_ITS_FIRST_BURST, UNUSED];
    let look = |number: usize| {
        let connections: Vec<_> = all.iter().map(|each| each[number]).collect();
        found(number as u64, &connections)
    };
    let first = compare(&look(0), &look(1), 1_000);
    let counted = first.counted(None);
    assert_eq!((counted.census.connections, counted.census.well), (5, 3));
    assert_eq!(counted.census.well_before, None);
    assert_eq!(counted.census.ended_well_meanwhile, 1);
    let counted = compare(&look(1), &look(2), 1_000).counted(Some(&first));
    assert_eq!(counted.census.well, 2);
    assert_eq!(counted.census.well_before, Some(2));
    assert_eq!(counted.census.ended_well_meanwhile, 2);
}

#[test]
fn who_comes_or_goes_between_two_looks_is_not_well() {
    let compared = compare(&found(0, &[IDLE[0]]), &found(0, &[IDLE[0], IDLE[0]]), 1);
    let counted = compared.counted(None).census;
    assert_eq!((counted.connections, counted.well), (2, 1));
    assert_eq!((counted.came, counted.went), (1, 0));
    let compared = compare(&found(0, &[IDLE[0], IDLE[0]]), &found(0, &[]), 1);
    let counted = compared.counted(None).census;
    assert_eq!((counted.connections, counted.well), (0, 0));
    assert_eq!((counted.came, counted.went), (0, 2));
}

fn suspect(last: u8) -> Suspect {
    Suspect::Peer(PeerAddress::of([198, 51, 100, last].into(), 64))
}

/// A look at so many connections of each suspect, of which one in `well_in` takes all that it is sent.
fn look(mut look: Look, connections: &[(Suspect, u64)], well_in: u64) -> Look {
    for (suspect, _) in connections {
        look.expect(*suspect, (0, 0));
    }
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    for (suspect, count) in connections {
        for number in 0..*count {
            let number = u32::try_from(number).unwrap();
            let port = u16::try_from(number & 0xff).unwrap() + 1;
            let remote = SocketAddr::from((Ipv4Addr::from_bits(number >> 8), port));
            let is_well = u64::from(number) % well_in == 0;
            let cookie = u64::from(number).to_ne_bytes();
            let seen = Seen {
                ends: Ends { local, remote },
                cookie,
                queued_bytes: if is_well { 0 } else { 9_000 },
                bytes_acked: 10_000,
                edge: Some(10_000),
            };
            look.add(*suspect, (1, cookie), seen);
        }
    }
    look
}

fn kept(look: &Look) -> (usize, usize) {
    let all = look.peers.values();
    let kept = all.clone().map(|found| found.connections.len()).sum();
    let room = all.map(|found| found.connections.capacity()).sum();
    assert_eq!(look.kept, kept);
    (kept, room)
}

fn is_about(number: u64, expected: u64) -> bool {
    number.abs_diff(expected) <= expected / 10
}

#[test]
fn of_a_million_connections_few_are_kept_and_the_numbers_are_about_right() {
    const ALL: u64 = 1_000_000;
    let all = [(suspect(1), ALL), (suspect(2), 100)];
    let lot = Lot::default();
    let looks = || {
        let first = look(Look::new(&lot), &all, 4);
        let second = look(Look::after(&first), &all, 4);
        for look in [&first, &second] {
            let (kept, room) = kept(look);
            assert!(kept <= KEPT && kept > KEPT / 4, "{kept}");
            assert!(room <= 2 * KEPT, "{room}");
        }
        first.compare(&second, 1)
    };
    let before = looks();
    let now = looks();
    let counted = now[&suspect(1)].counted(Some(&before[&suspect(1)]));
    let census = counted.census;
    assert!(is_about(census.connections, ALL), "{census:?}");
    assert!(is_about(census.well, ALL / 4), "{census:?}");
    assert!(is_about(census.well_before.unwrap(), ALL / 4), "{census:?}");
    assert_eq!((census.came, census.went), (0, 0));
    assert!(counted.halvings >= 5);
    // Who has few keeps them all.
    let counted = now[&suspect(2)].counted(Some(&before[&suspect(2)]));
    assert_eq!((counted.census.connections, counted.census.well), (100, 25));
    assert_eq!(counted.halvings, 0);
}

#[test]
fn where_not_all_were_seen_none_passes_for_alone() {
    let all = [(suspect(1), 3 * KEPT as u64)];
    let first = look(Look::new(&Lot::default()), &all, u64::MAX);
    let second = look(Look::after(&first), &all, u64::MAX);
    let counted = first.compare(&second, 1)[&suspect(1)].counted(None);
    assert!(counted.census.well >= 2, "{counted:?}");
}

#[test]
fn what_comes_to_be_many_only_at_the_second_look_is_compared_with_as_few_of_the_first() {
    let lot = Lot::default();
    let few = [(suspect(1), 20_000), (suspect(2), 10)];
    let many = [(suspect(1), 20_000), (suspect(2), 1_000_000)];
    let first = look(Look::new(&lot), &few, 4);
    let second = look(Look::after(&first), &many, 4);
    let compared = first.compare(&second, 1);
    let counted = compared[&suspect(1)].counted(None).census;
    assert!(is_about(counted.connections, 20_000), "{counted:?}");
    assert!(is_about(counted.well, 5_000), "{counted:?}");
    assert_eq!((counted.came, counted.went), (0, 0));
}

#[test]
fn who_is_left_out_makes_room() {
    let mut look = look(
        Look::new(&Lot::default()),
        &[(suspect(1), 20), (suspect(2), 5)],
        4,
    );
    look.leave_out(&suspect(1));
    assert_eq!(kept(&look).0, 5);
}
