//! Ingests observations: totals by differences, state only forwards in time.

use super::Engine;
use crate::ledger::Counts;
use crate::observe::observation::{Observation, Reason, Shrinks};
use crate::observe::state::PackedId;
use crate::rules::shrink::Shrink;
use crate::rules::zero_window;
use crate::tables::connections::Connection;
use detector_api::snapshot::FlagKind;

impl Engine {
    /// A record from before the connection was closed: its totals count, its state does not.
    pub(super) fn ingest_late(&mut self, observation: &Observation) -> bool {
        let id = PackedId::of(&observation.connection);
        if !self.recently_closed.is_late(&id, observation.at) {
            return false;
        }
        let counts = self.ingest_other_generation(observation);
        if counts != Counts::default() {
            let peer = self.find_or_insert_peer(observation);
            self.book(peer, &counts);
            if counts.shrinks != Shrinks::default() {
                self.peers.get_mut(peer).shrinks.note(observation.at);
                self.renew_verdict(peer);
            }
        }
        true
    }

    /// What is new of a generation that is not the current one of a connection in the table.
    fn ingest_other_generation(&mut self, observation: &Observation) -> Counts {
        let Some(generation) = observation.generation else {
            return Counts::default();
        };
        let id = PackedId::of(&observation.connection);
        let mut baseline = self.recently_closed.remove(&id, generation);
        let counts = baseline.raise_to(&observation.totals);
        self.recently_closed
            .insert_superseded(&id, generation, baseline);
        counts
    }

    /// Makes room in the tables for a connection seen for the first time.
    pub(super) fn admit(&mut self, observation: &Observation) -> u32 {
        let peer = self.find_or_insert_peer(observation);
        let mut connection = Connection::new(observation, peer);
        if let Some(generation) = observation.generation {
            let baseline = self.recently_closed.remove(&connection.last.id, generation);
            connection.booked.begin_generation(generation, baseline);
            connection.shrink = Shrink::seen(&baseline.totals().shrinks);
        }
        let of_peer = &mut self.peers.get_mut(peer).connections;
        let slot = self.connections.insert(connection, of_peer);
        if u64::from(of_peer.len()) >= self.settings.detect.hoard_connections {
            self.suspects.crowds.insert(peer);
        }
        slot
    }

    fn find_or_insert_peer(&mut self, observation: &Observation) -> u32 {
        self.peers
            .find_or_insert(observation.peer, observation.at, self.labels.scrape)
    }

    /// Books totals, takes newer state, judges.
    pub(super) fn update(&mut self, slot: u32, observation: &Observation) {
        if !self.goes_on_as_before(slot, observation) {
            self.pause_ongoing(slot);
        }
        let new = self.ingest_totals(slot, observation);
        let connection = self.connections.get(slot);
        self.peers.get_mut(connection.peer).observe(observation);
        let is_newer = observation.at >= connection.last.at;
        if observation.reason == Reason::Sweep {
            self.connections.note_swept(slot);
        }
        if is_newer {
            self.ingest_state(slot, observation);
        }
        self.ingest_shrinks(slot, &new, observation);
        if observation.reason == Reason::Closed {
            self.close(slot, observation.at);
        } else {
            self.resume_ongoing(slot);
            self.judge(slot);
        }
    }

    /// Books what is new in the totals, and returns it.
    fn ingest_totals(&mut self, slot: u32, observation: &Observation) -> Counts {
        let booked = &self.connections.get(slot).booked;
        let counts = match (observation.generation, booked.generation) {
            (None, _) => return Counts::default(),
            (Some(new), Some(current)) if new < current => {
                self.ingest_other_generation(observation)
            }
            (Some(new), current) => {
                if current != Some(new) {
                    self.book_certain(slot);
                    let connection = self.connections.get_mut(slot);
                    let id = connection.last.id;
                    let baseline = self.recently_closed.remove(&id, new);
                    let left = connection.booked.begin_generation(new, baseline);
                    if let Some((generation, left)) = left {
                        self.recently_closed
                            .insert_superseded(&id, generation, left);
                    }
                }
                let booked = &mut self.connections.get_mut(slot).booked;
                booked.baseline.raise_to(&observation.totals)
            }
        };
        self.book(self.connections.get(slot).peer, &counts);
        counts
    }

    /// Books amounts to a peer and to the host in one step.
    pub(super) fn book(&mut self, peer: u32, counts: &Counts) {
        // Most sweeps say what the one before said.
        if *counts == Counts::default() {
            return;
        }
        let peer = self.peers.change(peer, self.labels.scrape);
        peer.account.counts += counts;
        self.host.counts += counts;
    }

    /// Takes the state of an observation that is not older than what is known.
    fn ingest_state(&mut self, slot: u32, observation: &Observation) {
        if zero_window::is_ended_by(observation, &self.connections.get(slot).last) {
            self.end_episode(slot, observation.at, Some(observation));
        }
        let connection = self.connections.get_mut(slot);
        if let Some(change) = connection.observe(observation) {
            self.peers.get_mut(connection.peer).change_drain(change);
        }
        self.connections.touch(slot);
    }

    /// Remembers shrinks for the verdict, and flags a worse one than those before.
    fn ingest_shrinks(&mut self, slot: u32, new: &Counts, observation: &Observation) {
        let connection = self.connections.get_mut(slot);
        let Connection {
            shrink, last, peer, ..
        } = connection;
        let peer_slot = *peer;
        let was_fresh = shrink.is_fresh();
        let reopened = shrink.reopen(last, new.shrinks.treason, new.zero_window_ns);
        let is_worse = shrink.observe(&observation.totals.shrinks);
        let has_shrunk = new.shrinks != Shrinks::default();
        let history = &mut self.peers.get_mut(peer_slot).shrinks;
        history.count_fresh(was_fresh, shrink.is_fresh());
        history.note_quick(reopened.quick);
        if has_shrunk {
            history.note(observation.at);
        }
        if has_shrunk || reopened.is_settled {
            self.renew_verdict(peer_slot);
        }
        if is_worse {
            self.raise(slot, FlagKind::WindowShrink);
        }
    }
}
