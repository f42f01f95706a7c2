use super::{
    Guard, GuardSettings, GuardSuspect, Load, Pressure, PressureBounds, StalledConnection, Step,
    Workers,
};
use crate::observe::observation::ConnectionId;
use crate::observe::peer_address::PeerAddress;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::snapshot::GuardAct;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

mod made;

const SETTINGS: GuardSettings = GuardSettings {
    bounds: PressureBounds {
        pinned_bytes: 100,
        tcp_memory_share: 0.2,
        unit_memory_share: 0.2,
        workers_share: 0.5,
    },
    reset_after_ns: 30 * SECOND_NS,
    resets_per_minute: 50,
    blocks_per_minute: 2,
    well_behaved_max: 1,
    comes_back_with: 5,
};

fn at(second: u64) -> MonotonicTime {
    MonotonicTime::from_ns(second * SECOND_NS)
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, last).into()
}

fn peer(last: u8) -> PeerAddress {
    PeerAddress::of(address(last), 64)
}

/// A connection that has been seen and stalled since this second.
fn stalled(last: u8, port: u16, since: u64) -> StalledConnection {
    StalledConnection {
        connection: ConnectionId {
            socket: u64::from(port),
            netns: 1,
            local: "192.0.2.1:80".parse().unwrap(),
            remote: SocketAddr::new(address(last), port),
        },
        first_seen: at(since),
        since: at(since),
        pinned_bytes: 10,
        is_on_our_way: true,
    }
}

fn suspect(last: u8, is_accused: bool, ports: std::ops::Range<u16>, since: u64) -> GuardSuspect {
    GuardSuspect {
        peer: peer(last),
        is_accused,
        is_shared: false,
        well: Some(0),
        stalled: ports.map(|port| stalled(last, port, since)).collect(),
    }
}

/// What is decided is done.
fn decide(guard: &mut Guard, second: u64, suspects: Vec<GuardSuspect>) -> Vec<Step> {
    decide_with(guard, second, &SETTINGS, suspects)
}

fn decide_with(
    guard: &mut Guard,
    second: u64,
    settings: &GuardSettings,
    suspects: Vec<GuardSuspect>,
) -> Vec<Step> {
    let steps = guard.decide(at(second), settings, suspects, |_| false);
    for step in &steps {
        guard.note_made(step, at(second));
    }
    steps
}

fn acts(steps: &[Step]) -> Vec<(GuardAct, usize)> {
    let acts = steps.iter().map(|step| (step.act, step.connections.len()));
    acts.collect()
}

#[test]
fn each_bound_alone_is_pressure() {
    let bounds = SETTINGS.bounds;
    let quiet = Load {
        pinned_bytes: 99,
        tcp_memory_limit_bytes: Some(1_000),
        services: vec![Workers {
            service: "web".to_owned(),
            held: 4,
            total: 10,
            pinned_bytes: 19,
            limit_bytes: Some(100),
        }],
    };
    assert_eq!(Pressure::of(&quiet, &bounds), None);
    assert_eq!(Pressure::of(&Load::default(), &bounds), None);
    let pinned = Load {
        pinned_bytes: 100,
        ..quiet.clone()
    };
    let of_tcp = Load {
        tcp_memory_limit_bytes: Some(400),
        ..quiet.clone()
    };
    let mut of_unit = quiet.clone();
    of_unit.services[0].pinned_bytes = 20;
    let mut of_workers = quiet;
    of_workers.services[0].held = 5;
    for (load, word) in [
        (pinned, "pin 100 B"),
        (of_tcp, "that TCP may have"),
        (of_unit, "that web may have"),
        (of_workers, "5 of 10 workers of web"),
    ] {
        let pressure = Pressure::of(&load, &bounds).unwrap().to_string();
        assert!(pressure.contains(word), "{pressure}");
        let services =
            (!word.contains("pin 100") && !word.contains("TCP")).then(|| ["web".to_owned()]);
        let pressed = Pressure::services(&load, &bounds);
        assert_eq!(
            pressed.as_deref(),
            services.as_ref().map(<[_; 1]>::as_slice),
            "{word}"
        );
    }
}

#[test]
fn an_attacker_that_comes_back_is_limited_and_then_blocked() {
    let mut guard = Guard::default();
    let first = decide(&mut guard, 100, vec![suspect(1, true, 0..30, 90)]);
    assert_eq!(acts(&first), [(GuardAct::Reset, 30)]);
    // The kernel side has not heard of it yet, or it did not help: nothing is done twice.
    assert!(decide(&mut guard, 101, vec![suspect(1, true, 0..30, 90)]).is_empty());
    // A few that were on their way are no return.
    let few = decide(&mut guard, 105, vec![suspect(1, true, 100..104, 102)]);
    assert_eq!(acts(&few), [(GuardAct::Reset, 4)]);
    // Nor is what stood still before the reset, whenever it is seen.
    let mut late = suspect(1, true, 104..105, 106);
    late.stalled.iter_mut().for_each(|each| each.since = at(95));
    let late = decide(&mut guard, 107, vec![late]);
    assert_eq!(acts(&late), [(GuardAct::Reset, 1)]);
    let again = decide(&mut guard, 110, vec![suspect(1, true, 200..205, 107)]);
    assert_eq!(acts(&again), [(GuardAct::Limit, 0), (GuardAct::Reset, 5)]);
    let still = decide(&mut guard, 120, vec![suspect(1, true, 300..305, 115)]);
    assert_eq!(acts(&still), [(GuardAct::Block, 0), (GuardAct::Reset, 5)]);
    // An old port again is a new connection. The budget is spent.
    let spent = decide(&mut guard, 130, vec![suspect(1, true, 300..305, 125)]);
    assert_eq!(acts(&spent), [(GuardAct::Reset, 5)]);
}

