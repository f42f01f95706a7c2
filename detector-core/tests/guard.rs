//! Whom the guard may act on, and on which count of others.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::{Process, Verdict};
use detector_core::engine::{CensusWanted, Counted, Engine, Owner, Owners};
use detector_core::observe::census::{Census, Ends, Suspect};
use detector_core::observe::observation::{Direction, Observation, Reason};
use detector_core::observe::peer_address::PeerAddress;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use support::{NETNS, WALL, answer_alone, census_wanted, engine, healthy, ms, zero_window};

const PEER: &str = "198.51.100.7";
const HELD: u16 = 30;

fn owner(comm: &str, unit: Option<&str>) -> Owners {
    let process = Process {
        pid: 10,
        comm: comm.to_owned(),
        unit: unit.map(str::to_owned),
        executable: Some("/usr/bin/serve".to_owned()),
        thread: None,
    };
    let service = unit.unwrap_or("serve (/usr/bin/serve)").into();
    Arc::from([Arc::new(Owner { process, service })])
}

/// Thirty connections that take nothing for half a minute, the first ten of one process, the rest of
/// another; `answers` says what the kernel knows of others.
fn held(answers: impl Fn(&mut Engine)) -> Engine {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 1..=HELD {
        let seen = zero_window(&format!("{PEER}:{port}"), ms(1_000), ms(1_000));
        engine.observe(&seen);
        let owner = match port {
            1..=10 => owner("serve", None),
            _ => owner("nginx", Some("nginx.service")),
        };
        engine.set_owner(&seen.connection, 4711, &owner, None);
    }
    for second in [6, 15, 24, 31] {
        engine.advance(ms(second * 1_000), WALL);
        answers(&mut engine);
    }
    engine
}

#[test]
fn a_count_of_long_ago_blocks_nobody() {
    let mut engine = held(answer_alone);
    for (second, well) in [(32, Some(0)), (98, Some(0)), (100, None)] {
        engine.advance(ms(second * 1_000), WALL);
        let suspects = engine.guard_suspects(None);
        assert!(suspects[0].is_accused, "at {second}");
        assert_eq!(suspects[0].well, well, "at {second}");
    }
    answer_alone(&mut engine);
    assert_eq!(engine.guard_suspects(None)[0].well, Some(0));
}

/// However few are well where the peer has tracked connections: what it would meet elsewhere counts, and where
/// that was not looked at, or not one by one, nobody knows.
#[test]
fn what_a_block_would_cut_was_counted_wherever_it_would() {
    for would_be_cut in [None, Some(0), Some(40)] {
        let census = Census {
            connections: HELD.into(),
            would_be_cut,
            ..Census::default()
        };
        let engine = held(|engine| answer(engine, census, Census::default()));
        let suspects = engine.guard_suspects(None);
        assert!(suspects[0].is_accused);
        assert_eq!(suspects[0].well, would_be_cut);
    }
}

/// Else an attacker whom an accomplice plays in a network of his own is on no count for a minute.
#[test]
fn who_was_counted_elsewhere_is_counted_again_once_it_comes_by_our_way() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    let stall = |engine: &mut Engine, is_on_our_way: bool, port: u16| {
        let mut seen = zero_window(&format!("{PEER}:{port}"), ms(1_000), ms(1_000));
        seen.is_on_our_way = is_on_our_way;
        engine.observe(&seen);
    };
    (1..=HELD).for_each(|port| stall(&mut engine, false, port));
    let census = |is_elsewhere| Census {
        connections: HELD.into(),
        is_elsewhere,
        ..Census::default()
    };
    for second in [6, 15, 24, 31] {
        engine.advance(ms(second * 1_000), WALL);
        answer(&mut engine, census(true), Census::default());
    }
    assert!(engine.guard_suspects(None)[0].is_accused);
    assert!(census_wanted(&engine).is_empty());
    stall(&mut engine, true, HELD + 1);
    assert!(!census_wanted(&engine).is_empty());
    answer(&mut engine, census(false), Census::default());
    assert!(census_wanted(&engine).is_empty());
}

/// The guard has reset all that it held; it comes back with a part of it.
#[test]
fn an_attacker_that_comes_back_is_counted_each_minute() {
    let mut engine = held(answer_alone);
    for second in [48, 64, 124] {
        engine.advance(ms(second * 1_000), WALL);
        answer_alone(&mut engine);
    }
    for port in 1..=HELD {
        let mut gone = zero_window(&format!("{PEER}:{port}"), ms(1_000), ms(125_000));
        gone.reason = Reason::Closed;
        engine.observe(&gone);
    }
    let back = ms(190_000);
    engine.advance(back, WALL);
    for port in 100..105 {
        engine.observe(&zero_window(&format!("{PEER}:{port}"), ms(185_000), back));
    }
    // There is pressure by others.
    for port in 1..=HELD {
        engine.observe(&zero_window(
            &format!("203.0.113.9:{port}"),
            ms(185_000),
            back,
        ));
    }
    let verdict = engine.peer(PEER).unwrap().peer.verdict;
    assert_eq!(verdict, Some(Verdict::ZeroWindowAttack));
    let wanted = census_wanted(&engine);
    let is_it = |each: &CensusWanted| matches!(each.suspect, Suspect::Peer(peer) if peer.to_string() == PEER);
    assert!(wanted.iter().any(is_it), "{wanted:?}");
}

