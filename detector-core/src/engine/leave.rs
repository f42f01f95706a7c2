//! How connections and peers leave the tables: quiet, closed, forgotten for lack of room.

use super::Engine;
use crate::ledger::Baseline;
use crate::observe::state::PackedId;
use crate::rules::dribble::Limit;
use crate::time::{MonotonicTime, SECOND_NS};

/// How long a connection that no sweep mentions any more stays in the table.
const QUIET_GRACE_NS: u64 = 60 * SECOND_NS;

impl Engine {
    /// A complete sweep that began at `began` did not mention the connection.
    pub(super) fn mark_idle(&mut self, slot: u32, began: MonotonicTime) {
        self.pause_ongoing(slot);
        self.book_certain(slot);
        let last_at = self.connections.get(slot).last.at;
        self.end_episode(slot, last_at, None);
        let connection = self.connections.get_mut(slot);
        connection.last.zero_window_since = None;
        connection.last.harmful_since = None;
        connection.held_since = None;
        connection.progress_at = connection.progress_at.max(began);
        if let Some(span) = &mut connection.span {
            span.follow(began, Limit::Other);
        }
        let stall = connection.stall;
        self.set_treason(slot, None);
        if let Some(cause) = stall {
            self.note_relief(slot, cause);
        }
        self.set_drain(slot, 0);
        self.clear_all(slot);
        let forget_at = MonotonicTime::from_ns(self.clock.as_ns().saturating_add(QUIET_GRACE_NS));
        self.connections.set_deadline(slot, Some(forget_at));
    }

    /// The socket is gone: its numbers stay with the peer, the connection leaves.
    pub(super) fn close(&mut self, slot: u32, at: MonotonicTime) {
        if self.connections.get(slot).last.queued_bytes() == 0 {
            self.note_recovery(slot);
        }
        let (id, last) = self.take_out(slot);
        self.recently_closed.close(&id, at, last);
    }

    /// Drops a connection that may come back; what was booked of it is remembered.
    pub(super) fn forget_connection(&mut self, slot: u32) {
        let (id, last) = self.take_out(slot);
        if let Some((generation, baseline)) = last {
            self.recently_closed.keep(&id, generation, baseline);
        }
    }

    /// Takes a connection out of the table; returns what was booked of its generation.
    fn take_out(&mut self, slot: u32) -> (PackedId, Option<(MonotonicTime, Baseline)>) {
        self.pause_ongoing(slot);
        self.book_certain(slot);
        let connection = self.connections.get(slot);
        let id = connection.last.id;
        let last = connection
            .generation
            .map(|generation| (generation, connection.baseline));
        self.remove(slot);
        (id, last)
    }

    /// Clears what the connection holds and takes it out of the table.
    fn remove(&mut self, slot: u32) {
        self.set_treason(slot, None);
        self.set_drain(slot, 0);
        self.clear_all(slot);
        let peer_slot = self.connections.get(slot).peer;
        let peer = self.peers.get_mut(peer_slot);
        self.connections.remove(slot, &mut peer.connections);
        self.peers.lower_rank(peer_slot);
    }

    /// Drops a peer and its connections; the host keeps its numbers.
    pub(super) fn forget_peer(&mut self, peer_slot: u32) {
        while let Some(slot) = self.peers.get(peer_slot).connections.first() {
            self.forget_connection(slot);
        }
        self.flagged.remove(&peer_slot);
        self.peers.remove(peer_slot);
    }

    pub(super) fn forget_excess(&mut self) {
        while self.connections.len() > self.tables.connections_capacity {
            let Some(slot) = self.connections.first_to_leave() else {
                return;
            };
            self.forget_connection(slot);
            self.connection_evictions += 1;
        }
        while self.peers.len() > self.tables.peers_capacity {
            let Some(slot) = self.peers.first_to_leave() else {
                return;
            };
            self.forget_peer(slot);
            self.peer_evictions += 1;
        }
    }
}
