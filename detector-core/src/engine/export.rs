//! What a scrape shows: which peers have their own label, and numbers that always add up.

use super::Engine;
use crate::ledger::{Counts, publish};
use crate::metrics::{HostTotals, MetricsSnapshot, PeerMetrics};
use crate::rules::stall::Usage;
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
        let usage = peer.account.usage();
        let zero_window_ns = peer.account.zero_window_ns(now);
        Self {
            pinned_bytes: usage.pinned_bytes,
            stalled_connections: usage.stalled_connections,
            zero_window_ns: u64::try_from(zero_window_ns).unwrap_or(u64::MAX),
            last_seen: peer.last_seen,
        }
    }
}

/// Which peers scrapes show with their own label.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// The last scrape.
    pub(super) scrape: Scrape,
    /// Slots of the peers that it showed with their own label.
    exported: Vec<u32>,
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
    /// peer, which starts anew should it come back. So `peers` and `other` add up to the host's
    /// at each scrape, exactly in integers; `sum()` is the truth.
    pub fn metrics(&mut self) -> MetricsSnapshot {
        self.choose_exported();
        let now = self.clock.now;
        self.host.settle(now);
        self.labels.scrape = Scrape {
            number: self.labels.scrape.number + 1,
            at: now,
        };
        let mut exported = Counts::default();
        let mut exported_usage = Usage::default();
        let mut peers = Vec::with_capacity(self.labels.exported.len());
        for &slot in &self.labels.exported {
            let peer = self.peers.get_mut(slot);
            peer.account.settle(now);
            let counts = peer.exported_counts();
            let usage = peer.account.usage();
            exported += &counts;
            exported_usage = exported_usage + usage;
            peers.push(PeerMetrics {
                peer: peer.address.to_string(),
                ledger: publish(&counts, usage),
                flagged: peer.verdicts.verdict().filter(|_| peer.flags.is_any()),
            });
        }
        MetricsSnapshot {
            totals: self.totals(),
            flags: self.events.flags_raised,
            incidents: self.incidents.counts(),
            incidents_open: self.incidents.open_counts(),
            incidents_standing: self.incidents.standing_counts(self.clock.now),
            incidents_forgotten: self.incidents.forgotten(),
            peers,
            other: publish(
                &(self.host.counts - exported),
                self.host.usage() - exported_usage,
            ),
        }
    }

    /// Sums over all peers, as of the last [`advance`](Engine::advance); the cost does not hang on
    /// how many there are. Time in zero window that still goes on is counted with the next record
    /// of its connection or the next scrape.
    #[must_use]
    pub fn totals(&self) -> HostTotals {
        HostTotals {
            ledger: publish(&self.host.counts, self.host.usage()),
            stalled_by_cause: self.host.stalls.by_cause(),
            peers_tracked: self.peers.len() as u64,
            connections_tracked: self.connections.len() as u64,
            peer_evictions: self.losses.peer_evictions,
            suspect_evictions: self.losses.suspect_evictions,
            connection_evictions: self.losses.connection_evictions,
            records_refused: self.losses.records_refused,
        }
    }

    /// Renews which peers have their own label, dearest first.
    fn choose_exported(&mut self) {
        let export = self.settings.tables.export;
        let mut ranked: Vec<(Cost, u32)> = Vec::with_capacity(self.peers.len());
        ranked.extend(
            self.peers
                .iter()
                .map(|(slot, peer)| (Cost::of(peer, self.clock.now), slot)),
        );
        if ranked.len() > export && export > 0 {
            ranked.select_nth_unstable_by(export - 1, |a, b| self.dearer_first(a, b));
        }
        ranked.truncate(export);
        for &(_, slot) in &ranked {
            self.peers.get_mut(slot).label.last_in_top = Some(self.clock.now);
        }
        let before = std::mem::take(&mut self.labels.exported);
        let top: HashSet<u32> = ranked.iter().map(|&(_, slot)| slot).collect();
        let kept_over = self.choose_kept_over(&before, &top);
        ranked.extend(kept_over);
        ranked.sort_unstable_by(|a, b| self.dearer_first(a, b));
        self.labels.exported = ranked.into_iter().map(|(_, slot)| slot).collect();
        self.change_labels(&before);
    }

    /// By cost; equals by address, so that the order does not hang on where the table put them.
    fn dearer_first(&self, a: &(Cost, u32), b: &(Cost, u32)) -> Ordering {
        let address = |slot: u32| self.peers.get(slot).address;
        b.0.cmp(&a.0).then_with(|| address(a.1).cmp(&address(b.1)))
    }

    /// Peers that keep the label they had, although they are not in the top now.
    fn choose_kept_over(&self, before: &[u32], top: &HashSet<u32>) -> Vec<(Cost, u32)> {
        let labelled = before
            .iter()
            .filter(|&&slot| !top.contains(&slot) && self.peers.is_exported(slot));
        let mut kept_over: Vec<(MonotonicTime, (Cost, u32))> = labelled
            .filter_map(|&slot| {
                let peer = self.peers.get(slot);
                let last_in_top = peer.label.last_in_top?;
                let is_fresh =
                    self.clock.now.since_ns(last_in_top) <= self.settings.tables.export_hold_ns;
                let cost = Cost::of(peer, self.clock.now);
                is_fresh.then_some((last_in_top, (cost, slot)))
            })
            .collect();
        kept_over.sort_unstable_by(|(a_at, a), (b_at, b)| {
            b_at.cmp(a_at).then_with(|| self.dearer_first(a, b))
        });
        kept_over.truncate(self.settings.tables.export);
        kept_over.into_iter().map(|(_, entry)| entry).collect()
    }

    fn change_labels(&mut self, before: &[u32]) {
        let stay: HashSet<u32> = self.labels.exported.iter().copied().collect();
        for &slot in before {
            if !stay.contains(&slot) && self.peers.is_exported(slot) {
                self.peers.get_mut(slot).label.end_export();
            }
        }
        for &slot in &self.labels.exported {
            let peer = self.peers.get_mut(slot);
            if !peer.label.is_exported {
                peer.begin_export(self.labels.scrape);
            }
        }
    }
}
