//! Takes observations: totals by differences, state only forwards in time.

use super::Engine;
use crate::ledger::Counts;
use crate::observe::observation::{Cause, Observation, ShrinkCounts};
use crate::observe::state::{PackedId, State};
use crate::rules::{dribble, shrink};
use crate::tables::connections::Connection;
use crate::time::SECOND_NS;

/// Least span over which a drain rate is measured.
const DRAIN_SPAN_NS: u64 = SECOND_NS;

impl Engine {
    /// A record from before the connection was closed: its totals count, its state does not.
    pub(super) fn take_late(&mut self, observation: &Observation) -> bool {
        let id = PackedId::of(&observation.connection);
        if !self.recently_closed.is_late(&id, observation.at) {
            return false;
        }
        let counts = self.take_other_generation(observation);
        if counts != Counts::default() {
            let peer = self.find_or_insert_peer(observation);
            self.book(peer, counts);
            if counts.shrinks != ShrinkCounts::default() {
                self.note_shrunk(peer, observation.at);
            }
        }
        true
    }

    /// Books a generation that is not the current one of a connection in the table.
    fn take_other_generation(&mut self, observation: &Observation) -> Counts {
        let Some(generation) = observation.generation else {
            return Counts::default();
        };
        let id = PackedId::of(&observation.connection);
        let mut baseline = self.recently_closed.take(&id, generation);
        let counts = baseline.take(&observation.totals);
        self.recently_closed
            .keep_superseded(&id, generation, baseline);
        counts
    }

    /// Makes room in the tables for a connection seen for the first time.
    pub(super) fn admit(&mut self, observation: &Observation) -> u32 {
        let peer = self.find_or_insert_peer(observation);
        let mut connection = Connection::new(observation, peer);
        if let Some(generation) = observation.generation {
            let baseline = self.recently_closed.take(&connection.last.id, generation);
            connection.begin_generation(generation, baseline);
            connection.shrink_flagged = shrink::worst(&baseline.totals().shrinks);
        }
        let chain = &mut self.peers.get_mut(peer).connections;
        self.connections.insert(connection, chain)
    }

    fn find_or_insert_peer(&mut self, observation: &Observation) -> u32 {
        self.peers
            .find_or_insert(observation.peer, observation.at, self.scrape)
    }

    /// Books totals, takes newer state, judges.
    pub(super) fn update(&mut self, slot: u32, observation: &Observation) {
        if !self.goes_on_as_before(slot, observation) {
            self.pause_ongoing(slot);
        }
        let new = self.take_totals(slot, observation);
        let peer = self.peers.get_mut(self.connections.get(slot).peer);
        peer.last_seen = peer.last_seen.max(observation.at);
        peer.add_service(observation.connection.local.port());
        if observation.cause == Cause::Sweep {
            self.connections.note_swept(slot);
        }
        if observation.at >= self.connections.get(slot).last.at {
            self.take_state(slot, observation);
        }
        self.remember_shrinks(slot, &new, observation);
        self.judge_shrink(slot, observation);
        if observation.cause == Cause::Closed {
            self.close(slot, observation.at);
        } else {
            self.resume_ongoing(slot);
            self.judge(slot);
        }
    }

    /// Books what is new in the totals, and returns it.
    fn take_totals(&mut self, slot: u32, observation: &Observation) -> Counts {
        let connection = self.connections.get_mut(slot);
        let peer = connection.peer;
        let counts = match (observation.generation, connection.generation) {
            (None, _) => return Counts::default(),
            (Some(new), Some(current)) if new < current => self.take_other_generation(observation),
            (Some(new), current) if current != Some(new) => {
                self.book_certain(slot);
                let connection = self.connections.get_mut(slot);
                let (id, left) = (connection.last.id, connection.baseline);
                connection.begin_generation(new, self.recently_closed.take(&id, new));
                if let Some(current) = current {
                    self.recently_closed.keep_superseded(&id, current, left);
                }
                connection.baseline.take(&observation.totals)
            }
            _ => connection.baseline.take(&observation.totals),
        };
        self.book(peer, counts);
        counts
    }

    /// Takes the state of an observation that is not older than what is known.
    fn take_state(&mut self, slot: u32, observation: &Observation) {
        if self.connections.get(slot).last.zero_window_since != observation.zero_window_since
            || observation.cause == Cause::Closed
        {
            self.end_episode(slot, observation.at, Some(observation));
        }
        let connection = self.connections.get_mut(slot);
        let before = std::mem::replace(&mut connection.last, State::of(observation));
        if let Some(span) = &mut connection.span {
            let limit = dribble::limit(&connection.last);
            span.follow(observation.at, limit);
        }
        connection.source = connection.source.join(observation.source);
        let has_moved = connection.note_move(&before, observation.cause != Cause::Window);
        if has_moved || observation.queued_bytes() == 0 {
            connection.progress_at = observation.at;
            connection.held_since = None;
        }
        let drain = &mut connection.drain;
        let span_ns = observation.at.since_ns(drain.from);
        if span_ns >= DRAIN_SPAN_NS {
            let bytes = observation.bytes_acked.saturating_sub(drain.bytes_acked);
            let rate = u128::from(bytes) * u128::from(SECOND_NS) / u128::from(span_ns);
            drain.from = observation.at;
            drain.bytes_acked = observation.bytes_acked;
            self.set_drain(slot, u64::try_from(rate).unwrap_or(u64::MAX));
        }
        self.connections.touch(slot);
    }

    /// Sets the drain rate of a connection and keeps the peer's sum.
    pub(super) fn set_drain(&mut self, slot: u32, bytes_per_second: u64) {
        let connection = self.connections.get_mut(slot);
        let before = std::mem::replace(&mut connection.drain.bytes_per_second, bytes_per_second);
        let peer = self.peers.get_mut(connection.peer);
        peer.drain_bytes_per_second = peer
            .drain_bytes_per_second
            .saturating_sub(before)
            .saturating_add(bytes_per_second);
    }
}
