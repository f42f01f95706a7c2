use super::{BETWEEN_LOOKS, Known, Look, Open, OurWay, SuspectPlaces};
use crate::config::Config;
use crate::netlink::sock_diag::{Ends, Seen};
use crate::state::AgentState;
use crate::state::tests::state;
use detector_core::engine::CensusWanted;
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::Network;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn address(third: u8) -> IpAddr {
    Ipv4Addr::new(198, 51, third, 7).into()
}

fn suspect(third: u8) -> Suspect {
    Suspect::Network(Network::of(address(third)))
}

fn wanted(thirds: &[u8]) -> Vec<CensusWanted> {
    let wanted = thirds.iter().map(|third| CensusWanted {
        suspect: suspect(*third),
        namespaces: vec![1],
        is_on_our_way: true,
        may_be_fenced_off: false,
    });
    wanted.collect()
}

fn seen(third: u8, is_well: bool) -> Seen {
    Seen {
        ends: Ends {
            local: SocketAddr::from((Ipv4Addr::LOCALHOST, 80)),
            remote: SocketAddr::from((address(third), 2_000)),
        },
        cookie: [third; 8],
        queued_bytes: if is_well { 0 } else { 9_000 },
        bytes_acked: 10_000,
        bytes_received: 0,
        segments_received: 0,
        edge: Some(10_000),
    }
}

/// Each has one connection, whose peer has taken all if it `is_well`.
fn look(
    open: &mut Open,
    state: &AgentState,
    thirds: &[u8],
    is_well: bool,
) -> Option<SuspectPlaces> {
    let mut looked_at = None;
    let are_found = open.go_on(
        state,
        wanted(thirds),
        |look: &mut Look, places: &SuspectPlaces| {
            for third in 1..9 {
                look.add(suspect(third), 1, &seen(third, is_well));
            }
            looked_at = Some(places.clone());
        },
    );
    assert!(are_found);
    looked_at
}

fn pass(open: &mut Open, time: Duration) {
    let earlier = |at: Instant| at.checked_sub(time).unwrap();
    open.at = open.at.map(earlier);
}

fn counted(state: &AgentState) -> u64 {
    state.counters.suspects_counted.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_look_is_the_second_at_some_and_the_first_at_others() {
    let (state, _pings) = state(&Config::default());
    let mut open = Open::default();
    assert_eq!(
        look(&mut open, &state, &[], false),
        None,
        "nobody is wanted"
    );
    assert!(look(&mut open, &state, &[1], false).is_some());
    assert_eq!(look(&mut open, &state, &[1, 2], false), None, "too soon");
    assert!(!open.has_room() && open.due_in().is_some_and(|due| due <= BETWEEN_LOOKS));
    pass(&mut open, BETWEEN_LOOKS);
    assert_eq!(open.due_in(), Some(Duration::ZERO));
    let looked_at = look(&mut open, &state, &[1, 2], false).unwrap();
    assert_eq!(looked_at.len(), 2);
    assert_eq!(counted(&state), 1);
    let waiting: Vec<_> = open.suspects.keys().copied().collect();
    assert_eq!(waiting, [suspect(2)]);
    pass(&mut open, BETWEEN_LOOKS);
    assert!(look(&mut open, &state, &[], false).is_some());
    assert!(open.is_empty() && open.due_in().is_none() && counted(&state) == 2);
}

#[tokio::test]
async fn what_was_well_once_is_seen_twice_however_long_that_takes() {
    let (state, _pings) = state(&Config::default());
    let mut open = Open::default();
    look(&mut open, &state, &[3], true);
    for expected in [0, 1] {
        pass(&mut open, Duration::from_secs(600));
        assert!(look(&mut open, &state, &[], true).is_some());
        assert_eq!(counted(&state), expected);
    }
    assert!(open.is_empty());
}

/// Where it was looked for before says nothing of what a limit would cut.
#[tokio::test]
async fn who_may_be_fenced_off_meanwhile_is_looked_at_anew() {
    let (state, _pings) = state(&Config::default());
    let mut open = Open::default();
    look(&mut open, &state, &[1, 2], false);
    for expected in [1, 2] {
        pass(&mut open, BETWEEN_LOOKS);
        let mut again = wanted(&[1]);
        again[0].may_be_fenced_off = true;
        let take = |look: &mut Look, places: &SuspectPlaces| {
            let place = places[&suspect(1)].wanted();
            assert!(place.may_be_fenced_off);
            look.add(suspect(1), 1, &seen(1, false));
            look.add(suspect(2), 1, &seen(2, false));
        };
        assert!(open.go_on(&state, again, take));
        assert_eq!(counted(&state), expected);
    }
    assert!(open.is_empty());
}

#[tokio::test]
async fn who_cannot_be_looked_at_is_told_as_not_counted_and_is_not_kept() {
    let (state, _pings) = state(&Config::default());
    let mut open = Open::default();
    let take = |look: &mut Look, places: &SuspectPlaces| {
        let known = Known::find();
        let our_way = OurWay::of(&state, &known.namespaces, places);
        look.take(&state, places, &known.namespaces, &our_way);
    };
    assert!(
        !open.go_on(&state, wanted(&[1, 2]), take),
        "there is no kernel side"
    );
    assert!(open.is_empty() && counted(&state) == 0);
    let not_counted = &state.counters.suspects_not_counted;
    assert_eq!(not_counted.load(Ordering::Relaxed), 2);
}
