use super::{OF_ONE_NETWORK, Past, choose};
use detector_common::history::{
    AddressHistory, HistorySpan, PAST_LEAST, PROVEN_MAX, SPAN_NS, SPANS,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NOW: u32 = 100;
const NOW_NS: u64 = NOW as u64 * SPAN_NS;

type Known = BTreeMap<IpAddr, Past>;

/// So many ended well in each of the last `spans`.
fn past(spans: u32, ended_well: u32) -> Past {
    let mut history = AddressHistory::default();
    for number in (NOW - spans + 1)..=NOW {
        history.spans[number as usize % SPANS] = HistorySpan {
            ended_well,
            ..HistorySpan::of(number)
        };
    }
    Past {
        history,
        is_proven: false,
    }
}

fn balancer() -> IpAddr {
    [192, 0, 2, 7].into()
}

/// Many hosts, no two of one network.
fn bots(count: u32) -> impl Iterator<Item = IpAddr> {
    (0..count).map(|number| Ipv4Addr::from_bits(number.reverse_bits() | 1).into())
}

/// Networks of one site.
fn site(last: u16, count: u16) -> impl Iterator<Item = IpAddr> {
    (0..count).map(move |number| Ipv6Addr::new(0x2001, 0xdb8, last, number, 0, 0, 0, 0).into())
}

fn all_with(addresses: impl Iterator<Item = IpAddr>, each: Past) -> Known {
    addresses.map(|address| (address, each)).collect()
}

/// Who stays of those that are known, and of a flood that came within one look.
fn stay_after(mut known: Known, flood: Known) -> BTreeSet<IpAddr> {
    let before = choose(&known, NOW_NS);
    for (address, past) in &mut known {
        past.is_proven = before.contains(address);
    }
    known.extend(flood);
    choose(&known, NOW_NS)
}

#[test]
fn who_has_no_past_does_not_stay() {
    let few = u32::try_from(PAST_LEAST).unwrap() - 1;
    let known = all_with(bots(100), past(1, few));
    assert!(choose(&known, NOW_NS).is_empty());
    let known = all_with(bots(100), past(1, few + 1));
    assert_eq!(choose(&known, NOW_NS).len(), 100);
    assert!(choose(&known, NOW_NS + SPANS as u64 * SPAN_NS).is_empty());
}

#[test]
fn many_with_few_push_out_nobody_with_many() {
    let known = all_with([balancer()].into_iter(), past(8, 500));
    for each in [past(1, 1), past(1, 10), past(8, 10), past(1, 4_000)] {
        let stay = stay_after(known.clone(), all_with(bots(100_000), each));
        assert!(stay.contains(&balancer()), "{each:?}");
        assert!(stay.len() <= PROVEN_MAX);
    }
    // That costs whoever has them four thousand times what it is worth.
    let stay = stay_after(known, all_with(bots(100_000), past(8, 501)));
    assert!(!stay.contains(&balancer()));
}

#[test]
fn of_equals_those_stay_that_were_there() {
    let known = all_with(site(1, 100), past(2, 5));
    let mut flood = all_with(bots(100_000), past(1, 20));
    flood.extend(all_with(site(0, 100), past(1, 20)));
    let stay = stay_after(known.clone(), flood);
    assert!(known.keys().all(|address| stay.contains(address)));
}

#[test]
fn one_network_has_a_part_of_the_places_while_others_want_them() {
    let known = all_with([balancer()].into_iter(), past(1, 10));
    let flood = all_with(site(0, u16::MAX), past(8, 1_000_000));
    let stay = stay_after(known.clone(), flood.clone());
    assert!(stay.contains(&balancer()));
    assert_eq!(stay.len(), PROVEN_MAX, "nobody else wants them");

    let mut known = known;
    let others = u32::try_from(PROVEN_MAX).unwrap() - 1;
    known.extend(all_with(bots(others), past(1, 10)));
    let stay = stay_after(known, flood.clone());
    let of_flood = stay.iter().filter(|address| flood.contains_key(address));
    assert_eq!(of_flood.count(), OF_ONE_NETWORK);
}

/// All of IPv4 comes by one prefix there: what one party may have of it has as many places as it has itself.
#[test]
fn hosts_behind_a_translator_are_of_networks_as_they_are_without() {
    let translated = |address: IpAddr| match address {
        IpAddr::V4(v4) => IpAddr::V6(Ipv6Addr::from_bits(
            0x64_ff9b << 96 | u128::from(v4.to_bits()),
        )),
        IpAddr::V6(_) => address,
    };
    let known = all_with(bots(1_000).map(translated), past(1, 10));
    assert_eq!(choose(&known, NOW_NS).len(), 1_000);
    let of_one_party = (0..=u16::MAX).map(|host| {
        let [third, fourth] = host.to_be_bytes();
        translated([198, 51, third, fourth].into())
    });
    let mut all = all_with(of_one_party, past(8, 1_000));
    let others = u32::try_from(PROVEN_MAX - OF_ONE_NETWORK).unwrap();
    let known = all_with(bots(others).map(translated), past(1, 10));
    all.extend(known.clone());
    let stay = choose(&all, NOW_NS);
    assert!(known.keys().all(|address| stay.contains(address)));
}
