//! What a scrape shows: which peers have their own label, and numbers that always add up.

use super::Engine;
use crate::ledger::{Counts, Held, publish};
use crate::peers::Peer;
use crate::snapshot::{MetricsSnapshot, PeerMetrics};
use crate::time::Moment;
use std::cmp::Reverse;

/// Order of cost: pinned bytes, stalled connections, zero-window time, then the one seen last,
/// then the address so that the order is total.
type Cost = (
    u64,
    u64,
    u128,
    Moment,
    Reverse<crate::peer_address::PeerAddress>,
);

pub(super) fn cost(peer: &Peer, zero_window_ns: u128) -> Cost {
    let held = peer.account.held;
    (
        held.pinned_bytes,
        held.stalled_connections,
        zero_window_ns,
        peer.last_seen,
        Reverse(peer.address),
    )
}

impl Engine {
    /// Everything a scrape shows, at the moment of the last [`advance`](Engine::advance).
    ///
    /// Which peers have their own label: the `export` that cost most now; and those that had one
    /// and belonged to the top within `export_hold_ns`, the most recent first, as long as all
    /// together are at most twice `export`.
    ///
    /// No exported counter goes backwards when a peer comes or goes. What a scrape has shown of
    /// a peer under `other` stays there for good: its own label, should it get one, starts from
    /// zero (a peer that is new since the last scrape starts with all it has). When a peer loses
    /// its label, what the label showed moves to `other`. So `peers` and `other` add up to `host`
    /// at each scrape, exactly in integers; `sum()` is the truth.
    pub fn metrics(&mut self) -> MetricsSnapshot {
        self.book_all_ongoing();
        let members = self.choose_exported();
        let mut exported = Counts::default();
        let mut exported_held = Held::default();
        let mut peers = Vec::with_capacity(members.len());
        for slot in members {
            let peer = self.peers.get(slot);
            let counts = peer.account.counts - peer.in_other;
            let held = peer.account.held;
            exported += counts;
            exported_held.stalled_connections += held.stalled_connections;
            exported_held.pinned_bytes += held.pinned_bytes;
            peers.push(PeerMetrics {
                peer: peer.address.to_string(),
                ledger: publish(&counts, held),
                flagged: peer.verdict.filter(|_| peer.is_flagged()),
            });
        }
        MetricsSnapshot {
            host: publish(&self.host.counts, self.host.held),
            stalled_by_cause: self.stalled_by_cause,
            flags: self.flags_raised,
            peers,
            other: publish(
                &(self.host.counts - exported),
                self.host.held - exported_held,
            ),
            peers_tracked: self.peers.len() as u64,
            connections_tracked: self.connections.len() as u64,
            peer_evictions: self.peer_evictions,
            connection_evictions: self.connection_evictions,
            records_refused: self.records_refused,
        }
    }

    fn book_all_ongoing(&mut self) {
        let ongoing: Vec<u32> = self
            .connections
            .held()
            .filter(|(_, connection)| connection.last.harmful_since.is_some())
            .map(|(slot, _)| slot)
            .collect();
        for slot in ongoing {
            self.book_ongoing(slot, self.clock);
        }
        self.host.settle(self.clock);
    }

    /// Renews which peers are exported, and returns their slots, dearest first.
    fn choose_exported(&mut self) -> Vec<u32> {
        let clock = self.clock;
        let export = self.tables.export;
        let mut ranked: Vec<(Cost, u32)> = self
            .peers
            .iter_mut()
            .map(|(slot, peer)| {
                peer.account.settle(clock);
                (cost(peer, peer.account.counts.zero_window_ns), slot)
            })
            .collect();
        if ranked.len() > export && export > 0 {
            ranked.select_nth_unstable_by(export - 1, |a, b| b.cmp(a));
        }
        let top = export.min(ranked.len());
        for &(_, slot) in &ranked[..top] {
            self.peers.get_mut(slot).last_in_top = Some(clock);
        }
        let mut members: Vec<(Cost, u32)> = ranked[..top].to_vec();
        members.extend(self.choose_held_over(&ranked[top..], export));
        members.sort_unstable_by(|a, b| b.cmp(a));
        let members: Vec<u32> = members.into_iter().map(|(_, slot)| slot).collect();
        self.mark_exported(&members);
        members
    }

    /// Peers outside the top that keep their label, at most `room`.
    fn choose_held_over(&self, others: &[(Cost, u32)], room: usize) -> Vec<(Cost, u32)> {
        let mut held_over: Vec<(Moment, (Cost, u32))> = others
            .iter()
            .filter_map(|&(cost, slot)| {
                let peer = self.peers.get(slot);
                let last_in_top = peer.last_in_top.filter(|_| peer.is_exported)?;
                let is_fresh = self.clock.since_ns(last_in_top) <= self.tables.export_hold_ns;
                is_fresh.then_some((last_in_top, (cost, slot)))
            })
            .collect();
        held_over.sort_unstable_by(|a, b| b.cmp(a));
        held_over.truncate(room);
        held_over.into_iter().map(|(_, entry)| entry).collect()
    }

    fn mark_exported(&mut self, members: &[u32]) {
        for (_, peer) in self.peers.iter_mut() {
            peer.is_exported = false;
        }
        for &slot in members {
            self.peers.get_mut(slot).is_exported = true;
        }
        for (_, peer) in self.peers.iter_mut().filter(|(_, peer)| !peer.is_exported) {
            peer.in_other = peer.account.counts;
        }
    }
}
