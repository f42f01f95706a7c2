//! Measures how fast a connection is drained, and draws the consequences: a dribble, a crawl, a firm
//! hold, or a recovery.

use super::Engine;
use super::verdicts::due;
use crate::rules::dribble::{self, Limit, Pace, PaceKind, Span};
use crate::rules::fingerprint::Fingerprint;
use crate::time::MonotonicTime;
use crate::verdict::QUIET_NS;

impl Engine {
    /// Measures the pace over spans of `dribble_over` in which the peer or loss is the limit.
    pub(super) fn judge_pace(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        let proven = connection.proven_bytes_acked();
        let last = &connection.last;
        let (last_at, queued_bytes) = (last.at, last.queued_bytes());
        let limit = dribble::limit(last);
        let is_limited = limit != Limit::Other;
        let span = match &mut connection.span {
            Some(span) => span,
            None if is_limited => {
                connection
                    .span
                    .insert(Span::begin(last_at, proven, queued_bytes, limit))
            }
            None => return,
        };
        let is_won = span.is_won(proven, &self.detect);
        if span.ends(&self.detect) > self.clock && !is_won {
            return;
        }
        // Nothing tells that a recovery is over, so loss counts as far as it was seen.
        let seen_until = match limit {
            Limit::Loss => last_at.max(span.from),
            _ => self.clock,
        };
        span.follow(seen_until, limit);
        let span = *span;
        let progress_at = connection.proven_progress_at();
        if let Some(pace) = span.pace(self.clock, proven, progress_at, &self.detect) {
            let next = Span::begin(self.clock, proven, queued_bytes, limit);
            // What is held up is measured on until it is not.
            let goes_on = is_limited || pace.kind != PaceKind::Free;
            connection.span = goes_on.then_some(next);
            connection.pace_bytes_per_second = pace.bytes_per_second;
            let steady = span.mean(
                connection.steady_bytes_per_second,
                self.clock,
                &pace,
                &self.detect,
            );
            connection.steady_bytes_per_second = if goes_on { steady } else { 0 };
            self.take_pace(slot, span, pace);
        }
    }

    /// Draws the consequences of a whole span.
    fn take_pace(&mut self, slot: u32, span: Span, pace: Pace) {
        let connection = self.connections.get_mut(slot);
        let grip = &mut connection.grip;
        if pace.kind != PaceKind::Crawling {
            connection.crawling_since = None;
        }
        match pace.kind {
            PaceKind::Free => {
                connection.dribbling_since = None;
                grip.is_below_floor = false;
                let floor = self.detect.dribble_floor_bytes_per_second;
                let is_well = pace.bytes_per_second >= floor || connection.last.queued_bytes() == 0;
                if is_well {
                    self.note_recovery(slot);
                }
                return;
            }
            // No window holds it, so this is no grip of the peer's.
            PaceKind::Crawling => {
                connection.dribbling_since = None;
                connection.crawling_since.get_or_insert(span.from);
                grip.is_below_floor = false;
                return;
            }
            // Slower still than a dribble: it does not end one.
            PaceKind::Still => {}
            PaceKind::Dribbling => {
                connection.dribbling_since.get_or_insert(span.from);
                grip.is_read = true;
            }
        }
        if !grip.is_below_floor {
            connection.fingerprint = Some(Fingerprint::of(
                &connection.last,
                span.from,
                span.acked_then,
            ));
        }
        grip.is_below_floor = true;
    }

    /// The peer has read on after a stall: it was a pause. A connection counts once while that is
    /// remembered: one that stalls again and again speaks for itself, not for others.
    pub(super) fn note_recovery(&mut self, slot: u32) {
        let clock = self.clock;
        let connection = self.connections.get_mut(slot);
        let grip = &mut connection.grip;
        let has_stalled = std::mem::take(&mut grip.has_stalled);
        let is_counted = |at: MonotonicTime| clock.since_ns(at) < 2 * QUIET_NS;
        if !has_stalled || grip.recovered_at.is_some_and(is_counted) {
            return;
        }
        grip.recovered_at = Some(clock);
        let peer_slot = connection.peer;
        let peer = self.peers.get_mut(peer_slot);
        peer.remembered.recoveries.note(clock);
        let deadline = due(peer);
        self.peers.set_deadline(peer_slot, deadline);
    }
}
