//! Whoever holds a hoard together with others of its network, and the neighbours that excuse it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{FlagKind, Severity, StandingFlag, Verdict};
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::{Census, Ends, Suspect};
use detector_core::time::MonotonicTime;
use std::collections::HashMap;
use support::{WALL, accused_hosts, answer_with, census_wanted, engine, ms, zero_window};

/// One of the network.
const PEER: &str = "198.51.100.7";

/// An engine that has seen four addresses of one network stop reading, five connections of each, alike.
fn network_held() -> Engine {
    let mut engine = engine();
    look_at_network(&mut engine, ms(1_000));
    engine
}

/// Each member of a network is judged when it is seen.
fn look_at_network(engine: &mut Engine, at: MonotonicTime) {
    look_at(engine, at, |host| format!("198.51.100.{host}"));
}

fn look_at(engine: &mut Engine, at: MonotonicTime, address: fn(u8) -> String) {
    engine.advance(at, WALL);
    for host in 10..14 {
        for port in 1..=5 {
            let remote = format!("{}:{port}", address(host));
            engine.observe(&zero_window(&remote, ms(1_000), at));
        }
    }
}

/// Answers what is asked of peers: they are alone; and of their network, once it is asked for.
fn answer_network(engine: &mut Engine, well: u64, ended_well: u64) -> bool {
    let wanted = census_wanted(engine);
    let mut is_asked = false;
    for each in wanted {
        let of_network = Census {
            connections: 20 + well,
            well,
            well_before: Some(well),
            ended_well,
            ..Census::default()
        };
        let is_network = matches!(each.suspect, Suspect::Network(_));
        is_asked |= is_network;
        let census = if is_network {
            of_network
        } else {
            Census::default()
        };
        let counted = Counted {
            census,
            ..Counted::default()
        };
        assert!(engine.set_census(each.suspect, Some(&counted)));
    }
    is_asked
}

/// A look that takes for well what is known to be held up: it fell between two bursts.
#[test]
fn neighbours_that_are_held_up_themselves_excuse_nobody() {
    let mut engine = network_held();
    engine.advance(ms(6_000), WALL);
    let peers = engine.peers();
    let connections = peers.iter().flat_map(|row| {
        let peer = engine.peer(&row.peer).unwrap();
        peer.connections
    });
    let ends = connections.map(|each| Ends {
        netns: each.netns,
        local: each.local.parse().unwrap(),
        remote: each.remote.parse().unwrap(),
    });
    let well: HashMap<Ends, bool> = ends.map(|ends| (ends, true)).collect();
    assert_eq!(well.len(), 20);
    let counted = Counted {
        census: Census {
            connections: 20,
            well: 20,
            well_before: Some(20),
            ..Census::default()
        },
        well,
        halvings: 0,
    };
    let alone = Counted {
        census: Census {
            connections: 5,
            well_before: Some(0),
            ..Census::default()
        },
        ..Counted::default()
    };
    for second in [6, 15, 24, 31, 32] {
        look_at_network(&mut engine, ms(second * 1_000));
        for each in census_wanted(&engine) {
            let is_network = matches!(each.suspect, Suspect::Network(_));
            let answer = if is_network { &counted } else { &alone };
            engine.set_census(each.suspect, Some(answer));
        }
    }
    assert_eq!(accused_hosts(&engine), 4);
}

#[test]
fn a_network_is_accused_if_fewer_of_it_behave_than_hold() {
    for (well, ended_well, accused) in [(0, 0, 4), (10, 9, 4), (10, 10, 0), (20, 0, 0), (0, 20, 0)]
    {
        let mut engine = network_held();
        engine.advance(ms(6_000), WALL);
        assert!(answer_network(&mut engine, well, ended_well));
        engine.advance(ms(31_000), WALL);
        let is_excused = accused == 0;
        assert_ne!(answer_network(&mut engine, well, ended_well), is_excused);
        look_at_network(&mut engine, ms(32_000));
        assert_eq!(
            accused_hosts(&engine),
            accused,
            "{well} well, {ended_well} ended"
        );
    }
}

