//! One table of addresses and how their connections have ended.

use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use detector_common::history::{AddressHistory, ENTRIES_MAX};
use std::net::IpAddr;

/// See the module. What the kernel side counts between a look and what comes of it is lost: counts are lower
/// bounds.
pub(super) trait Table {
    fn get(&self, address: IpAddr) -> Result<Option<AddressHistory>, MapError>;

    fn put(&mut self, address: IpAddr, history: AddressHistory) -> Result<(), MapError>;

    fn remove(&mut self, address: IpAddr) -> Result<(), MapError>;

    fn entries(&self) -> impl Iterator<Item = Result<(IpAddr, AddressHistory), MapError>>;

    /// Takes an address out, with what is known of it: nothing if it is not there any more.
    fn take(&mut self, address: IpAddr) -> Result<AddressHistory, MapError> {
        let Some(history) = self.get(address)? else {
            return Ok(AddressHistory::default());
        };
        match self.remove(address) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(history),
            Err(error) => Err(error),
        }
    }

    /// Adds to what is known of an address.
    fn add(&mut self, address: IpAddr, history: AddressHistory) -> Result<(), MapError> {
        if history == AddressHistory::default() {
            return Ok(());
        }
        let known = self.get(address)?.unwrap_or_default();
        self.put(address, known.plus(&history))
    }
}

/// [`AddressHistory`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Ended(AddressHistory);

// SAFETY: plain bytes, each of which may have any value.
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Ended {}

/// An address, IPv4 mapped, or the first one of a network.
pub(super) type Key = [u8; 16];

/// The kernel's.
pub(super) struct Map(HashMap<MapData, Key, Ended>);

impl TryFrom<aya::maps::Map> for Map {
    type Error = MapError;

    fn try_from(map: aya::maps::Map) -> Result<Self, MapError> {
        map.try_into().map(Self)
    }
}

impl Table for Map {
    fn get(&self, address: IpAddr) -> Result<Option<AddressHistory>, MapError> {
        match self.0.get(&key(address), 0) {
            Ok(ended) => Ok(Some(ended.0)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put(&mut self, address: IpAddr, history: AddressHistory) -> Result<(), MapError> {
        self.0.insert(key(address), Ended(history), 0)
    }

    fn remove(&mut self, address: IpAddr) -> Result<(), MapError> {
        self.0.remove(&key(address))
    }

    fn entries(&self) -> impl Iterator<Item = Result<(IpAddr, AddressHistory), MapError>> {
        // The kernel begins anew where the entry that it is to go on from is gone.
        let entries = self.0.iter().take(2 * ENTRIES_MAX);
        entries.map(|entry| entry.map(|(key, ended)| (address_of(key), ended.0)))
    }
}

/// As the kernel side has it.
pub(super) fn key(address: IpAddr) -> Key {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

pub(super) fn address_of(key: Key) -> IpAddr {
    IpAddr::from(key).to_canonical()
}