/// What a limit would cut is asked at once, however lately the peer was counted, and once.
#[test]
fn who_was_reset_is_counted_again_as_soon_as_it_comes_back() {
    let peer = PeerAddress::of(PEER.parse().unwrap(), 64);
    let mut engine = held(answer_alone);
    assert!(census_wanted(&engine).is_empty(), "it was counted lately");
    let reset = HashMap::from([(peer, ms(32_000))]);
    engine.advance(ms(32_000), WALL);
    let wanted = engine.census_wanted(&reset);
    let is_it = |each: &CensusWanted| each.may_be_fenced_off && each.suspect == Suspect::Peer(peer);
    assert!(wanted.iter().any(is_it), "{wanted:?}");
    assert!(engine.awaits_census(&reset));
    let counted = Counted {
        census: Census {
            connections: HELD.into(),
            was_asked_everywhere: true,
            ..Census::default()
        },
        ..Counted::default()
    };
    assert!(engine.set_census(Suspect::Peer(peer), Some(&counted)));
    assert!(engine.census_wanted(&reset).is_empty());
    assert!(!engine.awaits_census(&reset));
}

/// A quarter of a hoard is a return, on a host where nothing else is stalled, and before anything of it is.
#[test]
fn who_comes_back_with_less_than_a_hoard_is_counted() {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 1..=5 {
        engine.observe(&healthy(&format!("{PEER}:{port}"), ms(1_000)));
    }
    assert!(census_wanted(&engine).is_empty());
    let peer = PeerAddress::of(PEER.parse().unwrap(), 64);
    let reset = HashMap::from([(peer, ms(500))]);
    assert_eq!(engine.census_wanted(&reset).len(), 1);
    let others = PeerAddress::of("203.0.113.9".parse().unwrap(), 64);
    assert!(
        engine
            .census_wanted(&HashMap::from([(others, ms(500))]))
            .is_empty()
    );
}

/// A connection that is held up is not cut, whatever two looks show of it.
#[test]
fn what_is_held_up_would_not_be_cut() {
    let ends = |port: u16| Ends {
        netns: NETNS,
        local: "192.0.2.1:80".parse().unwrap(),
        remote: format!("{PEER}:{port}").parse().unwrap(),
    };
    let answer = |engine: &mut Engine| {
        for wanted in census_wanted(engine) {
            let census = Census {
                connections: 31,
                well: 2,
                well_before: Some(0),
                would_be_cut: Some(5),
                ..Census::default()
            };
            let well = [(ends(1), false), (ends(99), false)].into();
            let counted = Counted {
                census,
                well,
                halvings: 0,
            };
            assert!(engine.set_census(wanted.suspect, Some(&counted)));
        }
    };
    assert_eq!(held(answer).guard_suspects(None)[0].well, Some(4));
}

#[test]
fn where_services_are_pressed_others_lose_what_is_accused_alone() {
    // Not counted, so not accused.
    let hoarding = held(|_| {});
    let accused = held(answer_alone);
    let all = usize::from(HELD);
    for (services, of_hoard) in [
        (None, all),
        (Some(["nginx.service"]), 20),
        (Some(["serve (/usr/bin/serve)"]), 10),
        (Some(["another.service"]), 0),
        (Some(["serve"]), 0),
        // What somebody runs by himself costs no unit that runs the same.
        (Some(["nginx (/usr/bin/serve)"]), 0),
    ] {
        let names = services.map(|services| services.map(str::to_owned));
        let names = names.as_ref().map(<[String; 1]>::as_slice);
        let stalled = |engine: &Engine| {
            let suspects = engine.guard_suspects(names);
            suspects
                .iter()
                .map(|each| each.stalled.len())
                .sum::<usize>()
        };
        assert_eq!(stalled(&hoarding), of_hoard, "{services:?}");
        assert_eq!(stalled(&accused), all, "{services:?}");
    }
}

/// What the kernel says of all that it is asked for; of networks something else.
fn answer(engine: &mut Engine, of_peer: Census, of_network: Census) {
    for wanted in census_wanted(engine) {
        let census = match wanted.suspect {
            Suspect::Peer(_) => of_peer,
            Suspect::Network(_) => of_network,
        };
        let counted = Counted {
            census,
            ..Counted::default()
        };
        assert!(engine.set_census(wanted.suspect, Some(&counted)));
    }
}

/// A balancer at night: all that it carries is paused, and it was well for hours.
#[test]
fn who_was_well_for_hours_shares_its_address() {
    let census = |ended_well| Census {
        connections: HELD.into(),
        ended_well,
        ..Census::default()
    };
    for (ended_well, is_shared) in [(15, true), (14, false)] {
        let engine = held(|engine| answer(engine, census(ended_well), Census::default()));
        let suspects = engine.guard_suspects(None);
        assert_eq!(suspects[0].is_shared, is_shared, "{ended_well}");
        assert_eq!(suspects[0].is_accused, !is_shared, "{ended_well}");
    }
}