/// A customer of IPv6 has a `/64` of its own.
#[test]
fn customers_of_one_ipv6_provider_are_one_network() {
    for (well, accused) in [(0, 4), (20, 0)] {
        let mut engine = engine();
        let customer: fn(u8) -> String = |host| format!("[2001:db8:7:{host}::1]");
        look_at(&mut engine, ms(1_000), customer);
        engine.advance(ms(6_000), WALL);
        assert!(answer_network(&mut engine, well, 0));
        engine.advance(ms(31_000), WALL);
        answer_network(&mut engine, well, 0);
        look_at(&mut engine, ms(32_000), customer);
        assert_eq!(accused_hosts(&engine), accused, "{well} well");
    }
}

/// Customers of a provider with several networks are alike, and too few in each of them to be a hoard of it.
#[test]
fn who_is_alike_in_several_networks_is_excused_by_neighbours_in_its_own() {
    for (peers_each, well, accused) in [(8, 0, 24), (8, 20, 0), (3, 20, 24)] {
        let address = |network, host| format!("198.51.{network}.{host}");
        let is_asked = peers_each > 3;
        alike_in_networks(address, (peers_each, is_asked), (well, accused));
    }
}

/// A carrier has its phones behind a few addresses of IPv4, where others of each behave. Of IPv6 each phone has a
/// network, few of which are in one of ours: those are to it what the address was.
#[test]
fn phones_of_a_carrier_are_excused_by_others_of_their_network_however_few_they_are_there() {
    for (peers_each, well, accused) in [
        (8, 0, 24),
        (8, 20, 0),
        (3, 20, 0),
        (1, 20, 0),
        (1, 9, 24),
        (1, 0, 24),
    ] {
        let phone = |network, host| format!("[2001:db8:{network}:{host}::1]");
        // Of few it is asked once they hold together with others elsewhere.
        let is_asked_early = peers_each > 3;
        alike_in_networks(phone, (peers_each, is_asked_early), (well, accused));
    }
}

/// Behind a translator an address is one of IPv4, and its network is one of that.
#[test]
fn few_of_a_network_behind_a_translator_are_no_company() {
    let address = |network, host| format!("[64:ff9b::198.51.{network}.{host}]");
    alike_in_networks(address, (3, false), (20, 24));
}

/// Twenty-four addresses, so many of each network, hold a connection each, all alike; so many others of each network
/// are well.
fn alike_in_networks(
    address: impl Fn(u8, u8) -> String,
    (peers_each, is_asked): (u8, bool),
    (well, accused): (u64, usize),
) {
    let mut engine = engine();
    let which = format!("{}: {peers_each} each, {well} well", address(0, 10));
    let look = |engine: &mut Engine, at| {
        engine.advance(at, WALL);
        for number in 0..24_u8 {
            let remote = address(number / peers_each, 10 + number % peers_each);
            engine.observe(&zero_window(&format!("{remote}:443"), ms(1_000), at));
        }
    };
    look(&mut engine, ms(1_000));
    for second in [6, 15, 24, 31, 32, 33] {
        look(&mut engine, ms(second * 1_000));
        let was_asked = answer_network(&mut engine, well, 0);
        assert!(second > 6 || was_asked == is_asked, "{which}");
        if accused == 0 {
            assert_eq!(accused_hosts(&engine), 0, "{which}, after {second} s");
        }
    }
    assert_eq!(accused_hosts(&engine), accused, "{which}");
}

#[test]
fn a_network_is_not_accused_before_it_is_counted() {
    let mut engine = network_held();
    for second in [6, 31, 32] {
        look_at_network(&mut engine, ms(second * 1_000));
        for wanted in census_wanted(&engine) {
            let is_network = matches!(wanted.suspect, Suspect::Network(_));
            let counted = (!is_network).then(Counted::default);
            assert!(engine.set_census(wanted.suspect, counted.as_ref()));
        }
    }
    assert_eq!(accused_hosts(&engine), 0);
    engine.advance(ms(40_000), WALL);
    assert!(answer_network(&mut engine, 0, 0));
    assert_eq!(accused_hosts(&engine), 4);
}

