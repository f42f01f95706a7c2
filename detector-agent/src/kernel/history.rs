//! How connections of addresses have ended over the past hours, as the kernel side counts it.

use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapError};
use detector_common::history::AddressHistory;
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::MonotonicTime;
use std::net::{IpAddr, Ipv4Addr};

/// [`AddressHistory`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Ended(AddressHistory);

// SAFETY: plain bytes, each of which may have any value.
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Ended {}

/// An address, IPv4 mapped, or the first one of a network.
type Key = [u8; 16];

/// The map.
pub(super) struct History(HashMap<MapData, Key, Ended>);

/// Connections that ended well, and early.
type Ends = (u64, u64);

impl TryFrom<Map> for History {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        map.try_into().map(Self)
    }
}

impl History {
    /// How the connections of a suspect have ended.
    pub(super) fn of(&self, suspect: Suspect, now: MonotonicTime) -> Result<Ends, MapError> {
        match suspect {
            Suspect::Peer(peer) => self.of_key(&key(peer.address()), now),
            Suspect::Network(network) => self.of_range(network.range(), now),
        }
    }

    fn of_key(&self, key: &Key, now: MonotonicTime) -> Result<Ends, MapError> {
        match self.0.get(key, 0) {
            Ok(ended) => Ok(ended.0.ended(now.as_ns())),
            Err(MapError::KeyNotFound) => Ok((0, 0)),
            Err(error) => Err(error),
        }
    }

    /// Addresses of IPv4 are asked for one by one; those of IPv6 are too many, so the whole map is read.
    fn of_range(&self, range: PeerAddress, now: MonotonicTime) -> Result<Ends, MapError> {
        match range.address() {
            IpAddr::V4(first) => {
                let last = first.to_bits() | u32::MAX.unbounded_shr(range.prefix_length().into());
                let addresses =
                    (first.to_bits()..=last).map(|bits| Ipv4Addr::from_bits(bits).into());
                sum(addresses.map(|address| self.of_key(&key(address), now)))
            }
            IpAddr::V6(_) => {
                let is_of_it = |key: &Key| {
                    let address = IpAddr::from(*key);
                    PeerAddress::of(address, range.prefix_length()) == range
                };
                let entries = self
                    .0
                    .iter()
                    .filter(|entry| entry.as_ref().map_or(true, |(key, _)| is_of_it(key)));
                sum(entries.map(|entry| entry.map(|(_, ended)| ended.0.ended(now.as_ns()))))
            }
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
