//! Looks that are made up.

use super::{Compared, Found, KEPT, Look, Lot};
use crate::netlink::sock_diag::{Ends, Seen};
use detector_common::history::Summary;
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::PeerAddress;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What a connection that reads takes in a second.
const FLOOR: u64 = 1_000;

fn suspect(last: u8) -> Suspect {
    Suspect::Peer(PeerAddress::of([198, 51, 100, last].into(), 64))
}

/// `queued`, `acked`, `window` of each connection.
fn seen((queued_bytes, bytes_acked, window): (u32, u64, u64), number: u8) -> Seen {
    let end = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Seen {
        ends: Ends {
            local: end(80),
            remote: end(u16::from(number)),
        },
        cookie: [number; 8],
        queued_bytes,
        bytes_acked,
        bytes_received: 0,
        segments_received: 0,
        edge: Some(bytes_acked + window),
    }
}

/// How many connections had ended well, and those that are there.
type Moment = (u64, Vec<(u32, u64, u64)>);

/// Looks at one suspect, a second apart, and what each shows with the one before.
fn looks(lot: &Lot, all: &[Moment]) -> Vec<Compared> {
    let (mut before, mut at, mut pairs) = (None, Instant::now(), Vec::new());
    for (ended_well, connections) in all {
        let mut look = Look::new(lot, FLOOR);
        look.expect(suspect(1), before.take());
        at += Duration::from_secs(1);
        look.begin(at);
        look.suspects.get_mut(&suspect(1)).unwrap().now.past = Summary {
            ended_well: *ended_well,
            seen_well: 7,
            ..Summary::default()
        };
        for (connection, number) in connections.iter().zip(1..) {
            look.add(suspect(1), 1, &seen(*connection, number));
        }
        let (_, (compared, found)) = look.compared().next().unwrap();
        before = Some((found, at));
        pairs.extend(compared);
    }
    pairs
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
        let connections = all.iter().map(|each| each[number]);
        (number as u64, connections.collect())
    };
    let pairs = looks(&Lot::default(), &[look(0), look(1), look(2)]);
    let counted = pairs[0].counted(None);
    assert_eq!((counted.census.connections, counted.census.well), (5, 3));
    assert_eq!(counted.census.well_before, None);
    assert_eq!(counted.census.ended_well_meanwhile, 1);
    let counted = pairs[1].counted(Some(&pairs[0]));
    assert_eq!(counted.census.well, 2);
    assert_eq!(counted.census.well_before, Some(2));
    assert_eq!(counted.census.ended_well_meanwhile, 2);
    assert_eq!(
        (counted.census.ended_well, counted.census.seen_well),
        (2, 7)
    );
}

#[test]
fn a_peer_that_takes_less_than_the_floor_is_not_well() {
    let reads = |bytes| {
        [
            (0, vec![(9, 1_000, 60_000)]),
            (0, vec![(9, 1_000 + bytes, 60_000)]),
        ]
    };
    for (bytes, well) in [(FLOOR, 1), (FLOOR - 1, 0)] {
        let pairs = looks(&Lot::default(), &reads(bytes));
        assert_eq!(pairs[0].counted(None).census.well, well, "{bytes}");
    }
}

/// Log shippers and uploads: bytes and segments that they have sent at both looks, and whether they are well,
/// and would be cut.
#[test]
fn whoever_is_sent_nothing_is_well_if_it_sends_and_would_be_cut_if_it_has() {
    let looked = |sent: [(u64, u32); 2], is_whole: bool| {
        let mut before = None;
        let mut counted = None;
        for (bytes_received, segments_received) in sent {
            let mut look = Look::new(&Lot::default(), FLOOR);
            look.expect(suspect(1), before.take());
            look.suspects.get_mut(&suspect(1)).unwrap().now.is_whole = is_whole;
            let seen = Seen {
                bytes_received,
                segments_received,
                ..seen((0, 1, 60_000), 1)
            };
            look.add(suspect(1), 1, &seen);
            let at = look.at();
            let (_, (compared, found)) = look.compared().next().unwrap();
            counted = compared.map(|compared| compared.counted(None).census);
            before = Some((found, at));
        }
        let counted = counted.unwrap();
        (counted.well, counted.would_be_cut)
    };
    for (sent, well, would_be_cut) in [
        ([(5_000, 9), (5_001, 10)], 1, 1),
        ([(5_000, 40), (5_000, 40)], 0, 1),
        // A request that waits for its answer.
        ([(5_000, 4), (5_000, 4)], 0, 0),
        ([(0, 0), (0, 0)], 0, 0),
    ] {
        assert_eq!(looked(sent, true), (well, Some(would_be_cut)), "{sent:?}");
        assert_eq!(looked(sent, false), (well, None), "{sent:?}");
    }
}

#[test]
fn who_comes_or_goes_between_two_looks_is_not_well() {
    let two = || (0, vec![IDLE[0], IDLE[0]]);
    let pairs = looks(&Lot::default(), &[(0, vec![IDLE[0]]), two(), (0, vec![])]);
    let counted = pairs[0].counted(None).census;
    assert_eq!((counted.connections, counted.well), (2, 1));
    assert_eq!((counted.came, counted.went), (1, 0));
    let counted = pairs[1].counted(None).census;
    assert_eq!((counted.connections, counted.well), (0, 0));
    assert_eq!((counted.came, counted.went), (0, 2));
}

