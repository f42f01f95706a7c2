//! How connections and peers leave the tables: idle, closed, forgotten for lack of room.

use super::Engine;
use crate::ledger::Baseline;
use crate::observe::state::PackedId;
use crate::rules::hoard::Spared;
use crate::time::{MonotonicTime, SECOND_NS};

/// How long a connection that no sweep mentions any more stays in the table.
const IDLE_GRACE_NS: u64 = 60 * SECOND_NS;

impl Engine {
    /// A complete sweep that began at `began` did not mention the connection.
    pub(super) fn mark_idle(&mut self, slot: u32, began: MonotonicTime) {
        self.pause_ongoing(slot);
        self.book_certain(slot);
        self.end_episode(slot, self.connections.get(slot).last.at, None);
        self.connections.get_mut(slot).rest(began);
        self.note_relief(slot);
        self.clear_history(slot);
        let forget_at = self.clock.now.plus_ns(IDLE_GRACE_NS);
        self.connections.set_deadline(slot, Some(forget_at));
    }

    /// The socket is gone: its numbers stay with the peer, the connection leaves.
    pub(super) fn close(&mut self, slot: u32, at: MonotonicTime) {
        let connection = self.connections.get(slot);
        if connection.last.queued_bytes() == 0 {
            self.note_recovery(slot);
        } else if let Some(stalled) = connection.stall.counted {
            let peer = self.peers.get_mut(connection.peer);
            peer.stalls.note_end(stalled, self.clock.now);
        }
        let (id, last) = self.remove(slot);
        self.recently_closed.close(&id, at, last);
    }

    /// Drops a connection that may come back; what was booked of it is remembered.
    pub(super) fn forget_connection(&mut self, slot: u32) {
        let (id, last) = self.remove(slot);
        if let Some((generation, baseline)) = last {
            self.recently_closed.insert_left(&id, generation, baseline);
        }
    }

    /// Takes a connection out of the table; returns what was booked of its generation.
    fn remove(&mut self, slot: u32) -> (PackedId, Option<(MonotonicTime, Baseline)>) {
        self.pause_ongoing(slot);
        self.book_certain(slot);
        self.clear_history(slot);
        let peer_slot = self.connections.get(slot).peer;
        let peer = self.peers.get_mut(peer_slot);
        let connection = self.connections.remove(slot, &mut peer.connections);
        if u64::from(peer.connections.len()) < self.settings.detect.hoard_connections {
            self.suspects.crowds.remove(&peer_slot);
        }
        self.peers.lower_rank(peer_slot);
        (connection.last.id, connection.booked.last())
    }

    /// Clears what of a connection counts for its peer: a window taken back, drain, stall, flags.
    fn clear_history(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        let peer = self.peers.get_mut(connection.peer);
        peer.shrinks
            .count_fresh(connection.shrink.is_fresh(), false);
        connection.shrink.clear();
        peer.change_drain(connection.drain.clear());
        self.clear_all(slot);
    }

    /// Drops a peer and its connections; the host keeps its numbers.
    pub(super) fn forget_peer(&mut self, peer_slot: u32) {
        while let Some(slot) = self.peers.get(peer_slot).connections.first() {
            self.forget_connection(slot);
        }
        self.suspects.flagged.remove(&peer_slot);
        self.suspects.crowds.remove(&peer_slot);
        self.suspects.uncounted.remove(&peer_slot);
        self.groups
            .spare(peer_slot, Spared::Nowhere, &self.settings.detect);
        self.peers.remove(peer_slot);
    }

    pub(super) fn forget_excess(&mut self) {
        while self.connections.len() > self.settings.tables.connections_capacity {
            let of_peer = |peer| self.peers.get(peer).connections;
            let Some(slot) = self.connections.first_to_leave(of_peer) else {
                return;
            };
            self.forget_connection(slot);
            self.losses.connection_evictions += 1;
        }
        while self.peers.len() > self.settings.tables.peers_capacity {
            let Some(slot) = self.peers.first_to_leave() else {
                return;
            };
            let peer = self.peers.get(slot);
            let is_suspect = peer.flags.is_any() || peer.account.usage().stalled_connections > 0;
            self.losses.suspect_evictions += u64::from(is_suspect);
            self.forget_peer(slot);
            self.losses.peer_evictions += 1;
        }
    }
}
