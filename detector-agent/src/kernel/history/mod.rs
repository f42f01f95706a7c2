//! How connections of addresses have ended over the past hours, as the kernel side counts it.
//!
//! In one table whoever came last pushes out whoever came no more; in the other are those whose past says
//! most ([`proven`]), each address in one of the two. What has ended in networks of strangers is apart ([`elsewhere`]).

mod elsewhere;
mod proven;
mod table;
mod tables;

use crate::kernel::failure::StartError;
use crate::kernel::take_map;
use crate::lock::lock;
use aya::Ebpf;
use aya::maps::MapError;
use detector_common::history::{AddressHistory, Summary};
use detector_common::names;
use detector_core::engine::CensusWanted;
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::MonotonicTime;
use elsewhere::Elsewhere;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use table::Map;
use tables::Tables;

/// The maps. Behind a lock of their own, so that long answers keep nobody else from the kernel side.
pub(crate) struct History {
    tables: Mutex<Tables<Map>>,
    elsewhere: Elsewhere<elsewhere::Map>,
}

impl History {
    /// With the seed that the kernel side has.
    pub(super) fn of(ebpf: &mut Ebpf, seed: u64) -> Result<Self, StartError> {
        Ok(Self {
            tables: Mutex::new(Tables {
                recent: take_map(ebpf, names::HISTORY_MAP)?,
                proven: take_map(ebpf, names::PROVEN_MAP)?,
            }),
            elsewhere: Elsewhere {
                places: take_map(ebpf, names::ELSEWHERE_MAP)?,
                seed,
            },
        })
    }

    /// What the past of suspects comes to by `now`, of those of whom that can be read.
    pub(crate) fn of_suspects<'a>(
        &self,
        suspects: impl Iterator<Item = &'a CensusWanted>,
        now: MonotonicTime,
    ) -> HashMap<Suspect, Summary> {
        let tables = self.tables();
        let (mut past, mut wide, mut elsewhere) =
            (HashMap::new(), BTreeSet::new(), BTreeMap::new());
        for wanted in suspects {
            let of_suspect = match wanted.suspect {
                Suspect::Peer(peer) => {
                    let address = peer.address();
                    let on_our_way = tables.of_address(address, now.as_ns());
                    if wanted.is_on_our_way {
                        on_our_way
                    } else {
                        on_our_way.and_then(|past| {
                            let namespaces = &wanted.namespaces;
                            let there = self.elsewhere.of_address(address, namespaces, now.as_ns());
                            there.map(|there| past.plus(there))
                        })
                    }
                }
                Suspect::Network(network) => {
                    if !wanted.is_on_our_way {
                        elsewhere.insert(network, &wanted.namespaces[..]);
                    }
                    match network.range().address() {
                        IpAddr::V4(first) => tables.of_v4_network(first, now.as_ns()),
                        IpAddr::V6(_) => {
                            wide.insert(network);
                            continue;
                        }
                    }
                }
            };
            match of_suspect {
                Ok(of_suspect) => drop(past.insert(wanted.suspect, of_suspect)),
                Err(error) => {
                    let range = wanted.suspect.range();
                    tracing::debug!("the history of {range} cannot be read: {error}");
                }
            }
        }
        match tables.of_v6_networks(&wide, now.as_ns()) {
            Ok(of_networks) => {
                let of_networks = of_networks.into_iter();
                past.extend(of_networks.map(|(network, past)| (Suspect::Network(network), past)));
            }
            Err(error) => tracing::debug!("the history of networks cannot be read: {error}"),
        }
        match self.elsewhere.of_networks(&elsewhere, now.as_ns()) {
            Ok(of_networks) => {
                for (network, there) in of_networks {
                    let known = past.get_mut(&Suspect::Network(network));
                    known.into_iter().for_each(|past| *past = past.plus(there));
                }
            }
            Err(error) => {
                tracing::debug!("the history of networks elsewhere cannot be read: {error}");
            }
        }
        past
    }

    /// So many connections of these peers are well now.
    pub(crate) fn note_well(&self, well: &[(PeerAddress, u64)], now: MonotonicTime) {
        let mut tables = self.tables();
        for (peer, connections) in well {
            if let Err(error) = tables.note_well(peer.address(), *connections, now.as_ns()) {
                tracing::debug!("that {peer} was well cannot be kept: {error}");
            }
        }
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
        lock(&self.tables)
    }
}
