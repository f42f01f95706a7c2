//! Both tables together: what is known of an address, and who goes from one to the other.

use super::proven::{self, Past};
use super::table::Table;
use aya::maps::MapError;
use detector_common::history::AddressHistory;
use detector_core::observe::peer_address::PeerAddress;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tables<T> {
    /// Those that came last.
    pub(super) recent: T,
    /// Those that stay.
    pub(super) proven: T,
}

/// Connections that ended well, and early.
pub(super) type Ends = (u64, u64);

impl<T: Table> Tables<T> {
    pub(super) fn known(&self) -> BTreeMap<IpAddr, Past> {
        let entries = self.recent.entries().filter_map(Result::ok);
        let mut known: BTreeMap<IpAddr, Past> = entries
            .map(|(address, history)| {
                let is_proven = false;
                (address, Past { history, is_proven })
            })
            .collect();
        for (address, history) in self.proven.entries().filter_map(Result::ok) {
            let past = known.entry(address).or_default();
            past.history = past.history.plus(&history);
            past.is_proven = true;
        }
        known
    }

    /// Chooses anew who stays.
    pub(super) fn choose(&mut self, now_ns: u64) -> Result<(), MapError> {
        self.restore(BTreeMap::new(), now_ns)
    }

    /// The same, with what was known before beside what has ended since.
    pub(super) fn restore(
        &mut self,
        before: BTreeMap<IpAddr, AddressHistory>,
        now_ns: u64,
    ) -> Result<(), MapError> {
        let mut known = self.known();
        for (address, history) in &before {
            let past = known.entry(*address).or_default();
            past.history = past.history.plus(history);
        }
        let chosen = proven::choose(&known, now_ns);
        // Those that go make room.
        let stayed = known.into_iter().filter(|(_, past)| past.is_proven);
        for (address, past) in stayed.filter(|(address, _)| !chosen.contains(address)) {
            let history = self.proven.take(address)?;
            if past.history.ended(now_ns) != (0, 0) {
                self.recent.add(address, history)?;
            }
        }
        for address in &chosen {
            self.proven.add(*address, self.recent.take(*address)?)?;
        }
        for (address, history) in before {
            let table = if chosen.contains(&address) {
                &mut self.proven
            } else {
                &mut self.recent
            };
            table.add(address, history)?;
        }
        Ok(())
    }

    pub(super) fn of_address(&self, address: IpAddr, now_ns: u64) -> Result<Ends, MapError> {
        sum([&self.proven, &self.recent].into_iter().map(|table| {
            let history = table.get(address)?;
            Ok(history.map_or((0, 0), |history| history.ended(now_ns)))
        }))
    }

    /// Addresses of IPv4 are asked for one by one; those of IPv6 are too many, so all are read.
    pub(super) fn of_range(&self, range: PeerAddress, now_ns: u64) -> Result<Ends, MapError> {
        match range.address() {
            IpAddr::V4(first) => {
                let last = first.to_bits() | u32::MAX.unbounded_shr(range.prefix_length().into());
                let addresses = first.to_bits()..=last;
                let addresses = addresses.map(|bits| Ipv4Addr::from_bits(bits).into());
                sum(addresses.map(|address| self.of_address(address, now_ns)))
            }
            IpAddr::V6(_) => {
                let is_of_it = |address: IpAddr| {
                    address.is_ipv6() && PeerAddress::of(address, range.prefix_length()) == range
                };
                let entries = self.proven.entries().chain(self.recent.entries());
                sum(entries.map(|entry| {
                    let (address, history) = entry?;
                    let ended = is_of_it(address).then(|| history.ended(now_ns));
                    Ok(ended.unwrap_or_default())
                }))
            }
        }
    }
}

fn sum(all: impl Iterator<Item = Result<Ends, MapError>>) -> Result<Ends, MapError> {
    let mut sum = (0, 0);
    for ended in all {
        let (well, early) = ended?;
        sum = (sum.0 + well, sum.1 + early);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests;
