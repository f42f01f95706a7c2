//! Connections both ends of which are on this host: a proxy of ours between a client and a server shows
//! each client twice.
//!
//! An address of ours is no proof: Kubernetes and others write the address of the node over that of a
//! stranger (SNAT). Only a socket with the same ends, the other way round, is.

use super::Engine;
use crate::observe::observation::ConnectionId;
use crate::tables::connections::{Class, Connection};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Connections looked up at a time.
const CANDIDATES_MAX: usize = 2_048;

impl Engine {
    /// Takes the addresses of the agent's own network namespace.
    pub fn set_own_addresses(&mut self, addresses: BTreeSet<IpAddr>) {
        self.surroundings.own_addresses = addresses;
    }

    /// Connections that are held up and whose other end may be on this host: it has an address of
    /// ours. Some at a time, and each until [`set_within_host`](Self::set_within_host).
    #[must_use]
    pub fn maybe_within_host(&self) -> Vec<ConnectionId> {
        let is_candidate = |connection: &&Connection| {
            connection.is_within_host.is_none() && connection.class() != Class::Healthy
        };
        let candidates = self.connections.iter().filter(is_candidate);
        candidates
            .map(|connection| connection.last.id.unpack())
            .filter(|id| self.surroundings.own_addresses.contains(&id.remote.ip()))
            .take(CANDIDATES_MAX)
            .collect()
    }

    /// Whether a peer opened it who may press the host: none under an address of ours, whether its other end is
    /// found, was not looked up yet, or has other ends there, as it was led here by the address of a service
    /// (DNAT). The guard spares those addresses, so that nothing would ever end what presses under them.
    pub(super) fn may_press(&self, connection: &Connection) -> bool {
        let remote = connection.last.id.unpack().remote.ip();
        connection.is_of_peer() && !self.surroundings.own_addresses.contains(&remote)
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