type Before = HashMap<Suspect, (Found, Instant)>;

/// A look at so many connections of each suspect, of which one in `well_in` takes all that it is sent.
fn look(lot: &Lot, mut before: Before, connections: &[(Suspect, u64)], well_in: u64) -> Look {
    let mut look = Look::new(lot, FLOOR);
    for (suspect, _) in connections {
        look.expect(*suspect, before.remove(suspect));
        look.suspects.get_mut(suspect).unwrap().now.is_whole = true;
    }
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    for (suspect, count) in connections {
        for number in 0..*count {
            let number = u32::try_from(number).unwrap();
            let port = u16::try_from(number & 0xff).unwrap() + 1;
            let remote = SocketAddr::from((Ipv4Addr::from_bits(number >> 8), port));
            let is_well = u64::from(number) % well_in == 0;
            let seen = Seen {
                ends: Ends { local, remote },
                cookie: u64::from(number).to_ne_bytes(),
                queued_bytes: if is_well { 0 } else { 9_000 },
                bytes_acked: 10_000,
                bytes_received: 0,
                segments_received: 0,
                edge: Some(10_000),
            };
            look.add(*suspect, 1, &seen);
        }
    }
    look
}

/// What it shows, and itself as the look before the next one.
fn compared(look: Look) -> (HashMap<Suspect, Compared>, Before) {
    let (mut pairs, mut before) = (HashMap::new(), HashMap::new());
    let at = look.at();
    for (suspect, (compared, found)) in look.compared() {
        pairs.extend(compared.map(|compared| (suspect, compared)));
        before.insert(suspect, (found, at));
    }
    (pairs, before)
}

fn kept(look: &Look) -> (usize, usize) {
    let all = look.suspects.values().map(|looked| &looked.now.connections);
    let kept = all.clone().map(HashMap::len).sum();
    let room = all.map(HashMap::capacity).sum();
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
    let mut before = Before::new();
    let mut pairs = Vec::new();
    for _ in 0..3 {
        let look = look(&lot, before, &all, 4);
        let (kept, room) = kept(&look);
        assert!(kept <= KEPT && kept > KEPT / 4, "{kept}");
        assert!(room <= 2 * KEPT, "{room}");
        let (pair, found) = compared(look);
        before = found;
        pairs.push(pair);
    }
    let counted = pairs[2][&suspect(1)].counted(Some(&pairs[1][&suspect(1)]));
    let census = counted.census;
    assert!(is_about(census.connections, ALL), "{census:?}");
    assert!(is_about(census.well, ALL / 4), "{census:?}");
    assert!(is_about(census.well_before.unwrap(), ALL / 4), "{census:?}");
    assert_eq!((census.came, census.went), (0, 0));
    assert!(counted.halvings >= 5);
    assert_eq!(census.would_be_cut, None, "an estimate");
    // Who has few keeps them all.
    let counted = pairs[2][&suspect(2)].counted(Some(&pairs[1][&suspect(2)]));
    assert_eq!((counted.census.connections, counted.census.well), (100, 25));
    assert_eq!(counted.census.would_be_cut, Some(25));
    assert_eq!(counted.halvings, 0);
}

#[test]
fn where_not_all_were_seen_none_passes_for_alone() {
    let all = [(suspect(1), 3 * KEPT as u64)];
    let lot = Lot::default();
    let (_, before) = compared(look(&lot, Before::new(), &all, u64::MAX));
    let (pairs, _) = compared(look(&lot, before, &all, u64::MAX));
    let counted = pairs[&suspect(1)].counted(None);
    assert!(counted.census.well >= 2, "{counted:?}");
}

#[test]
fn what_comes_to_be_many_only_at_the_second_look_is_compared_with_as_few_of_the_first() {
    let lot = Lot::default();
    let few = [(suspect(1), 20_000), (suspect(2), 10)];
    let many = [(suspect(1), 20_000), (suspect(2), 1_000_000)];
    let (_, before) = compared(look(&lot, Before::new(), &few, 4));
    let (pairs, _) = compared(look(&lot, before, &many, 4));
    let counted = pairs[&suspect(1)].counted(None).census;
    assert!(is_about(counted.connections, 20_000), "{counted:?}");
    assert!(is_about(counted.well, 5_000), "{counted:?}");
    assert_eq!((counted.came, counted.went), (0, 0));
}

#[test]
fn many_suspects_of_one_connection_each_keep_half_of_theirs_all_at_once() {
    let all = u32::try_from(2 * KEPT).unwrap();
    let suspects = (0..all).map(|number| {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + number);
        (Suspect::Peer(PeerAddress::of(address.into(), 64)), 1)
    });
    let suspects: Vec<_> = suspects.collect();
    let look = look(&Lot::default(), Before::new(), &suspects, 4);
    assert!(kept(&look).0 <= KEPT);
    // Each halving goes through all suspects.
    let most = look
        .suspects
        .values()
        .map(|looked| looked.now.halvings)
        .max();
    assert!(most < Some(KEPT.ilog2()), "{most:?}");
}

#[test]
fn who_is_left_out_makes_room() {
    let all = [(suspect(1), 20), (suspect(2), 5)];
    let mut look = look(&Lot::default(), Before::new(), &all, 4);
    look.leave_out(&suspect(1));
    assert_eq!(kept(&look).0, 5);
}