/// Each is due half a minute after it was opened, and one is due in each second.
#[test]
fn an_attacker_that_comes_back_one_by_one_is_limited_and_then_blocked() {
    let mut guard = Guard::default();
    let mut fenced_off = Vec::new();
    for second in 100..300 {
        let port = u16::try_from(second).unwrap();
        let due = suspect(1, true, port..port + 1, second - 30);
        let steps = decide(&mut guard, second, vec![due]);
        let fences = steps.iter().filter(|step| step.act != GuardAct::Reset);
        fenced_off.extend(fences.map(|step| (second, step.act)));
    }
    // What was under way at the first reset, or when it was limited, is no return.
    assert_eq!(
        fenced_off[..2],
        [(135, GuardAct::Limit), (170, GuardAct::Block)]
    );
}

#[test]
fn on_an_estimate_nobody_is_cut_whatever_the_bound_is() {
    let generous = GuardSettings {
        well_behaved_max: 1_000,
        ..SETTINGS
    };
    for (well, after) in [
        (
            Some(1_000),
            vec![(GuardAct::Limit, 0), (GuardAct::Reset, 30)],
        ),
        (Some(1_001), vec![(GuardAct::Reset, 30)]),
        (None, vec![(GuardAct::Reset, 30)]),
    ] {
        let mut guard = Guard::default();
        let mut decide = |second: u64, ports| {
            let due = GuardSuspect {
                well,
                ..suspect(1, true, ports, second - 10)
            };
            acts(&decide_with(&mut guard, second, &generous, vec![due]))
        };
        assert_eq!(decide(100, 0..20), [(GuardAct::Reset, 20)]);
        assert_eq!(decide(120, 100..130), after, "{well:?}");
    }
}

#[test]
fn a_few_that_come_back_now_and_then_are_reset_and_no_more() {
    let mut guard = Guard::default();
    decide(&mut guard, 100, vec![suspect(1, true, 0..30, 90)]);
    for times in 0..10_u16 {
        let second = 120 + 15 * u64::from(times);
        let few = suspect(1, true, 100 + times..101 + times, second - 6);
        assert_eq!(
            acts(&decide(&mut guard, second, vec![few])),
            [(GuardAct::Reset, 1)]
        );
    }
}

/// What was done to it while nobody was accused counts for nothing: the cheapest step comes first.
#[test]
fn who_is_accused_later_is_reset_first() {
    let mut guard = Guard::default();
    decide(&mut guard, 100, vec![suspect(1, false, 0..10, 60)]);
    let accused = suspect(1, true, 100..120, 110);
    assert_eq!(
        acts(&decide(&mut guard, 120, vec![accused])),
        [(GuardAct::Reset, 20)]
    );
    let again = suspect(1, true, 200..205, 121);
    assert_eq!(
        acts(&decide(&mut guard, 130, vec![again])),
        [(GuardAct::Limit, 0), (GuardAct::Reset, 5)]
    );
}

#[test]
fn a_block_is_not_made_above_the_bound_nor_without_a_count() {
    for well in [Some(2), None] {
        let mut guard = Guard::default();
        decide(&mut guard, 100, vec![suspect(1, true, 0..30, 90)]);
        let back = GuardSuspect {
            well,
            ..suspect(1, true, 100..110, 105)
        };
        let steps = decide(&mut guard, 110, vec![back]);
        assert_eq!(acts(&steps), [(GuardAct::Reset, 10)], "{well:?}");
    }
}

/// Orphans that linger, or sockets of a container that cannot be entered.
#[test]
fn what_cannot_be_reset_does_not_use_up_the_budget_of_others() {
    // As many as the budget is.
    let unclosable = || suspect(1, true, 0..50, 10);
    let mut guard = Guard::default();
    let mut tried = Vec::new();
    for second in (100..1_000).step_by(10) {
        let steps = decide(&mut guard, second, vec![unclosable()]);
        tried.extend((!steps.is_empty()).then_some(second));
    }
    assert_eq!(tried, [100, 160, 280, 520]);
    // When it is due again, with a new one before it, somebody else has come.
    let mut first = unclosable();
    first.stalled.extend(suspect(1, true, 99..100, 980).stalled);
    let steps = decide(&mut guard, 1_000, vec![first, suspect(2, true, 0..49, 990)]);
    assert_eq!(acts(&steps), [(GuardAct::Reset, 1), (GuardAct::Reset, 49)]);
}

