//! Zero-window time that is going on: a running sum, so that a scrape of tens of thousands of closed
//! windows costs no more than one of none.
//!
//! While an episode goes on its time is drawn with the clock, in the accounts of its peer and of the
//! host. When the connection tells something new, what was drawn but not shown yet is taken back,
//! and the connection's own, exact numbers are booked instead. So the counters are exact as soon
//! as the kernel has told the end of an episode, and never fall.

use super::Engine;
use crate::observe::observation::Observation;

impl Engine {
    /// Whether the observation tells nothing new of the time that is going on.
    pub(super) fn goes_on_as_before(&self, slot: u32, observation: &Observation) -> bool {
        let connection = self.connections.get(slot);
        connection.ongoing_from.is_some()
            && connection.generation == observation.generation
            && connection.last.harmful_since == observation.harmful_since
            && observation.totals.zero_window_ns <= connection.baseline.totals().zero_window_ns
    }

    /// Ends the drawing for a connection: what a scrape has shown stays booked, the rest is taken
    /// back.
    pub(super) fn pause_ongoing(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        let Some(from) = connection.ongoing_from.take() else {
            return;
        };
        let shown_until = from.max(self.scrape.at);
        connection.baseline.add_booked(shown_until.since_ns(from));
        let too_much_ns = self.clock.since_ns(shown_until);
        let peer = self.peers.change(connection.peer, self.scrape);
        peer.account.end_ongoing(self.clock, too_much_ns);
        self.host.end_ongoing(self.clock, too_much_ns);
        self.peers.lower_rank(connection.peer);
    }

    /// Books the time of an episode up to now and draws it from here on.
    ///
    /// Where more is booked than can have passed, nothing is drawn before the next observation.
    pub(super) fn resume_ongoing(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        let since = connection.last.harmful_since;
        let Some(since) = since.filter(|_| connection.ongoing_from.is_none()) else {
            return;
        };
        if connection.baseline.unbooked_ns(since, self.clock).is_none() {
            return;
        }
        self.book_ongoing(slot, self.clock);
        let connection = self.connections.get_mut(slot);
        connection.ongoing_from = Some(self.clock);
        let peer = self.peers.change(connection.peer, self.scrape);
        peer.account.begin_ongoing(self.clock);
        self.host.begin_ongoing(self.clock);
    }
}
