//! Which case has which addresses: each has networks of its own, so that what an agent says of an
//! address belongs to one case, and no two cases are one crowd.

use crate::network::{Family, documentation, peer_key};
use std::net::{IpAddr, Ipv4Addr};

/// Number of the IPv6 network that has all servers, each in a `/64` of its own, and no case's peers,
const V6_SERVERS: u8 = 0;
/// and the first of these.
const V6_FIRST_SERVER: u16 = 0x100;
/// Networks of all cases together, so that their numbers fit a byte.
pub const MOST_NETWORKS: u32 = 240;

/// Where IPv4 networks come from; those of IPv6 are the same in both plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A `/24` of 100.64.0.0/10 (RFC 6598) for each network: for crowds.
    Wide,
    /// Two addresses of 198.18.0.0/15 (RFC 2544) for each network. Nobody has them, so that no
    /// action of an agent that watches this host for good meets anybody.
    Narrow,
}

impl Plan {
    /// Prefix length of all IPv4 networks of the narrow plan.
    pub(super) const V4_PREFIX: u8 = 15;
    /// Prefix length of all IPv6 networks of a process.
    pub(super) const V6_PREFIX: u8 = 40;
    /// Addresses a process has in the narrow plan.
    const NARROW_ADDRESSES: u32 = 64;
    /// Cases the narrow plan has addresses for.
    pub const MOST_NARROW: u8 = 30;
}

/// One network of one process: tells processes apart, because another one may play on the same
/// machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// IP version.
    pub family: Family,
    /// Where its IPv4 addresses come from.
    pub plan: Plan,
    /// Who plays.
    pub process: u32,
    /// From 1 on.
    pub number: u8,
}

impl Network {
    /// The network `count` further on.
    #[must_use]
    pub const fn further(self, count: u8) -> Self {
        Self {
            number: self.number + count,
            ..self
        }
    }

    /// The server's address for the case that owns the network.
    #[must_use]
    pub fn server(self) -> IpAddr {
        match self.family {
            Family::V4 => self.v4(1),
            Family::V6 => {
                let network = V6_FIRST_SERVER + u16::from(self.number);
                documentation(self.site(V6_SERVERS), network, 1)
            }
        }
    }

    /// Address of a peer, `host` from 2 to 254; the narrow plan has one IPv4 peer a network. Of IPv6, each is
    /// in a `/64` of its own.
    #[must_use]
    pub fn peer(self, host: u8) -> IpAddr {
        match self.family {
            Family::V4 => self.v4(host),
            Family::V6 => self.v6(self.number, host),
        }
    }

    /// As `ip route` writes it.
    pub(super) fn route(self) -> String {
        match self.family {
            Family::V4 => format!("{}/24", self.v4(0)),
            Family::V6 => format!("{}/48", documentation(self.site(self.number), 0, 0)),
        }
    }

    /// An address that belongs to no case.
    pub(super) fn ground(self) -> IpAddr {
        Self { number: 0, ..self }.server()
    }

    /// Whether a peer with this key, as an agent writes it, is of this network.
    #[must_use]
    pub fn has(self, key: &str) -> bool {
        let address = key.split('/').next().and_then(|text| text.parse().ok());
        match address {
            Some(IpAddr::V4(v4)) => {
                let peers = [self.v4(v4.octets()[3].max(2)), self.v4(2)];
                self.family == Family::V4 && peers.contains(&v4.into())
            }
            Some(IpAddr::V6(v6)) => {
                let [.., host, _, _, _, _, _, _, _, _] = v6.octets();
                self.family == Family::V6 && peer_key(self.v6(self.number, host)) == key
            }
            None => false,
        }
    }

    fn v4(self, host: u8) -> IpAddr {
        match self.plan {
            Plan::Wide => {
                let [.., low] = self.process.to_be_bytes();
                Ipv4Addr::new(100, 64 + low % 64, self.number, host).into()
            }
            Plan::Narrow => {
                let processes = (1 << (32 - Plan::V4_PREFIX)) / Plan::NARROW_ADDRESSES;
                let block = self.process % processes * Plan::NARROW_ADDRESSES;
                let number = u32::from(self.number.min(Plan::MOST_NARROW));
                // The first address of the whole network is no host's.
                let place = 1 + 2 * number + u32::from(host > 1);
                Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + block + place).into()
            }
        }
    }

    fn v6(self, number: u8, host: u8) -> IpAddr {
        documentation(self.site(number), host.into(), 1)
    }

    /// A `/48` for each number, those of a process in a row.
    fn site(self, number: u8) -> u32 {
        const PROCESSES: u32 = 1 << 19;
        ((self.process % PROCESSES) << 8) | u32::from(number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, Plan};
    use crate::network::{Family, peer_key};
    use std::collections::HashSet;

    const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

    fn network(plan: Plan, family: Family, process: u32, number: u8) -> Network {
        Network {
            family,
            plan,
            process,
            number,
        }
    }

    #[test]
    fn a_peer_is_found_by_its_network_and_a_server_is_none() {
        for (plan, family) in [
            (Plan::Wide, Family::V4),
            (Plan::Wide, Family::V6),
            (Plan::Narrow, Family::V4),
            (Plan::Narrow, Family::V6),
        ] {
            let ours = network(plan, family, 70_000, 20);
            assert!(ours.has(&peer_key(ours.peer(2))), "{ours:?}");
            assert!(!ours.has(&peer_key(ours.server())), "{ours:?}");
            assert!(!ours.has(&peer_key(ours.further(1).peer(2))), "{ours:?}");
            let stranger = network(plan, family, 70_001, 20).peer(2);
            assert!(!ours.has(&peer_key(stranger)), "{ours:?}");
        }
        let wide = network(Plan::Wide, Family::V4, 1, 200);
        assert!(wide.has(&peer_key(wide.peer(13))));
        let other = network(Plan::Wide, Family::V6, 1, 200);
        assert!(!wide.has(&peer_key(other.peer(13))));
        assert!(other.has(&peer_key(other.peer(13))));
        assert_ne!(peer_key(other.peer(12)), peer_key(other.peer(13)));
    }

    #[test]
    fn each_narrow_network_is_a_peer_of_its_own_at_addresses_set_aside_for_tests() {
        for process in [0, 1, 2_047, 2_048, 4_194_304, u32::MAX] {
            for family in FAMILIES {
                let mut keys = HashSet::new();
                for number in 0..=Plan::MOST_NARROW {
                    let network = network(Plan::Narrow, family, process, number);
                    assert!(keys.insert(peer_key(network.server())));
                    assert!(keys.insert(peer_key(network.peer(2))));
                }
                let is_for_tests = |key: &String| {
                    ["198.18.", "198.19.", "3fff:"]
                        .iter()
                        .any(|start| key.starts_with(start))
                };
                assert!(keys.iter().all(is_for_tests), "{keys:?}");
                let ends = ["198.18.0.0", "198.19.255.255"];
                assert!(!ends.iter().any(|end| keys.contains(*end)));
            }
        }
    }
}
