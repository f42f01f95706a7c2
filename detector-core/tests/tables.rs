//! The tables: who leaves first, under which label a peer is shown, how it is found.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::engine::Engine;
use detector_core::observe::observation::{Observation, Reason, Totals};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::settings::{DetectSettings, TableSettings};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;
use support::{WALL, engine, engine_with, healthy, ms, zero_window};

const PEER: &str = "198.51.100.7:40000";

#[test]
fn healthy_connections_leave_before_held_and_stalled_ones() {
    let mut engine = engine_with(TableSettings {
        connections_capacity: 2,
        ..TableSettings::default()
    });
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window("198.51.100.1:1", ms(1_000), ms(1_000)));
    engine.advance(ms(7_000), WALL);
    engine.observe(&zero_window("198.51.100.2:2", ms(6_500), ms(6_500)));
    for host in 3..9 {
        engine.observe(&healthy(&format!("198.51.100.{host}:3"), ms(7_000)));
    }
    let kept: Vec<_> = engine
        .connections()
        .into_iter()
        .map(|each| each.remote)
        .collect();
    assert_eq!(kept, ["198.51.100.1:1", "198.51.100.2:2"]);
    assert_eq!(engine.metrics().totals.connection_evictions, 6);
}

/// Ports of the stalled connections in the table, by the peer's last number.
fn stalled_ports(engine: &Engine) -> BTreeMap<u8, BTreeSet<u16>> {
    let mut of: BTreeMap<u8, BTreeSet<u16>> = BTreeMap::new();
    for each in engine.connections() {
        let remote: SocketAddrV4 = each.remote.parse().unwrap();
        let ports = of.entry(remote.ip().octets()[3]).or_default();
        ports.extend(each.stall.map(|_| remote.port()));
    }
    of
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However many stalled connections one peer has, before or after others come, all of theirs have room; and
    /// what he has there stays, so that it is known for how long it has been stalled.
    #[test]
    fn the_peer_with_most_loses_what_it_adds_and_those_with_few_nothing(
        first in 100_u16..200,
        of_others in prop::collection::vec(1_u16..16, 1..5),
        later in 0_u16..200,
    ) {
        const CAPACITY: u16 = 100;
        const HOARDER: u8 = 200;
        let mut engine = engine_with(TableSettings {
            connections_capacity: CAPACITY.into(),
            ..TableSettings::default()
        });
        let mut hold = |host: u8, ports: RangeInclusive<u16>, at: u64| {
            for seen in [at, at + 7_000] {
                engine.advance(ms(seen), WALL);
                for port in ports.clone() {
                    let remote = format!("198.51.100.{host}:{port}");
                    engine.observe(&zero_window(&remote, ms(at), ms(seen)));
                }
            }
        };
        hold(HOARDER, 1..=first, 1_000);
        let times = (20_000..).step_by(10_000);
        for ((host, count), at) in (1..).zip(&of_others).zip(times) {
            hold(host, 1..=*count, at);
        }
        hold(HOARDER, 1_000..=1_000 + later, 100_000);
        let left = CAPACITY - of_others.iter().sum::<u16>();
        let everybodys = (1..).zip(of_others).chain([(HOARDER, left)]);
        let expected = everybodys.map(|(host, count)| (host, (1..=count).collect()));
        prop_assert_eq!(stalled_ports(&engine), expected.collect());
    }
}

/// So many stalled connections of each peer, by its last number, one peer after the other, in a table for a hundred.
fn left_of_crowds(crowds: &[(u8, u16)]) -> Vec<(u8, u16)> {
    let mut engine = engine_with(TableSettings {
        connections_capacity: 100,
        ..TableSettings::default()
    });
    for (&(host, count), at) in crowds.iter().zip((1_000..).step_by(10_000)) {
        for seen in [at, at + 7_000] {
            engine.advance(ms(seen), WALL);
            for port in 1..=count {
                let remote = format!("198.51.100.{host}:{port}");
                engine.observe(&zero_window(&remote, ms(at), ms(seen)));
            }
        }
    }
    let left = stalled_ports(&engine).into_iter();
    left.map(|(host, ports)| {
        // Each keeps its oldest.
        let count = u16::try_from(ports.len()).unwrap();
        assert_eq!(ports, (1..=count).collect());
        (host, count)
    })
    .collect()
}

/// An honest balancer has many connections, too. It loses none to one address that has more; to many addresses, each
/// with fewer than it has, it loses its newest.
#[test]
fn of_two_crowds_the_larger_makes_room() {
    assert_eq!(left_of_crowds(&[(1, 40), (2, 200)]), [(1, 40), (2, 60)]);
    assert_eq!(left_of_crowds(&[(2, 200), (1, 40)]), [(1, 40), (2, 60)]);
    let many = [(1, 60), (2, 17), (3, 17), (4, 17), (5, 17)];
    let left = [(1, 32), (2, 17), (3, 17), (4, 17), (5, 17)];
    assert_eq!(left_of_crowds(&many), left);
}

