//! Books zero-window time, also what is going on: as a running sum, so that a scrape of tens of
//! thousands of closed windows costs no more than one of none.
//!
//! While an episode goes on its time is drawn with the clock, in the accounts of its peer and of the
//! host. When the connection shows something new, what was drawn but not shown yet is taken back,
//! and the connection's own, exact numbers are booked instead. So the counters are exact as soon
//! as the kernel has reported the end of an episode, and never fall.

use super::Engine;
use crate::observe::observation::Observation;
use crate::rules::zero_window;
use crate::time::MonotonicTime;
use detector_api::snapshot::{EventType, FlagKind};

impl Engine {
    /// Whether the observation says nothing new of the time that is going on.
    pub(super) fn goes_on_as_before(&self, slot: u32, observation: &Observation) -> bool {
        let connection = self.connections.get(slot);
        let booked = &connection.booked;
        booked.drawn_from.is_some()
            && booked.generation == observation.generation
            && connection.last.harmful_since == observation.harmful_since
            && observation.totals.zero_window_ns <= booked.baseline.finished_ns()
    }

    /// Ends the drawing for a connection: what a scrape has shown stays booked, the rest is taken
    /// back.
    pub(super) fn pause_ongoing(&mut self, slot: u32) {
        let (now, scrape) = (self.clock.now, self.labels.scrape);
        let connection = self.connections.get_mut(slot);
        let Some(from) = connection.booked.drawn_from.take() else {
            return;
        };
        let shown_until = from.max(scrape.at);
        let shown_ns = shown_until.since_ns(from);
        connection.booked.baseline.add_booked(shown_ns);
        let too_much_ns = now.since_ns(shown_until);
        let peer = self.peers.change(connection.peer, scrape);
        peer.account.end_ongoing(now, too_much_ns);
        self.host.end_ongoing(now, too_much_ns);
        self.peers.lower_rank(connection.peer);
    }

    /// Books the time of an episode up to now and draws it from here on.
    ///
    /// Where more is booked than can have passed, nothing is drawn before the next observation.
    pub(super) fn resume_ongoing(&mut self, slot: u32) {
        let now = self.clock.now;
        let connection = self.connections.get(slot);
        let since = connection.last.harmful_since;
        let Some(since) = since.filter(|_| connection.booked.drawn_from.is_none()) else {
            return;
        };
        if connection.booked.baseline.unbooked_ns(since, now).is_none() {
            return;
        }
        self.book_ongoing(slot, now);
        let connection = self.connections.get_mut(slot);
        connection.booked.drawn_from = Some(now);
        let peer = self.peers.change(connection.peer, self.labels.scrape);
        peer.account.begin_ongoing(now);
        self.host.begin_ongoing(now);
    }

    /// Books zero-window time that was going on when the connection was last seen.
    pub(super) fn book_certain(&mut self, slot: u32) {
        self.book_ongoing(slot, self.connections.get(slot).last.at);
    }

    /// Books zero-window time that is going on, up to `until`.
    fn book_ongoing(&mut self, slot: u32, until: MonotonicTime) {
        let connection = self.connections.get_mut(slot);
        if let Some(since) = connection.last.harmful_since {
            let counts = connection.booked.baseline.book_ongoing(since, until);
            let peer = connection.peer;
            self.book(peer, &counts);
        }
    }

    /// Reports that the zero-window episode of a connection ended at `at`, if it was a long one.
    ///
    /// `end` is the observation that shows the end, if one does.
    pub(super) fn end_episode(&mut self, slot: u32, at: MonotonicTime, end: Option<&Observation>) {
        let connection = self.connections.get(slot);
        let lasted_ns = zero_window::lasted_long(&connection.last, at, end, &self.settings.detect);
        if let Some(lasted_ns) = lasted_ns
            && self.may_write(slot)
        {
            const KIND: FlagKind = FlagKind::ZeroWindowStall;
            self.write_of_connection(slot, EventType::Episode, KIND, Some(lasted_ns));
        }
    }
}