#[test]
fn an_accused_network_is_let_off_once_others_of_it_behave() {
    let mut engine = network_held();
    engine.advance(ms(6_000), WALL);
    answer_network(&mut engine, 0, 0);
    look_at_network(&mut engine, ms(32_000));
    assert_eq!(accused_hosts(&engine), 0, "told long ago");
    assert!(answer_network(&mut engine, 0, 0));
    assert_eq!(accused_hosts(&engine), 4);
    engine.advance(ms(60_000), WALL);
    assert!(!answer_network(&mut engine, 0, 0));
    engine.advance(ms(93_000), WALL);
    assert!(answer_network(&mut engine, 25, 0));
    assert_eq!(accused_hosts(&engine), 0);
}

#[test]
fn who_holds_a_hoard_of_its_own_is_accused_whoever_its_neighbours_are() {
    let mut engine = network_held();
    for port in 1..=30 {
        engine.observe(&zero_window(
            &format!("{PEER}:{port}"),
            ms(1_000),
            ms(1_000),
        ));
    }
    for second in [6, 15, 24, 31, 32] {
        look_at_network(&mut engine, ms(second * 1_000));
        answer_network(&mut engine, 100, 0);
    }
    assert_eq!(
        engine.peer(PEER).unwrap().peer.verdict,
        Some(Verdict::ZeroWindowAttack)
    );
    assert_eq!(accused_hosts(&engine), 1);
}

/// An attacker gives each of its addresses two connections that behave: nobody is accused, and what they hold
/// together is as loud as before.
#[test]
fn who_is_shared_costs_its_network_as_much_and_has_nobody_accused() {
    for (well, accused) in [(0, 12), (2, 0)] {
        let mut engine = engine();
        let which = format!("{well} well each");
        for second in [1, 6, 15, 24, 31, 32, 33] {
            let at = ms(second * 1_000);
            engine.advance(at, WALL);
            for number in 0..36_u8 {
                let remote = format!("198.51.100.{}:{}", 10 + number / 3, 1 + number % 3);
                engine.observe(&zero_window(&remote, ms(1_000), at));
            }
            for each in census_wanted(&engine) {
                let is_network = matches!(each.suspect, Suspect::Network(_));
                let (well, held) = if is_network {
                    (12 * well, 36)
                } else {
                    (well, 3)
                };
                let counted = Counted {
                    census: Census {
                        connections: held + well,
                        well,
                        well_before: Some(well),
                        ..Census::default()
                    },
                    ..Counted::default()
                };
                assert!(engine.set_census(each.suspect, Some(&counted)));
            }
        }
        assert_eq!(accused_hosts(&engine), accused, "{which}");
        let peers = engine.peers();
        assert_eq!(peers.len(), 12);
        for peer in peers {
            assert_eq!(peer.severity, Severity::Warning, "{which}");
            let is_hoard = |flag: &StandingFlag| flag.kind == FlagKind::StallHoard;
            assert!(peer.flags.iter().any(is_hoard), "{which}");
        }
        let incidents = engine.incidents();
        assert_eq!(incidents.len(), 1, "{which}");
    }
}

/// One of the network holds a single connection below the floor, and all others of it share their addresses: it is
/// flagged for what they cost together, and the guard leaves it alone.
#[test]
fn the_guard_spares_who_hoards_only_together_with_those_who_are_spared() {
    let mut engine = engine();
    for second in [1, 6, 15, 24, 31, 32, 33] {
        let at = ms(second * 1_000);
        look_at_network(&mut engine, at);
        engine.observe(&zero_window(&format!("{PEER}:1"), ms(1_000), at));
        answer_with(&mut engine, |each| match each.suspect {
            Suspect::Peer(peer) if peer.to_string() == PEER => 0,
            _ => 2,
        });
    }
    assert_eq!(accused_hosts(&engine), 0);
    let suspects = engine.guard_suspects(None);
    let one = suspects.iter().find(|each| each.peer.to_string() == PEER);
    assert!(one.unwrap().is_shared, "{suspects:?}");
}
