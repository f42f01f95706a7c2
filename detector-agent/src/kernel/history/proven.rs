//! Whose past stays, however many others come: a balancer that is quiet at night must not be forgotten for
//! whoever has more addresses.
//!
//! Those stay whose past is worth most ([`AddressHistory::worth`]); of equals whoever stays already. So a
//! flood pushes an address out only if each of its own has ended more connections well, over as long: to be
//! rid of one with four thousand in a day takes four thousand addresses with as many each, or with thirty-two
//! thousand within three hours. One network has no more than a part of the places while others want them.

use detector_api::address::is_translated;
use detector_common::history::{AddressHistory, PROVEN_MAX};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// So many of one network, before others of it.
const OF_ONE_NETWORK: usize = PROVEN_MAX / 16;
/// What one party may have: that of a site with IPv6, 65,536 addresses of IPv4.
const PREFIX_V4: u32 = 16;
const PREFIX_V6: u32 = 48;
/// Addresses of IPv4 that a translator has put into IPv6.
const PREFIX_TRANSLATED: u32 = 96 + PREFIX_V4;

/// What is known of an address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    pub(super) history: AddressHistory,
    /// Whether it is one of those that stay already.
    pub(super) is_proven: bool,
}

/// Those that are to stay.
pub(super) fn choose(known: &BTreeMap<IpAddr, Past>, now_ns: u64) -> BTreeSet<IpAddr> {
    let ranked = known.iter().map(|(address, past)| {
        let worth = past.history.worth(now_ns);
        ((worth, past.is_proven), *address)
    });
    let mut ranked: Vec<_> = ranked.filter(|((worth, _), _)| *worth > 0).collect();
    ranked.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
    let (first, others): (Vec<_>, Vec<_>) = ranked.into_iter().partition(|(_, address)| {
        let before = of_network.entry(network_of(*address)).or_default();
        *before += 1;
        *before <= OF_ONE_NETWORK
    });
    let chosen = first.into_iter().chain(others).take(PROVEN_MAX);
    chosen.map(|(_, address)| address).collect()
}

fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let host = u32::MAX >> PREFIX_V4;
            Ipv4Addr::from_bits(v4.to_bits() & !host).into()
        }
        IpAddr::V6(v6) => {
            let prefix = if is_translated(v6) {
                PREFIX_TRANSLATED
            } else {
                PREFIX_V6
            };
            let host = u128::MAX >> prefix;
            Ipv6Addr::from_bits(v6.to_bits() & !host).into()
        }
    }
}

#[cfg(test)]
mod tests;
