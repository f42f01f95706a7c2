//! The key of a peer: the remote address without port, IPv6 cut to a prefix.

use detector_api::address::{is_translated, network_length};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A peer: an IPv4 address, or an IPv6 network (`/64` unless configured otherwise). Each address that a translator (NAT64)
/// has put in place of one of IPv4 is a peer of its own: else all of IPv4 would be one. It is not folded, for it is
/// the address that filters and `reset` see, and the same host may come over IPv4, too.
///
/// IPv4-mapped IPv6 addresses are folded to IPv4 here, once, so that no other place has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress {
    address: IpAddr,
    prefix_length: u8,
}

impl PeerAddress {
    /// The peer of a remote address; `ipv6_prefix` is 1 to 128 (clamped).
    #[must_use]
    pub fn of(address: IpAddr, ipv6_prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix_length = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(v6) if is_translated(v6) => 128,
            IpAddr::V6(_) => ipv6_prefix.clamp(1, 128),
        };
        Self::cut(address, prefix_length)
    }

    /// The network of this length, at least 1, around a folded address.
    const fn cut(address: IpAddr, prefix_length: u8) -> Self {
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX << (32 - prefix_length as u32);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX << (128 - prefix_length as u32);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Self {
            address,
            prefix_length,
        }
    }

    /// The address, or the first address of the network.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Length of the prefix: 32 for IPv4.
    #[must_use]
    pub const fn prefix_length(self) -> u8 {
        self.prefix_length
    }
}

/// The network an address belongs to, for peers that act together: IPv4 `/24`, also behind a translator, IPv6 `/48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(PeerAddress);

impl Network {
    /// The network above a peer; `None` if the peer is as large itself.
    pub(crate) fn above(peer: PeerAddress) -> Option<Self> {
        let is_network = peer.prefix_length <= network_length(peer.address);
        (!is_network).then(|| Self::of(peer.address))
    }

    /// The network of a folded address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        Self(PeerAddress::cut(address, network_length(address)))
    }

    /// Whether whoever lives there has addresses of his own: of IPv6, unless a translator has put them there.
    #[must_use]
    pub const fn is_without_nat(self) -> bool {
        matches!(self.0.address, IpAddr::V6(v6) if !is_translated(v6))
    }

    /// All its addresses, as one.
    #[must_use]
    pub const fn range(self) -> PeerAddress {
        self.0
    }
}

/// The bits of the address say nearly all; hashing them at once keeps a look-up cheap.
impl Hash for PeerAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(match self.address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        });
    }
}

/// `198.51.100.7`, `2001:db8:1:2::/64`.
impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(v4) => write!(formatter, "{v4}"),
            IpAddr::V6(v6) if self.prefix_length == 128 => write!(formatter, "{v6}"),
            IpAddr::V6(v6) => write!(formatter, "{v6}/{}", self.prefix_length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, PeerAddress};
    use detector_common::address::peer_of;
    use detector_common::settings::KernelSettings;
    use std::net::IpAddr;

    fn peer(text: &str) -> String {
        PeerAddress::of(text.parse().unwrap(), 64).to_string()
    }

    #[test]
    fn addresses_are_folded_and_cut() {
        assert_eq!(peer("198.51.100.7"), "198.51.100.7");
        assert_eq!(peer("::ffff:198.51.100.7"), "198.51.100.7");
        assert_eq!(peer("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        let whole = PeerAddress::of("2001:db8::1".parse().unwrap(), 128);
        assert_eq!(whole.to_string(), "2001:db8::1");
    }

    #[test]
    fn each_address_behind_a_translator_is_a_peer_of_its_own_as_both_sides_have_it() {
        for (address, name, network) in [
            (
                "64:ff9b::198.51.100.7",
                "64:ff9b::c633:6407",
                "64:ff9b::c633:6400/120",
            ),
            (
                "64:ff9b:1::198.51.100.7",
                "64:ff9b:1::c633:6407",
                "64:ff9b:1::c633:6400/120",
            ),
            (
                "64:ff9b:1:7:c6:3364:700::",
                "64:ff9b:1:7:c6:3364:700:0",
                "64:ff9b:1:7:c6:3364:700:0/120",
            ),
            (
                "64:ff9b:2::198.51.100.7",
                "64:ff9b:2::/64",
                "64:ff9b:2::/48",
            ),
            (
                "64:ff9b:0:1::198.51.100.7",
                "64:ff9b:0:1::/64",
                "64:ff9b::/48",
            ),
            ("2001:db8:1:2::7", "2001:db8:1:2::/64", "2001:db8:1::/48"),
            ("198.51.100.7", "198.51.100.7", "198.51.100.0/24"),
        ] {
            assert_eq!(peer(address), name);
            let address: IpAddr = address.parse().unwrap();
            let of_peer = PeerAddress::of(address, 64);
            let range = Network::above(of_peer).unwrap().range();
            let above = format!("{}/{}", range.address(), range.prefix_length());
            assert_eq!(above, network);
            let bytes = |address: IpAddr| match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            let mask = KernelSettings::ipv6_mask(64);
            let in_the_kernel = peer_of(bytemuck::cast(bytes(address)), mask);
            let here = bytes(of_peer.address());
            assert_eq!(bytemuck::cast::<_, [u8; 16]>(in_the_kernel), here);
        }
    }

    #[test]
    fn a_network_has_the_peers_above_which_it_is() {
        for (peer, range) in [
            ("198.51.100.7", "198.51.100.0"),
            ("2001:db8:1:2::7", "2001:db8:1::"),
        ] {
            let peer = PeerAddress::of(peer.parse().unwrap(), 128);
            let network = Network::above(peer).unwrap();
            assert_eq!(network.range().address().to_string(), range);
            assert_eq!(Network::of(network.range().address()), network);
        }
        let of_prefix = |prefix| PeerAddress::of("2001:db8::".parse().unwrap(), prefix);
        assert!(Network::above(of_prefix(64)).is_some());
        assert_eq!(Network::above(of_prefix(48)), None);
    }
}
