//! How connections of addresses have ended over the past hours, as the kernel side counts it.
//!
//! In one table whoever came last pushes out whoever came no more; in the other are those whose past says
//! most ([`proven`]), each address in one of the two.

mod proven;
mod table;
mod tables;

use crate::kernel::failure::StartError;
use crate::kernel::take_map;
use crate::lock::lock;
use aya::Ebpf;
use aya::maps::MapError;
use detector_common::history::AddressHistory;
use detector_common::names;
use detector_core::observe::census::Suspect;
use detector_core::time::MonotonicTime;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use table::Map;
use tables::{Ends, Tables};

/// The maps. Behind a lock of their own, so that long answers keep nobody else from the kernel side.
pub(crate) struct History(Mutex<Tables<Map>>);

impl History {
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, StartError> {
        Ok(Self(Mutex::new(Tables {
            recent: take_map(ebpf, names::HISTORY_MAP)?,
            proven: take_map(ebpf, names::PROVEN_MAP)?,
        })))
    }

    /// How the connections of suspects have ended by `now`, of those of whom that can be read.
    pub(crate) fn of_suspects(
        &self,
        suspects: impl Iterator<Item = Suspect>,
        now: MonotonicTime,
    ) -> HashMap<Suspect, Ends> {
        let tables = self.tables();
        let (mut ended, mut wide) = (HashMap::new(), BTreeSet::new());
        for suspect in suspects {
            let of_suspect = match suspect {
                Suspect::Peer(peer) => tables.of_address(peer.address(), now.as_ns()),
                Suspect::Network(network) => match network.range().address() {
                    IpAddr::V4(first) => tables.of_v4_network(first, now.as_ns()),
                    IpAddr::V6(_) => {
                        wide.insert(network);
                        continue;
                    }
                },
            };
            match of_suspect {
                Ok(ends) => drop(ended.insert(suspect, ends)),
                Err(error) => {
                    let range = suspect.range();
                    tracing::debug!("the history of {range} cannot be read: {error}");
                }
            }
        }
        match tables.of_v6_networks(&wide, now.as_ns()) {
            Ok(of_networks) => {
                let of_networks = of_networks.into_iter();
                ended.extend(of_networks.map(|(network, ends)| (Suspect::Network(network), ends)));
            }
            Err(error) => tracing::debug!("the history of networks cannot be read: {error}"),
        }
        ended
    }

    /// All that is known. An address that gives way to another meanwhile may be missing.
    pub(crate) fn all(&self) -> BTreeMap<IpAddr, AddressHistory> {
        let known = self.tables().known();
        let known = known.into_iter();
        known
            .map(|(address, past)| (address, past.history))
            .collect()
    }

    /// Chooses anew who stays, by what is known at `now`.
    pub(crate) fn choose(&self, now: MonotonicTime) -> Result<(), MapError> {
        self.tables().choose(now.as_ns())
    }

    /// Takes over what an agent before knew, beside what has ended since.
    pub(crate) fn restore(
        &self,
        known: BTreeMap<IpAddr, AddressHistory>,
        now: MonotonicTime,
    ) -> Result<(), MapError> {
        self.tables().restore(known, now.as_ns())
    }

    fn tables(&self) -> MutexGuard<'_, Tables<Map>> {
        // Whoever panicked left the maps as the kernel has them.
        lock(&self.0)
    }
}
