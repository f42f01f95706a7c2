//! Sums over the host that cost nothing to tell.

use super::Engine;
use crate::ledger::publish;
use crate::metrics::HostTotals;

impl Engine {
    /// Sums over all peers, as of the last [`advance`](Engine::advance); the cost does not hang on
    /// how many there are. Time in zero window that still goes on is counted with the next record
    /// of its connection or the next scrape.
    #[must_use]
    pub fn totals(&self) -> HostTotals {
        HostTotals {
            ledger: publish(&self.host.counts, self.host.held),
            stalled_by_cause: self.stalled_by_cause,
            peers_tracked: self.peers.len() as u64,
            connections_tracked: self.connections.len() as u64,
            peer_evictions: self.peer_evictions,
            connection_evictions: self.connection_evictions,
            records_refused: self.records_refused,
        }
    }
}
