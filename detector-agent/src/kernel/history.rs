//! How connections of addresses have ended over the past hours, as the kernel side counts it.

use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapError};
use detector_common::history::{AddressHistory, ENTRIES_MAX};
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::MonotonicTime;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// [`AddressHistory`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Ended(AddressHistory);

// SAFETY: plain bytes, each of which may have any value.
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Ended {}

/// An address, IPv4 mapped, or the first one of a network.
type Key = [u8; 16];

/// The map. Behind a lock of its own, so that long answers keep nobody else from the kernel side.
pub(crate) struct History(Mutex<HashMap<MapData, Key, Ended>>);

/// Connections that ended well, and early.
type Ends = (u64, u64);

impl TryFrom<Map> for History {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        map.try_into().map(|map| Self(Mutex::new(map)))
    }
}

impl History {
    /// How the connections of a suspect have ended by `now`; `None` if that cannot be read.
    pub(crate) fn of(&self, suspect: Suspect, now: MonotonicTime) -> Option<Ends> {
        let map = self.map();
        let ended = match suspect {
            Suspect::Peer(peer) => of_key(&map, &key(peer.address()), now),
            Suspect::Network(network) => of_range(&map, network.range(), now),
        };
        let told = ended.inspect_err(|error| {
            let range = suspect.range();
            tracing::debug!("the history of {range} cannot be read: {error}");
        });
        told.ok()
    }

    /// All that is known. An address that gives way to another meanwhile may be missing.
    pub(crate) fn all(&self) -> BTreeMap<IpAddr, AddressHistory> {
        let map = self.map();
        // The kernel begins anew where the entry that it is to go on from is gone.
        let entries = map.iter().take(2 * ENTRIES_MAX).filter_map(Result::ok);
        let entries = entries.map(|(key, ended)| (IpAddr::from(key).to_canonical(), ended.0));
        entries.collect()
    }

    /// Takes over what was known of an address, unless something is known already.
    pub(crate) fn restore(&self, address: IpAddr, history: AddressHistory) -> Result<(), MapError> {
        /// `BPF_NOEXIST`.
        const ONLY_NEW: u64 = 1;
        match self.map().insert(key(address), Ended(history), ONLY_NEW) {
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::AlreadyExists =>
            {
                Ok(())
            }
            result => result,
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<MapData, Key, Ended>> {
        // Whoever panicked left the map as the kernel has it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_key(
    map: &HashMap<MapData, Key, Ended>,
    key: &Key,
    now: MonotonicTime,
) -> Result<Ends, MapError> {
    match map.get(key, 0) {
        Ok(ended) => Ok(ended.0.ended(now.as_ns())),
        Err(MapError::KeyNotFound) => Ok((0, 0)),
        Err(error) => Err(error),
    }
}

/// Addresses of IPv4 are asked for one by one; those of IPv6 are too many, so the whole map is read.
fn of_range(
    map: &HashMap<MapData, Key, Ended>,
    range: PeerAddress,
    now: MonotonicTime,
) -> Result<Ends, MapError> {
    match range.address() {
        IpAddr::V4(first) => {
            let last = first.to_bits() | u32::MAX.unbounded_shr(range.prefix_length().into());
            let addresses = (first.to_bits()..=last).map(|bits| Ipv4Addr::from_bits(bits).into());
            sum(addresses.map(|address| of_key(map, &key(address), now)))
        }
        IpAddr::V6(_) => {
            let is_of_it = |key: &Key| {
                let address = IpAddr::from(*key);
                PeerAddress::of(address, range.prefix_length()) == range
            };
            let entries = map
                .iter()
                .take(2 * ENTRIES_MAX)
                .filter(|entry| entry.as_ref().map_or(true, |(key, _)| is_of_it(key)));
            sum(entries.map(|entry| entry.map(|(_, ended)| ended.0.ended(now.as_ns()))))
        }
    }
}

fn key(address: IpAddr) -> Key {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
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
