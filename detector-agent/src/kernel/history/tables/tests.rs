use super::{Table, Tables};
use aya::maps::MapError;
use detector_common::history::{AddressHistory, HistorySpan, PROVEN_MAX, SPAN_NS, SPANS, Summary};
use detector_core::observe::peer_address::Network;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses, and whether it is read from the beginning once more, as the kernel does where the entry that it
/// is to go on from is gone.
#[derive(Debug, Default)]
struct Fake(BTreeMap<IpAddr, AddressHistory>, bool);

impl Table for Fake {
    fn get(&self, address: IpAddr) -> Result<Option<AddressHistory>, MapError> {
        Ok(self.0.get(&address).copied())
    }

    fn put(&mut self, address: IpAddr, history: AddressHistory) -> Result<(), MapError> {
        self.0.insert(address, history);
        Ok(())
    }

    fn remove(&mut self, address: IpAddr) -> Result<(), MapError> {
        let removed = self.0.remove(&address);
        removed.map(drop).ok_or(MapError::KeyNotFound)
    }

    fn entries(&self) -> impl Iterator<Item = Result<(IpAddr, AddressHistory), MapError>> {
        let anew = self.0.iter().filter(|_| self.1);
        let entries = self.0.iter().chain(anew);
        entries.map(|(address, history)| Ok((*address, *history)))
    }
}

/// As the kernel side counts so many that end well in this span.
fn end(tables: &mut Tables<Fake>, address: IpAddr, span: u32, ended_well: u32) {
    let mut history = AddressHistory::default();
    history.spans[span as usize % SPANS] = HistorySpan {
        ended_well,
        ..HistorySpan::of(span)
    };
    let table = if tables.proven.0.contains_key(&address) {
        &mut tables.proven
    } else {
        &mut tables.recent
    };
    table.add(address, history).unwrap();
}

const fn ended_well(ended_well: u64) -> Summary {
    Summary {
        ended_well,
        ended_early: 0,
        seen_well: 0,
    }
}

const fn at(span: u32) -> u64 {
    span as u64 * SPAN_NS
}

fn balancer() -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 7, 1, 0, 0, 0, 0).into()
}

#[test]
fn a_day_of_floods_forgets_nobody_with_a_past() {
    let mut tables = Tables::default();
    let last = 110;
    for span in 103..=last {
        end(&mut tables, balancer(), span, 100);
        tables.choose(at(span)).unwrap();
        // Others push out all that came last, hour by hour.
        tables.recent.0.clear();
        for number in 0..5_000 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 8, number, 0, 0, 0, 0);
            end(&mut tables, address.into(), span, 20);
        }
        tables.choose(at(span)).unwrap();
    }
    assert_eq!(
        tables.of_address(balancer(), at(last)).unwrap(),
        ended_well(800)
    );
    let network = Network::of(balancer());
    let nobody = Network::of(Ipv6Addr::new(0x2001, 0xdb8, 9, 1, 0, 0, 0, 0).into());
    let of_networks = tables.of_v6_networks(&[network, nobody].into(), at(last));
    let expected = [(network, ended_well(800)), (nobody, ended_well(0))];
    assert_eq!(of_networks.unwrap(), expected.into());
    // Nothing ended on the day that follows.
    let next_day = last + 8;
    tables.choose(at(next_day)).unwrap();
    assert!(tables.proven.0.is_empty());
    assert_eq!(tables.recent.0.get(&balancer()), None);
}

/// What has ended at all addresses of a network counts, in whichever table each is.
#[test]
fn a_network_has_the_past_of_all_its_addresses() {
    let mut tables = Tables::default();
    for host in 0..20 {
        end(
            &mut tables,
            Ipv4Addr::new(198, 51, 100, 240 - host).into(),
            100,
            1,
        );
        end(
            &mut tables,
            Ipv6Addr::new(0x2001, 0xdb8, 7, host.into(), 0, 0, 0, 0).into(),
            100,
            2,
        );
    }
    end(&mut tables, Ipv4Addr::new(198, 51, 101, 7).into(), 100, 1);
    end(
        &mut tables,
        Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 0).into(),
        100,
        1,
    );
    tables.choose(at(100)).unwrap();
    end(&mut tables, Ipv4Addr::new(198, 51, 100, 241).into(), 100, 1);
    let of_v4 = tables.of_v4_network(Ipv4Addr::new(198, 51, 100, 0), at(100));
    assert_eq!(of_v4.unwrap(), ended_well(21));
    let network = Network::of(balancer());
    tables.recent.1 = true;
    let of_v6 = tables.of_v6_networks(&[network].into(), at(100));
    assert_eq!(of_v6.unwrap(), [(network, ended_well(40))].into());
}