/// A local user fills the table with what he holds in a network of his own.
#[test]
fn what_somebody_holds_in_a_network_of_his_own_pushes_out_nobody() {
    let mut engine = engine_with(TableSettings {
        connections_capacity: 4,
        ..TableSettings::default()
    });
    engine.advance(ms(1_000), WALL);
    for port in 1..=4 {
        engine.observe(&Observation {
            is_on_our_way: false,
            ..zero_window(&format!("203.0.113.9:{port}"), ms(1_000), ms(1_000))
        });
    }
    engine.advance(ms(7_000), WALL);
    for port in 1..=3 {
        let seen = zero_window(&format!("198.51.100.7:{port}"), ms(6_500), ms(7_000));
        engine.observe(&seen);
    }
    let ours = |engine: &Engine| {
        let connections = engine.connections().into_iter();
        connections
            .filter(|each| each.remote.starts_with("198.51.100.7:"))
            .count()
    };
    assert_eq!(ours(&engine), 3);
    engine.advance(ms(13_000), WALL);
    engine.observe(&Observation {
        is_on_our_way: false,
        ..zero_window("203.0.113.9:9", ms(12_000), ms(13_000))
    });
    assert_eq!(ours(&engine), 3);
    let stalled = engine
        .connections()
        .into_iter()
        .filter(|each| each.stall.is_some());
    assert_eq!(stalled.count(), 3);
}

/// The same with the table of peers: he holds more than any of ours.
#[test]
fn peers_played_in_a_network_of_ones_own_push_out_nobody() {
    let mut engine = engine_with(TableSettings {
        peers_capacity: 4,
        ..TableSettings::default()
    });
    let played = |host: u8, at| Observation {
        is_on_our_way: false,
        pinned_bytes: 4_000_000,
        ..zero_window(&format!("203.0.113.{host}:1"), ms(1_000), ms(at))
    };
    engine.advance(ms(1_000), WALL);
    for host in 1..=4 {
        engine.observe(&played(host, 1_000));
    }
    engine.advance(ms(7_000), WALL);
    for host in 1..=3 {
        let seen = zero_window(&format!("198.51.100.{host}:1"), ms(1_000), ms(7_000));
        engine.observe(&seen);
    }
    for host in 5..=9 {
        engine.observe(&played(host, 7_000));
    }
    let peers = engine.peers();
    let ours = peers
        .iter()
        .filter(|each| each.peer.starts_with("198.51.100."));
    assert_eq!(ours.count(), 3);
}

#[test]
fn the_cheapest_peers_leave_first_and_their_numbers_stay_in_other() {
    let mut engine = engine_with(TableSettings {
        peers_capacity: 2,
        ..TableSettings::default()
    });
    engine.advance(ms(1_000), WALL);
    for (host, zero_ms) in [(1u8, 900), (2, 100), (3, 500), (4, 300)] {
        let remote = format!("198.51.100.{host}:1");
        engine.observe(&Observation {
            reason: Reason::Closed,
            totals: Totals {
                zero_window_episodes: 1,
                zero_window_ns: zero_ms * 1_000_000,
                ..Totals::default()
            },
            ..healthy(&remote, ms(2_000))
        });
    }
    let peers: Vec<_> = engine.peers().into_iter().map(|peer| peer.peer).collect();
    assert_eq!(peers, ["198.51.100.1", "198.51.100.3"]);
    let metrics = engine.metrics();
    assert_eq!(metrics.totals.peer_evictions, 2);
    assert_eq!(metrics.totals.ledger.zero_window_episodes, 4);
    assert_eq!(metrics.other.zero_window_episodes, 2);
    assert!((metrics.other.zero_window_seconds - 0.4).abs() < 1e-9);
}

/// A host with many lossy clients forgets one for each that comes, for good: that is no news. To forget one that
/// holds something up is.
#[test]
fn suspects_that_are_forgotten_are_counted_apart() {
    let mut engine = engine_with(TableSettings {
        peers_capacity: 2,
        ..TableSettings::default()
    });
    let evictions = |engine: &Engine| {
        let totals = engine.totals();
        (totals.peer_evictions, totals.suspect_evictions)
    };
    engine.advance(ms(1_000), WALL);
    for host in 1..=9 {
        engine.observe(&healthy(&format!("198.51.100.{host}:1"), ms(2_000)));
    }
    assert_eq!(evictions(&engine), (7, 0));
    for host in 11..=14 {
        let remote = format!("198.51.100.{host}:1");
        engine.observe(&zero_window(&remote, ms(2_000), ms(2_000)));
        engine.observe(&zero_window(&remote, ms(2_000), ms(30_000)));
    }
    engine.advance(ms(60_000), WALL);
    for host in 21..=24 {
        let remote = format!("198.51.100.{host}:1");
        engine.observe(&zero_window(&remote, ms(2_000), ms(60_000)));
        engine.advance(ms(60_000), WALL);
    }
    let (all, suspects) = evictions(&engine);
    assert!(suspects > 0 && suspects < all, "{suspects} of {all}");
}

