//! Addresses and networks as people and rows write them.

use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address or network as written in a row or by a user: `203.0.113.7`, `2001:db8::/64`.
pub fn network_of(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => fold(network.trunc()),
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()),
    };
    Some(network)
}

/// Prefix length of the network that an IPv4 address belongs to, for peers that act together.
pub const NETWORK_V4: u8 = 24;
/// The same for IPv6: what a site commonly gets, or a few hundred customers of a provider.
pub const NETWORK_V6: u8 = 48;
/// The same for addresses of IPv4 that a translator has put into IPv6: as for those.
pub const NETWORK_TRANSLATED: u8 = 128 - 32 + NETWORK_V4;

/// Whether a translator (NAT64) has put it in place of an address of IPv4: in `64:ff9b::/96` (RFC 6052), or in
/// `64:ff9b:1::/48` in whichever form (RFC 8215). Each is a host of its own, and named as it is on the wire.
#[must_use]
pub const fn is_translated(address: Ipv6Addr) -> bool {
    matches!(
        address.segments(),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..]
    )
}

/// Prefix length of the network that an address belongs to, for peers that act together.
#[must_use]
pub const fn network_length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => NETWORK_V4,
        IpAddr::V6(v6) if is_translated(v6) => NETWORK_TRANSLATED,
        IpAddr::V6(_) => NETWORK_V6,
    }
}

/// The network that a peer of this name belongs to; of one that is larger itself, that one.
#[must_use]
pub fn network_around(peer: &str) -> Option<IpNet> {
    let network = network_of(peer)?;
    let length = network.prefix_len().min(network_length(network.addr()));
    let around = IpNet::new(network.addr(), length).ok()?;
    Some(around.trunc())
}

/// Whether the peer of this name lies in `wanted`, or is itself a network that `wanted` lies in.
#[must_use]
pub fn concerns(peer: &str, wanted: IpNet) -> bool {
    network_of(peer).is_some_and(|peer| peer.contains(&wanted) || wanted.contains(&peer))
}

/// The same with or without a port, 0 if there is none.
pub fn endpoint_of(text: &str) -> Option<(IpNet, u16)> {
    if let Some(network) = network_of(text) {
        return Some((network, 0));
    }
    let endpoint: SocketAddr = text.parse().ok()?;
    Some((IpNet::from(endpoint.ip().to_canonical()), endpoint.port()))
}

/// `::ffff:10.0.0.0/104` means `10.0.0.0/8`: no folded address would match the former.
#[must_use]
pub fn fold(network: IpNet) -> IpNet {
    const MAPPED_PREFIX: u8 = 96;
    let IpNet::V6(v6) = network else {
        return network;
    };
    let Some(address) = v6.addr().to_ipv4_mapped() else {
        return network;
    };
    let Some(prefix_length) = v6.prefix_len().checked_sub(MAPPED_PREFIX) else {
        return network;
    };
    Ipv4Net::new(address, prefix_length).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::network_around;

    #[test]
    fn a_network_is_as_large_as_its_addresses_are_of_hosts() {
        for (peer, network) in [
            ("198.51.100.7", "198.51.100.0/24"),
            ("2001:db8:1:2::/64", "2001:db8:1::/48"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("64:ff9b::c633:6407", "64:ff9b::c633:6400/120"),
            ("64:ff9b:1::c633:6407", "64:ff9b:1::c633:6400/120"),
            ("64:ff9b:2:7::/64", "64:ff9b:2::/48"),
        ] {
            assert_eq!(network_around(peer).unwrap().to_string(), network);
        }
    }
}