#[test]
fn who_stays_no_more_is_one_of_many_again() {
    let mut tables = Tables::default();
    end(&mut tables, balancer(), 100, 10);
    tables.choose(at(100)).unwrap();
    assert!(tables.recent.0.is_empty());
    end(&mut tables, balancer(), 101, 5);
    tables.choose(at(108)).unwrap();
    assert!(tables.proven.0.is_empty());
    assert_eq!(
        tables.of_address(balancer(), at(108)).unwrap(),
        ended_well(5)
    );
}

/// Between the start of the hooks and the reading of the file some have ended already.
#[test]
fn what_was_known_before_is_added_to_what_has_ended_since() {
    for (number, stays) in [(9, true), (8, false)] {
        let mut tables = Tables::default();
        end(&mut tables, balancer(), 99, number);
        let before = std::mem::take(&mut tables.recent.0);
        end(&mut tables, balancer(), 100, 1);
        tables.restore(before, at(100)).unwrap();
        assert_eq!(tables.proven.0.len(), usize::from(stays));
        let ended = tables.of_address(balancer(), at(100)).unwrap();
        assert_eq!(ended, ended_well(u64::from(number) + 1));
    }
}

/// A clock that was behind is set while the agent runs.
#[test]
fn what_is_known_late_takes_the_place_of_who_is_worth_less() {
    let mut tables = Tables::default();
    for number in 0..=PROVEN_MAX as u128 {
        let address = Ipv6Addr::from_bits((0x2001_0db8_0009 << 80) + (number << 80));
        end(&mut tables, address.into(), 100, 10);
    }
    tables.choose(at(100)).unwrap();
    assert_eq!(
        (tables.proven.0.len(), tables.recent.0.len()),
        (PROVEN_MAX, 1)
    );
    let mut before = Tables::default();
    end(&mut before, balancer(), 99, 100);
    tables.restore(before.recent.0, at(100)).unwrap();
    assert!(tables.proven.0.contains_key(&balancer()));
    assert_eq!(
        (tables.proven.0.len(), tables.recent.0.len()),
        (PROVEN_MAX, 2)
    );
}

/// Those of a pool live for days: none has ended.
#[test]
fn what_was_seen_well_is_known_in_whichever_table_it_is_and_stays() {
    let mut tables = Tables::default();
    let seen_well = |seen_well| Summary {
        seen_well,
        ..Summary::default()
    };
    let of_pool = |tables: &Tables<Fake>, span| tables.of_address(balancer(), at(span)).unwrap();
    tables.note_well(balancer(), 24, at(100)).unwrap();
    assert_eq!(of_pool(&tables, 100), seen_well(24));
    tables.choose(at(100)).unwrap();
    assert!(tables.recent.0.is_empty() && tables.proven.0.contains_key(&balancer()));
    tables.note_well(balancer(), 20, at(101)).unwrap();
    assert!(tables.recent.0.is_empty(), "each address is in one table");
    assert_eq!(of_pool(&tables, 101), seen_well(24));
    assert_eq!(of_pool(&tables, 108), seen_well(20));
    let network = Network::of(balancer());
    let of_network = tables.of_v6_networks(&[network].into(), at(101)).unwrap();
    assert_eq!(of_network[&network], seen_well(24));
    tables.choose(at(109)).unwrap();
    assert!(tables.proven.0.is_empty() && tables.recent.0.is_empty());
    // Of fewer nothing is said, and their place is for whoever came last.
    tables.note_well(balancer(), 9, at(109)).unwrap();
    tables.choose(at(109)).unwrap();
    assert!(tables.proven.0.is_empty());
}
