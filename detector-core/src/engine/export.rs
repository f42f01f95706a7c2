//! What a scrape shows: which peers have their own label, and numbers that always add up.

use super::Engine;
use crate::ledger::{Counts, Held, publish};
use crate::metrics::{MetricsSnapshot, PeerMetrics};
use crate::tables::peers::{Peer, Scrape};
use crate::time::MonotonicTime;
use std::cmp::Ordering;
use std::collections::HashSet;

/// What a peer costs, to be compared: pinned bytes, then stalled connections, then zero-window
/// time, then who was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    pinned_bytes: u64,
    stalled_connections: u64,
    zero_window_ns: u64,
    last_seen: MonotonicTime,
}

impl Cost {
    pub(super) fn of(peer: &Peer, now: MonotonicTime) -> Self {
        let held = peer.account.held;
        let zero_window_ns = peer.account.zero_window_ns(now);
        Self {
            pinned_bytes: held.pinned_bytes,
            stalled_connections: held.stalled_connections,
            zero_window_ns: u64::try_from(zero_window_ns).unwrap_or(u64::MAX),
            last_seen: peer.last_seen,
        }
    }
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
    /// its label, what the label showed moves to `other`; so it does when the table forgets the
    /// peer, which starts anew should it come back. So `peers` and `other` add up to `host`
    /// at each scrape, exactly in integers; `sum()` is the truth.
    pub fn metrics(&mut self) -> MetricsSnapshot {
        self.choose_exported();
        self.host.settle(self.clock);
        self.scrape = Scrape {
            number: self.scrape.number + 1,
            at: self.clock,
        };
        let mut exported = Counts::default();
        let mut exported_held = Held::default();
        let mut peers = Vec::with_capacity(self.exported.len());
        for &slot in &self.exported {
            let peer = self.peers.get_mut(slot);
            peer.account.settle(self.clock);
            let counts = peer.exported_counts();
            let held = peer.account.held;
            exported += counts;
            exported_held.stalled_connections += held.stalled_connections;
            exported_held.pinned_bytes += held.pinned_bytes;
            peers.push(PeerMetrics {
                peer: peer.address.to_string(),
                ledger: publish(&counts, held),
                flagged: peer.verdict().filter(|_| peer.is_flagged()),
            });
        }
        MetricsSnapshot {
            host: publish(&self.host.counts, self.host.held),
            stalled_by_cause: self.stalled_by_cause,
            flags: self.flags_raised,
            incidents: self.incidents.counts(),
            incidents_open: self.incidents.open_counts(),
            incidents_forgotten: self.incidents.forgotten(),
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

    /// Renews which peers have their own label, dearest first.
    fn choose_exported(&mut self) {
        let export = self.tables.export;
        let mut ranked: Vec<(Cost, u32)> = Vec::with_capacity(self.peers.len());
        ranked.extend(
            self.peers
                .iter()
                .map(|(slot, peer)| (Cost::of(peer, self.clock), slot)),
        );
        if ranked.len() > export && export > 0 {
            ranked.select_nth_unstable_by(export - 1, |a, b| self.dearer_first(a, b));
        }
        ranked.truncate(export);
        for &(_, slot) in &ranked {
            self.peers.get_mut(slot).last_in_top = Some(self.clock);
        }
        let before = std::mem::take(&mut self.exported);
        let top: HashSet<u32> = ranked.iter().map(|&(_, slot)| slot).collect();
        let held_over = self.choose_held_over(&before, &top);
        ranked.extend(held_over);
        ranked.sort_unstable_by(|a, b| self.dearer_first(a, b));
        self.exported = ranked.into_iter().map(|(_, slot)| slot).collect();
        self.change_labels(&before);
    }

    /// By cost; equals by address, so that the order does not hang on where the table put them.
    fn dearer_first(&self, a: &(Cost, u32), b: &(Cost, u32)) -> Ordering {
        let address = |slot: u32| self.peers.get(slot).address;
        b.0.cmp(&a.0).then_with(|| address(a.1).cmp(&address(b.1)))
    }

    /// Peers that keep the label they had, although they are not in the top now.
    fn choose_held_over(&self, before: &[u32], top: &HashSet<u32>) -> Vec<(Cost, u32)> {
        let labelled = before
            .iter()
            .filter(|&&slot| !top.contains(&slot) && self.peers.is_exported(slot));
        let mut held_over: Vec<(MonotonicTime, (Cost, u32))> = labelled
            .filter_map(|&slot| {
                let peer = self.peers.get(slot);
                let last_in_top = peer.last_in_top?;
                let is_fresh = self.clock.since_ns(last_in_top) <= self.tables.export_hold_ns;
                let cost = Cost::of(peer, self.clock);
                is_fresh.then_some((last_in_top, (cost, slot)))
            })
            .collect();
        held_over.sort_unstable_by(|(a_at, a), (b_at, b)| {
            b_at.cmp(a_at).then_with(|| self.dearer_first(a, b))
        });
        held_over.truncate(self.tables.export);
        held_over.into_iter().map(|(_, entry)| entry).collect()
    }

    fn change_labels(&mut self, before: &[u32]) {
        let stay: HashSet<u32> = self.exported.iter().copied().collect();
        for &slot in before {
            if !stay.contains(&slot) && self.peers.is_exported(slot) {
                self.peers.get_mut(slot).end_export();
            }
        }
        for &slot in &self.exported {
            let peer = self.peers.get_mut(slot);
            if !peer.is_exported {
                peer.begin_export(self.scrape);
            }
        }
    }
}
