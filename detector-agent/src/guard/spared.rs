//! Whom the guard never touches. Networks that the configuration trusts are no suspects at all.

use super::containers::OfContainers;
use crate::host::sessions::Sessions;
use crate::netlink::addresses::own_addresses;
use crate::netlink::routes::gateways;
use detector_core::observe::peer_address::PeerAddress;
use ipnet::IpNet;
use std::io;
use std::net::IpAddr;

/// Why a peer is spared.
pub(crate) const REASONS: [&str; 7] = [
    "loopback", "own", "gateway", "session", "scraper", SHARED, TRUSTED,
];

/// The one that the engine knows.
pub(crate) const SHARED: &str = "shared";

/// Of those that have come to be trusted since a step was decided: others are no suspects.
pub(crate) const TRUSTED: &str = "trusted";

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spared {
    networks: Vec<(IpNet, &'static str)>,
    /// Whether all that are logged in are among them.
    pub(crate) are_sessions_known: bool,
    /// Whether all addresses of containers are.
    pub(crate) are_containers_known: bool,
}

impl Spared {
    /// Asks the kernel; `sessions` are those that `/proc` shows. An address of a container is the host's own to
    /// other containers.
    pub(super) fn find(
        scrapers: Vec<IpNet>,
        sessions: Sessions,
        of_containers: OfContainers,
    ) -> io::Result<Self> {
        let each = |reason| move |address: IpAddr| (IpNet::from(address.to_canonical()), reason);
        let own = own_addresses()?.into_iter().chain(of_containers.addresses);
        let addresses = own.map(each("own"));
        let addresses = addresses.chain(gateways()?.into_iter().map(each("gateway")));
        let logged_in = sessions.clients.into_iter().map(each("session"));
        let addresses = addresses.chain(logged_in);
        let scrapers = scrapers.into_iter().map(|network| (network, "scraper"));
        Ok(Self {
            networks: addresses.chain(scrapers).collect(),
            are_sessions_known: sessions.are_all,
            are_containers_known: of_containers.are_all,
        })
    }

    /// Whether somebody may be limited or blocked: not where whoever would have to lift it may be hit, who is one
    /// of those that are trusted, if any are.
    pub(crate) const fn may_fence_off(&self, trusts_anybody: bool) -> bool {
        self.are_containers_known && (self.are_sessions_known || trusts_anybody)
    }

    /// Why this peer is spared, if it is.
    pub(crate) fn reason(&self, peer: &PeerAddress) -> Option<&'static str> {
        self.reason_of(network_of(peer)?)
    }

    /// Why this network is spared, if it is: one is, if one address in it is.
    pub(crate) fn reason_of(&self, network: IpNet) -> Option<&'static str> {
        if network.addr().is_loopback() {
            return Some("loopback");
        }
        let overlaps = |other: &IpNet| network.contains(other) || other.contains(&network);
        let mut networks = self.networks.iter();
        let spared = networks.find(|(other, _)| overlaps(other));
        spared.map(|(_, reason)| *reason)
    }
}

/// A peer as a network; `None` for a prefix that is none, which no peer has.
pub(crate) fn network_of(peer: &PeerAddress) -> Option<IpNet> {
    IpNet::new(peer.address(), peer.prefix_length()).ok()
}

#[cfg(test)]
mod tests {
    use super::{OfContainers, Spared};
    use crate::host::sessions;
    use detector_core::observe::peer_address::PeerAddress;

    #[test]
    fn a_network_is_spared_for_one_address_in_it() {
        let scraper = ["203.0.113.7/32", "2001:db8:1::/64"].map(|text| text.parse().unwrap());
        let of_containers = ["172.30.0.2", "2001:db8:3::2"].map(|text| text.parse().unwrap());
        let of_containers = OfContainers {
            addresses: of_containers.into(),
            are_all: true,
        };
        let spared = Spared::find(scraper.to_vec(), sessions::find(), of_containers).unwrap();
        for (peer, reason) in [
            ("127.0.0.9", Some("loopback")),
            ("203.0.113.7", Some("scraper")),
            ("203.0.113.8", None),
            ("2001:db8:1::1", Some("scraper")),
            ("2001:db8:2::1", None),
            ("172.30.0.2", Some("own")),
            ("172.30.0.3", None),
            ("2001:db8:3::1", Some("own")),
        ] {
            let peer = PeerAddress::of(peer.parse().unwrap(), 64);
            assert_eq!(spared.reason(&peer), reason, "{peer}");
        }
    }

    #[test]
    fn where_somebody_may_be_hit_unseen_nobody_is_fenced_off() {
        for (sessions, containers, trusts_anybody, may) in [
            (false, false, false, false),
            (false, false, true, false),
            (false, true, false, false),
            (false, true, true, true),
            (true, false, false, false),
            (true, false, true, false),
            (true, true, false, true),
            (true, true, true, true),
        ] {
            let spared = Spared {
                networks: Vec::new(),
                are_sessions_known: sessions,
                are_containers_known: containers,
            };
            let told = spared.may_fence_off(trusts_anybody);
            assert_eq!(told, may, "{spared:?}, {trusts_anybody}");
        }
    }
}
