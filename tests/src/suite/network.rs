//! Address plan of the suite: each scenario has networks of its own, so that what the agent says
//! of an address belongs to one scenario, and no two scenarios are one crowd.

use crate::lab::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First words of the IPv6 networks: documentation addresses (RFC 3849).
const V6_PREFIX: [u16; 2] = [0x2001, 0xdb8];
/// Added to a network's number to get the `/64` of its server, which is no peer of the scenario.
const V6_SERVERS: u16 = 0xff00;

/// One `/24` of 100.64.0.0/10 (RFC 6598) or one `/64` of 2001:db8::/32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    family: Family,
    /// Tells processes apart: stories of another one may run on the same machine.
    process: u32,
    number: u8,
}

impl Network {
    pub(crate) const fn new(family: Family, process: u32, number: u8) -> Self {
        Self {
            family,
            process,
            number,
        }
    }

    /// The network `count` further on.
    pub(crate) const fn further(self, count: u8) -> Self {
        Self {
            number: self.number + count,
            ..self
        }
    }

    pub(crate) const fn number(self) -> u8 {
        self.number
    }

    /// The server's address for the scenario that owns the network.
    pub(crate) fn server(self) -> IpAddr {
        match self.family {
            Family::V4 => self.v4(1),
            Family::V6 => self.v6(V6_SERVERS + u16::from(self.number), 1),
        }
    }

    /// Address of a peer, `host` from 2 to 254.
    pub(crate) fn peer(self, host: u8) -> IpAddr {
        match self.family {
            Family::V4 => self.v4(host),
            Family::V6 => self.v6(self.number.into(), host.into()),
        }
    }

    /// As `ip route` writes it.
    pub(crate) fn route(self) -> String {
        match self.family {
            Family::V4 => format!("{}/24", self.v4(0)),
            Family::V6 => format!("{}/64", self.v6(self.number.into(), 0)),
        }
    }

    /// Number of the network an agent's peer belongs to, if it is one of `process`.
    pub(crate) fn number_of(peer: &str, process: u32) -> Option<(Family, u8)> {
        let text = peer.split('/').next()?;
        let found = match text.parse().ok()? {
            IpAddr::V4(address) => (Family::V4, address.octets()[2]),
            IpAddr::V6(address) => (Family::V6, u8::try_from(address.segments()[3]).ok()?),
        };
        let (family, number) = found;
        let network = Self::new(family, process, number);
        let host = text.parse::<IpAddr>().ok()?;
        let is_ours = match host {
            IpAddr::V4(v4) => host != network.server() && network.v4(v4.octets()[3]) == host,
            IpAddr::V6(_) => network.v6(number.into(), 0) == host,
        };
        is_ours.then_some(found)
    }

    fn v4(self, host: u8) -> IpAddr {
        let [.., low] = self.process.to_be_bytes();
        Ipv4Addr::new(100, 64 + low % 64, self.number, host).into()
    }

    fn v6(self, network: u16, host: u16) -> IpAddr {
        let [_, _, high, low] = self.process.to_be_bytes();
        let run = u16::from_be_bytes([high, low]);
        let [first, second] = V6_PREFIX;
        Ipv6Addr::new(first, second, run, network, 0, 0, 0, host).into()
    }
}

#[cfg(test)]
mod tests {
    use super::Network;
    use crate::lab::{Family, peer_key};

    #[test]
    fn a_peer_is_found_by_its_network_and_a_server_is_none() {
        for family in [Family::V4, Family::V6] {
            let network = Network::new(family, 70_000, 200);
            let of = |address| Network::number_of(&peer_key(address), 70_000);
            assert_eq!(of(network.peer(7)), Some((family, 200)));
            assert_eq!(of(network.further(3).peer(2)), Some((family, 203)));
            let stranger = Network::new(family, 70_001, 200).peer(7);
            assert_eq!(of(stranger), None);
        }
        for family in [Family::V4, Family::V6] {
            let server = Network::new(family, 70_000, 200).server();
            assert_eq!(Network::number_of(&peer_key(server), 70_000), None);
        }
    }
}
