//! Connections both ends of which are on this host: a proxy of ours between a client and a server shows
//! each client twice.
//!
//! An address of ours, that is, of any network namespace to which this host's way in leads, is no proof: Kubernetes
//! and others write the address of the node over that of a stranger (SNAT). Only a socket with the same ends, the
//! other way round, is.

use super::Engine;
use crate::observe::observation::ConnectionId;
use crate::tables::connections::{Class, Connection};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Connections looked up at a time.
const CANDIDATES_MAX: usize = 2_048;

impl Engine {
    /// Takes the addresses of this host, each with the network namespaces that have it.
    pub fn set_own_addresses(&mut self, addresses: BTreeMap<IpAddr, BTreeSet<u32>>) {
        self.surroundings.own_addresses = addresses;
    }

    /// Whether the other end of any connection that is held up was not looked up, whatever its address is.
    #[must_use]
    pub fn may_have_within_host(&self) -> bool {
        self.connections.iter().any(is_open)
    }

    /// Connections that are held up and whose other end may be on this host: it has an address of
    /// ours; each with the network namespaces in which that end would be. Some at a time, and each until
    /// [`set_within_host`](Self::set_within_host).
    #[must_use]
    pub fn maybe_within_host(&self) -> Vec<(ConnectionId, BTreeSet<u32>)> {
        let candidates = self.connections.iter().filter(|each| is_open(each));
        let candidates = candidates.filter_map(|connection| {
            let id = connection.last.id.unpack();
            let namespaces = self.surroundings.own_addresses.get(&id.remote.ip())?;
            // What has the address itself sends nothing for it elsewhere.
            let namespaces = if namespaces.contains(&id.netns) {
                BTreeSet::from([id.netns])
            } else {
                namespaces.clone()
            };
            Some((id, namespaces))
        });
        candidates.take(CANDIDATES_MAX).collect()
    }

    /// Whether a peer opened it who may press the host: none under an address of ours, whether its other end is
    /// found, was not looked up yet, or has other ends there, as it was led here by the address of a service
    /// (DNAT). The guard spares those addresses, so that nothing would ever end what presses under them.
    pub(super) fn may_press(&self, connection: &Connection) -> bool {
        let remote = connection.last.id.unpack().remote.ip();
        connection.is_of_peer() && !self.surroundings.own_addresses.contains_key(&remote)
    }

    /// Takes whether the other end of a connection is a socket of this host. It stays so as long as
    /// the connection lives.
    pub fn set_within_host(&mut self, connection: &ConnectionId, is_within_host: bool) {
        if let Some(slot) = self.connections.find(connection) {
            self.connections.get_mut(slot).is_within_host = Some(is_within_host);
            self.judge(slot);
        }
    }
}

/// Whether it is held up and its other end was not looked up.
fn is_open(connection: &Connection) -> bool {
    connection.is_within_host.is_none() && connection.class() != Class::Healthy
}