#[test]
fn nobody_is_alone_before_the_kernel_has_told() {
    let engine = held(|_| {});
    let suspects = engine.guard_suspects(None);
    assert!(suspects[0].is_shared && !suspects[0].is_accused);
}

/// Paused customers of one provider, of whom as many others behave.
#[test]
fn who_holds_with_a_network_that_behaves_is_not_alone() {
    for (well, are_shared) in [(20, true), (0, false)] {
        let of_network = Census {
            connections: 20 + well,
            well,
            well_before: Some(well),
            ..Census::default()
        };
        let mut engine = engine();
        for second in [1, 6, 31, 32, 33] {
            engine.advance(ms(second * 1_000), WALL);
            for (host, port) in (10..14).flat_map(|host| (1..=5).map(move |port| (host, port))) {
                let remote = format!("198.51.100.{host}:{port}");
                engine.observe(&zero_window(&remote, ms(1_000), ms(second * 1_000)));
            }
            answer(&mut engine, Census::default(), of_network);
        }
        let suspects = engine.guard_suspects(None);
        assert_eq!(suspects.len(), 4);
        for suspect in suspects {
            assert_eq!(suspect.is_shared, are_shared, "{well} well");
            assert_eq!(suspect.is_accused, !are_shared, "{well} well");
        }
    }
}

/// What is in flight, was sent again over and over, and is not acknowledged; with so many timeouts to which
/// nothing came.
fn unanswered(remote: &str, unanswered: u8) -> Observation {
    Observation {
        snd_nxt: 1_000 + 65_536,
        in_flight_segments: 46,
        head_retransmits: 16,
        timeouts: 16,
        retransmits_unanswered: unanswered.into(),
        ..healthy(remote, ms(1_000))
    }
}

/// What presses the host, and the unit that owns the one connection there is; its stall is there in any case.
fn pressure_of(seen: &Observation, is_within_host: bool) -> (u64, BTreeMap<String, u64>) {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    engine.observe(seen);
    let owner = owner("nginx", Some("nginx.service"));
    engine.set_owner(&seen.connection, 4711, &owner, None);
    engine.set_unit_limits([("nginx.service".to_owned(), 1 << 30)].into());
    if is_within_host {
        engine.set_within_host(&seen.connection, true);
    }
    engine.advance(ms(31_000), WALL);
    let wanted = engine.owners_wanted();
    assert!(wanted[0].is_stalled, "{seen:?}");
    let pinned = engine.pinned_by_peers();
    assert_eq!(wanted[0].is_of_peer, pinned > 0 || !seen.is_on_our_way);
    assert_eq!(engine.pinned_of_units()["nginx.service"], 70_000);
    (pinned, engine.pinned_of_units_by_peers())
}

#[test]
fn what_we_opened_and_what_stays_on_this_host_presses_nothing() {
    let remote = "198.51.100.7:40000";
    for held in [
        zero_window(remote, ms(1_000), ms(1_000)),
        unanswered(remote, 0),
        unanswered(remote, 16),
    ] {
        let of_unit = BTreeMap::from([("nginx.service".to_owned(), 70_000)]);
        assert_eq!(pressure_of(&held, false), (70_000, of_unit));
        assert_eq!(pressure_of(&held, true), (0, BTreeMap::new()));
        let ours = Observation {
            direction: Direction::Outbound,
            ..held
        };
        assert_eq!(pressure_of(&ours, false), (0, BTreeMap::new()));
    }
}

/// Of a service in a container with users of its own the workers and the memory count: its own bounds do.
#[test]
fn what_somebody_holds_in_a_network_of_his_own_presses_no_host() {
    let held = Observation {
        is_on_our_way: false,
        ..zero_window("198.51.100.7:40000", ms(1_000), ms(1_000))
    };
    let of_unit = BTreeMap::from([("nginx.service".to_owned(), 70_000)]);
    assert_eq!(pressure_of(&held, false), (0, of_unit));
}

/// Else an accomplice who lets two connections of the same address behave in a network of his own makes an
/// attacker's address pass for one that others use.
#[test]
fn who_behaves_in_a_network_of_ones_own_is_nobodys_neighbour() {
    for (ours, asked) in [(15, &[NETNS][..]), (0, &[7])] {
        let mut engine = engine();
        engine.advance(ms(1_000), WALL);
        for port in 1..=HELD {
            let mut seen = zero_window(&format!("{PEER}:{port}"), ms(1_000), ms(1_000));
            seen.is_on_our_way = port <= ours;
            seen.connection.netns = if port <= ours { NETNS } else { 7 };
            engine.observe(&seen);
        }
        engine.advance(ms(6_000), WALL);
        let wanted = census_wanted(&engine);
        assert!(!wanted.is_empty());
        for each in wanted {
            assert_eq!(each.namespaces, asked, "{:?}", each.suspect);
            // Else a past elsewhere would speak for it.
            assert_eq!(each.is_on_our_way, ours > 0, "{:?}", each.suspect);
        }
    }
}