/// One that is played in a network that somebody has laid out for himself.
fn laid_out_elsewhere(last: u8, ports: std::ops::Range<u16>, since: u64) -> GuardSuspect {
    let mut suspect = suspect(last, true, ports, since);
    for each in &mut suspect.stalled {
        each.is_on_our_way = false;
    }
    suspect
}

/// Neither by addresses of others nor by the attacker's own.
#[test]
fn an_accomplice_elsewhere_does_not_use_up_the_budget_first() {
    let budget = usize::try_from(SETTINGS.resets_per_minute).unwrap();
    let accomplice = || laid_out_elsewhere(2, 0..200, 10);
    let steps = decide(
        &mut Guard::default(),
        100,
        vec![accomplice(), suspect(1, true, 0..30, 90)],
    );
    let hit: Vec<_> = steps.iter().map(|step| step.peer).collect();
    assert_eq!(hit, [peer(1), peer(2)]);
    assert_eq!(
        acts(&steps),
        [(GuardAct::Reset, 30), (GuardAct::Reset, budget - 30)]
    );

    let mut both = laid_out_elsewhere(1, 100..300, 10);
    both.stalled.extend(suspect(1, true, 0..30, 90).stalled);
    let steps = decide(&mut Guard::default(), 100, vec![accomplice(), both]);
    assert_eq!(acts(&steps), [(GuardAct::Reset, budget)]);
    let ports = steps[0].connections.iter().map(|each| each.remote.port());
    assert_eq!(ports.filter(|port| *port < 30).count(), 30);
}

#[test]
fn what_a_block_would_not_meet_is_reset_and_makes_no_block() {
    let mut guard = Guard::default();
    for (number, second) in [100, 110, 120].into_iter().enumerate() {
        let first = 100 * u16::try_from(number).unwrap();
        let back = laid_out_elsewhere(1, first..first + 10, second - 5);
        let steps = decide(&mut guard, second, vec![back]);
        assert_eq!(acts(&steps), [(GuardAct::Reset, 10)]);
    }
}

#[test]
fn whoever_is_not_accused_loses_a_few_old_ones_and_only_if_nobody_is() {
    let shared = || suspect(2, false, 0..30, 60);
    let mut guard = Guard::default();
    let steps = decide(&mut guard, 100, vec![shared(), suspect(1, true, 0..3, 95)]);
    assert_eq!(acts(&steps), [(GuardAct::Reset, 3)]);
    let steps = decide(&mut guard, 101, vec![shared()]);
    assert_eq!(acts(&steps), [(GuardAct::Reset, 10)]);
    let young = suspect(3, false, 0..30, 80);
    assert!(decide(&mut guard, 102, vec![young]).is_empty());
}

/// One round as it may come: second, suspects, whom to spare.
fn round() -> impl Strategy<Value = (u64, Vec<GuardSuspect>, u8)> {
    let suspects = (
        0..4_u8,
        any::<bool>(),
        prop::option::of(0..4_u64),
        0..40_u16,
        0..20_u16,
        0..60_u64,
    )
        .prop_map(|(last, is_accused, well, first, count, age)| GuardSuspect {
            well,
            ..suspect(last, is_accused, first..first + count, 1_000 - age)
        });
    (0..40_u64, prop::collection::vec(suspects, 0..4), 0..8_u8)
}

proptest! {
    #[test]
    fn no_bound_is_ever_passed(rounds in prop::collection::vec(round(), 1..20)) {
        let mut guard = Guard::default();
        let mut second = 1_000;
        let (mut resets, mut blocks) = (Vec::new(), Vec::new());
        for (wait, mut suspects, spared) in rounds {
            second += wait;
            // One of each peer, stalled since some time before now.
            let mut seen = HashSet::new();
            suspects.retain(|suspect| seen.insert(suspect.peer));
            let spares = |each: &PeerAddress| *each == peer(spared);
            let steps = guard.decide(at(second), &SETTINGS, suspects.clone(), spares);
            let by_peer: HashMap<_, _> =
                suspects.iter().map(|suspect| (suspect.peer, suspect)).collect();
            for step in &steps {
                guard.note_made(step, at(second));
                let suspect = by_peer[&step.peer];
                prop_assert!(!spares(&step.peer));
                match step.act {
                    GuardAct::Reset => resets.push((second, step.connections.len() as u64)),
                    GuardAct::Limit | GuardAct::Block => {
                        blocks.push((second, 1));
                        prop_assert!(suspect.is_accused);
                        prop_assert!(suspect.well.is_some_and(|well| well <= SETTINGS.well_behaved_max));
                    }
                }
                let stalled: HashSet<_> =
                    suspect.stalled.iter().map(|each| each.connection).collect();
                prop_assert!(step.connections.iter().all(|each| stalled.contains(each)));
                if !suspect.is_accused {
                    prop_assert!(step.connections.len() <= super::GENTLY);
                    prop_assert!(suspect.stalled[0].since <= at(second - 30));
                }
            }
            for (spent, most) in [(&resets, 50), (&blocks, 2)] {
                let minute = spent.iter().filter(|(at, _)| second - at < 60);
                prop_assert!(minute.map(|(_, count)| count).sum::<u64>() <= most);
            }
        }
    }
}
