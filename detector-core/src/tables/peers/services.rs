//! What of ours a peer has used: local ports, and who owned the sockets behind them.

use crate::tables::owner::{Owner, Owners};
use std::sync::Arc;

/// Most local ports remembered of one peer.
const SERVICES: usize = 8;
/// Most owners remembered of one peer.
const OWNERS: usize = 4;

/// The first few ports that were seen, in ascending order, and the last few owners that were named.
#[derive(Debug, Default)]
pub(crate) struct Services {
    ports: [u16; SERVICES],
    known: u8,
    /// Shared with the connections that they were named for.
    owners: Vec<Owners>,
}

impl Services {
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports[..usize::from(self.known)]
    }

    /// Remembers a port where there is room.
    pub(super) fn add(&mut self, port: u16) {
        let known = usize::from(self.known);
        if let Err(place) = self.ports[..known].binary_search(&port)
            && known < SERVICES
        {
            self.ports.copy_within(place..known, place + 1);
            self.ports[place] = port;
            self.known += 1;
        }
    }

    /// Owners of its sockets, also of closed ones; the last named comes last.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &Owners> {
        self.owners.iter()
    }

    /// Remembers who owns a socket.
    pub(crate) fn add_owner(&mut self, owner: &Owners) {
        let first = |owner: &[Arc<Owner>]| owner.first().map(|first| first.process.pid);
        self.owners.retain(|known| first(known) != first(owner));
        if self.owners.len() == OWNERS {
            self.owners.remove(0);
        }
        self.owners.push(Arc::clone(owner));
    }
}
