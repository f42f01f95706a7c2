//! Lists of networks (ignored, trusted), IPv4-mapped ones folded to IPv4.

use crate::observe::peer_address::PeerAddress;
use detector_api::address::fold;
use ipnet::IpNet;
use std::net::IpAddr;

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into_iter().map(fold).collect())
    }

    /// Whether a peer, an address or a network with folded addresses, has any address in one of them.
    pub(crate) fn touch(&self, peer: &PeerAddress) -> bool {
        let peer = IpNet::new(peer.address(), peer.prefix_length());
        // A prefix that is none has no address in any network.
        peer.is_ok_and(|peer| {
            self.0
                .iter()
                .any(|network| network.contains(&peer) || peer.contains(network))
        })
    }

    /// Whether a folded address lies in one of them.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[test]
    fn mapped_networks_are_folded() {
        let networks = Networks::new(vec!["::ffff:10.0.0.0/104".parse().unwrap()]);
        assert!(networks.contain("10.9.8.7".parse().unwrap()));
        assert!(!networks.contain("11.0.0.1".parse().unwrap()));
    }
}
