//! Both tables together: what is known of an address, and who goes from one to the other.

use super::proven::{self, Past};
use super::table::Table;
use aya::maps::MapError;
use detector_api::address::NETWORK_V4;
use detector_common::history::{AddressHistory, Summary};
use detector_core::observe::peer_address::Network;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tables<T> {
    /// Those that came last.
    pub(super) recent: T,
    /// Those that stay.
    pub(super) proven: T,
}

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
            if !past.history.is_over(now_ns) {
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

    pub(super) fn of_address(&self, address: IpAddr, now_ns: u64) -> Result<Summary, MapError> {
        let mut known = AddressHistory::default();
        for table in [&self.proven, &self.recent] {
            known = known.plus(&table.get(address)?.unwrap_or_default());
        }
        Ok(known.summary(now_ns))
    }

    /// So many connections of an address are well at one time.
    pub(super) fn note_well(
        &mut self,
        address: IpAddr,
        connections: u64,
        now_ns: u64,
    ) -> Result<(), MapError> {
        let of_proven = self.proven.get(address)?;
        let table: &mut T = if of_proven.is_some() {
            &mut self.proven
        } else {
            &mut self.recent
        };
        let mut history = table.get(address)?.unwrap_or_default();
        if history.note_well(connections, now_ns) {
            table.put(address, history)?;
        }
        Ok(())
    }

    /// Asks for the addresses one by one.
    pub(super) fn of_v4_network(&self, first: Ipv4Addr, now_ns: u64) -> Result<Summary, MapError> {
        let last = first.to_bits() | u32::MAX.unbounded_shr(NETWORK_V4.into());
        let addresses = first.to_bits()..=last;
        let addresses = addresses.map(|bits| Ipv4Addr::from_bits(bits).into());
        let mut sum = Summary::default();
        for address in addresses {
            sum = sum.plus(self.of_address(address, now_ns)?);
        }
        Ok(sum)
    }

    /// The addresses of one are too many to ask for: both tables are read, once for all networks.
    pub(super) fn of_v6_networks(
        &self,
        networks: &BTreeSet<Network>,
        now_ns: u64,
    ) -> Result<BTreeMap<Network, Summary>, MapError> {
        let of_none = networks.iter().map(|each| (*each, Summary::default()));
        let mut ended: BTreeMap<Network, Summary> = of_none.collect();
        if networks.is_empty() {
            return Ok(ended);
        }
        for table in [&self.proven, &self.recent] {
            // The kernel begins anew where the entry that it is to go on from is gone.
            let mut seen = HashSet::new();
            for entry in table.entries() {
                let (address, history) = entry?;
                let Some(ends) = ended.get_mut(&Network::of(address)) else {
                    continue;
                };
                if seen.insert(address) {
                    *ends = ends.plus(history.summary(now_ns));
                }
            }
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests;