#[test]
fn a_label_that_comes_late_starts_from_zero_and_other_keeps_what_it_showed() {
    let mut engine = engine_with(TableSettings {
        export: 1,
        export_hold_ns: 1_000_000_000,
        ..TableSettings::default()
    });
    engine.advance(ms(1_000), WALL);
    let closed = |remote: &str, episodes: u64, at: u64| Observation {
        totals: Totals {
            zero_window_episodes: episodes,
            zero_window_ns: episodes * 100_000_000,
            ..Totals::default()
        },
        ..healthy(remote, ms(at))
    };
    engine.observe(&closed("198.51.100.1:1", 5, 1_000));
    engine.observe(&closed("198.51.100.2:1", 3, 1_000));
    let first = engine.metrics();
    assert_eq!(first.peers[0].peer, "198.51.100.1");
    assert_eq!(first.peers[0].ledger.zero_window_episodes, 5);
    assert_eq!(first.other.zero_window_episodes, 3);

    engine.observe(&closed("198.51.100.2:1", 9, 2_000));
    let second = engine.metrics();
    // The newcomer leads; the old one stays for its hold time.
    assert_eq!(second.peers[0].peer, "198.51.100.2");
    assert_eq!(second.peers[0].ledger.zero_window_episodes, 6);
    assert_eq!(second.peers[1].ledger.zero_window_episodes, 5);
    assert_eq!(second.other.zero_window_episodes, 3);

    engine.advance(ms(4_000), WALL);
    let third = engine.metrics();
    assert_eq!(third.peers.len(), 1);
    assert_eq!(third.other.zero_window_episodes, 8);
    assert_eq!(third.totals.ledger.zero_window_episodes, 14);
}

#[test]
fn a_peer_is_found_by_any_spelling() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&healthy("198.51.100.7:1", ms(1_000)));
    engine.observe(&healthy("[2001:db8:1:2:3:4:5:6]:1", ms(1_000)));
    for text in [
        "198.51.100.7",
        "198.51.100.7/32",
        " ::ffff:198.51.100.7",
        "::ffff:c633:6407/128",
    ] {
        assert_eq!(
            engine.peer(text).unwrap().peer.peer,
            "198.51.100.7",
            "{text}"
        );
    }
    for text in [
        "2001:db8:1:2::/64",
        "2001:db8:1:2::",
        "2001:0DB8:0001:0002:ffff::1",
        "2001:db8:1:2:3::/80",
    ] {
        assert_eq!(
            engine.peer(text).unwrap().peer.peer,
            "2001:db8:1:2::/64",
            "{text}"
        );
    }
    for text in [
        "",
        "/",
        "198.51.100.7/24",
        "198.51.100.8",
        "2001:db8:1:2::/48",
        "2001:db8:1:3::",
        "198.51.100.7/33",
        "::ffff:198.51.100.7/95",
        "::/129",
        "x",
    ] {
        assert!(engine.peer(text).is_none(), "{text}");
    }
}

#[test]
fn ignored_networks_are_not_tracked_and_leave_when_they_become_so() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_000)));
    engine.reconfigure(
        DetectSettings::default(),
        TableSettings::default(),
        vec!["::ffff:198.51.100.0/120".parse().unwrap()],
        Vec::new(),
    );
    engine.observe(&zero_window(PEER, ms(1_000), ms(1_100)));
    assert!(engine.peers().is_empty());
    assert!(engine.connections().is_empty());
    assert_eq!(engine.metrics().other.zero_window_episodes, 1);
}

#[test]
fn a_wider_peer_from_before_a_change_of_the_prefix_is_found_beside_a_narrower_one() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let of_prefix = |prefix| {
        let seen = healthy("[2001:db8::1]:443", ms(1_000));
        Observation {
            peer: PeerAddress::of(seen.connection.remote.ip(), prefix),
            ..seen
        }
    };
    for (port, prefix) in [(1, 48), (2, 64)] {
        let mut seen = of_prefix(prefix);
        seen.connection.remote.set_port(port);
        engine.observe(&seen);
    }
    for peer in ["2001:db8::/48", "2001:db8::/64"] {
        let found = engine.peer(peer).map(|detail| detail.peer.peer);
        assert_eq!(found.as_deref(), Some(peer));
    }
}
