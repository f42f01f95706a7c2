//! The key of a peer: the remote address without port, IPv6 cut to a prefix.

use detector_api::address::{NETWORK_V4, NETWORK_V6};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A peer: an IPv4 address, or an IPv6 network (`/64` unless configured otherwise).
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
        match address.to_canonical() {
            IpAddr::V4(v4) => Self {
                address: IpAddr::V4(v4),
                prefix_length: 32,
            },
            IpAddr::V6(v6) => {
                let prefix_length = ipv6_prefix.clamp(1, 128);
                let mask = u128::MAX << (128 - u32::from(prefix_length));
                let network = Ipv6Addr::from_bits(v6.to_bits() & mask);
                Self {
                    address: IpAddr::V6(network),
                    prefix_length,
                }
            }
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

/// The network an address belongs to, for peers that act together: IPv4 `/24`, IPv6 `/48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    bits: u128,
    is_v4: bool,
}

impl Network {
    /// The network above a peer; `None` if the peer is as large itself.
    pub(crate) fn above(peer: PeerAddress) -> Option<Self> {
        let is_v6 = peer.address.is_ipv6();
        let is_network = is_v6 && peer.prefix_length <= NETWORK_V6;
        (!is_network).then(|| Self::of(peer.address))
    }

    /// The network of a folded address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self {
                bits: (v4.to_bits() >> (32 - NETWORK_V4)) as u128,
                is_v4: true,
            },
            IpAddr::V6(v6) => Self {
                bits: v6.to_bits() >> (128 - NETWORK_V6),
                is_v4: false,
            },
        }
    }
}

impl Network {
    /// All its addresses, as one.
    #[must_use]
    pub const fn range(self) -> PeerAddress {
        if self.is_v4 {
            let [.., first, second, third] = self.bits.to_be_bytes();
            PeerAddress {
                address: IpAddr::V4(Ipv4Addr::new(first, second, third, 0)),
                prefix_length: NETWORK_V4,
            }
        } else {
            let bits = self.bits << (128 - NETWORK_V6);
            PeerAddress {
                address: IpAddr::V6(Ipv6Addr::from_bits(bits)),
                prefix_length: NETWORK_V6,
            }
        }
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
