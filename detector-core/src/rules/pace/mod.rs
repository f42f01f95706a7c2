//! Pace: how fast a connection drains, measured over spans of `dribble_over` in which data is queued
//! and the peer's window, or loss, is the limit for most of the time.
//!
//! A peer that drains below the floor *dribbles*; one that drains nothing, or nothing any more, is
//! below the floor too, and stalls. Slow but steady clients are neither: a 56k modem drains fourteen
//! times the default floor. Whose segments are sent again for most of a span, and drains no more than
//! that, *crawls*: by acknowledging a byte now and then, or because the path is all but dead.

mod limit;
mod span;

use crate::observe::state::State;
use crate::rules::progress::Progress;
use crate::settings::DetectSettings;
use crate::time::MonotonicTime;
use limit::{Limit, limit};
use span::{Measured, PaceKind, Span};

/// Seconds to drain from which a queue is a cost, however steadily it is read.
const LONG_DRAIN_SECONDS: u64 = 600;

/// A longer round trip is a peer that waits before it acknowledges.
const LONGEST_ROUND_TRIP_US: u32 = 4_000_000;

/// The pace of one connection.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The span that is measured, while the peer or loss is the limit.
    span: Option<Span>,
    /// Of the last whole span.
    pub(crate) bytes_per_second: u64,
    /// The mean of those while it is measured, the newest counting most: one quick span is no pace.
    steady_bytes_per_second: u64,
    /// Start of the first span that was too slow, while they are.
    pub(crate) dribbling_since: Option<MonotonicTime>,
    /// Since when hardly anything of what is sent again is acknowledged.
    pub(crate) crawling_since: Option<MonotonicTime>,
    /// The peer's window was the limit over the last whole span, which was below the floor.
    pub(crate) is_below_floor: bool,
    /// Something was read below the floor.
    pub(crate) is_read: bool,
    /// A span at the floor at least is over in which data had waited for the peer, and was taken then.
    has_read_on: bool,
    /// When the last one was that was not the first: a client with much to do takes its first chunk late.
    pub(crate) read_on_at: Option<MonotonicTime>,
    /// The smallest round trip that was seen; 0 before any was.
    least_srtt_us: u32,
}

/// What a whole span has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PaceChange {
    /// The peer has read all, or at the floor at least: a stall before was a pause.
    KeepsUp,
    /// The peer is below the floor since a span that began at `from`, with so much acknowledged at
    /// its end: where a first span begins hangs on when something was seen of the connection, and
    /// one segment sent again is seen before anything was taken.
    BelowFloor {
        from: MonotonicTime,
        bytes_acked: u64,
    },
}

impl Pace {
    /// Follows the newest state.
    #[inline]
    pub(crate) fn observe(&mut self, last: &State) {
        if let Some(span) = &mut self.span {
            span.follow(last.at, limit(last));
        }
        let is_least = self.least_srtt_us == 0 || last.srtt_us < self.least_srtt_us;
        if is_least && last.srtt_us > 0 {
            self.least_srtt_us = last.srtt_us;
        }
    }

    /// From `at` on, nothing holds the connection up.
    pub(crate) fn rest(&mut self, at: MonotonicTime) {
        if let Some(span) = &mut self.span {
            span.follow(at, Limit::Other);
        }
    }

    /// Forgets that it dribbles or crawls.
    pub(crate) const fn clear(&mut self) {
        self.dribbling_since = None;
        self.crawling_since = None;
    }

    /// When the span that is measured ends.
    pub(crate) fn deadline(&self, settings: &DetectSettings) -> Option<MonotonicTime> {
        self.span.map(|span| span.ends(settings))
    }

    /// Begins a span where one is due, and judges it once it is whole.
    #[inline]
    pub(crate) fn judge(
        &mut self,
        last: &State,
        progress: &mut Progress,
        now: MonotonicTime,
        settings: &DetectSettings,
    ) -> Option<PaceChange> {
        let bytes_acked = progress.proven_bytes_acked(last);
        let limit = limit(last);
        let is_limited = limit != Limit::Other;
        let begin = |at| Span::begin(at, bytes_acked, last.queued_bytes(), limit);
        if self.span.is_none() && is_limited {
            self.span = Some(begin(last.at));
        }
        let span = self.span.as_mut()?;
        if span.ends(settings) > now && !span.is_won(bytes_acked, settings) {
            return None;
        }
        // Nothing says that a recovery is over, so loss counts as far as it was seen.
        let seen_until = match limit {
            Limit::Loss => last.at.max(span.from),
            _ => now,
        };
        span.follow(seen_until, limit);
        let span = *span;
        let mut measured = span.measure(now, bytes_acked, progress.proven_at(), settings)?;
        // What came before data waited may be a first burst.
        let released_with = progress.take_released_with();
        let took = |acked| span.after(acked).is_won(bytes_acked, settings);
        if released_with.is_some_and(took) {
            let had_read_on = std::mem::replace(&mut self.has_read_on, true);
            self.read_on_at = had_read_on.then_some(now);
        }
        if measured.kind == PaceKind::Dribbling && self.is_bound_by_round_trip(last, &measured) {
            measured.kind = PaceKind::Free;
        }
        // What is held up is measured on until it is not.
        let goes_on = is_limited || measured.kind != PaceKind::Free;
        let steady = span.mean(self.steady_bytes_per_second, now, &measured, settings);
        self.span = goes_on.then(|| begin(now));
        self.bytes_per_second = measured.bytes_per_second;
        self.steady_bytes_per_second = if goes_on { steady } else { 0 };
        self.conclude(&span, &measured, last, settings)
    }

    /// Draws the consequences of a whole span.
    #[inline]
    fn conclude(
        &mut self,
        span: &Span,
        measured: &Measured,
        last: &State,
        settings: &DetectSettings,
    ) -> Option<PaceChange> {
        if measured.kind != PaceKind::Crawling {
            self.crawling_since = None;
        }
        match measured.kind {
            PaceKind::Free => {
                self.dribbling_since = None;
                self.is_below_floor = false;
                self.is_read = false;
                let floor = settings.dribble_floor_bytes_per_second;
                let keeps_up = measured.bytes_per_second >= floor || last.queued_bytes() == 0;
                return keeps_up.then_some(PaceChange::KeepsUp);
            }
            // No window holds it up, so this is not the peer's doing.
            PaceKind::Crawling => {
                self.dribbling_since = None;
                self.crawling_since.get_or_insert(span.from);
                self.is_below_floor = false;
                return None;
            }
            // Slower still than a dribble: it does not end one.
            PaceKind::Still => {}
            PaceKind::Dribbling => {
                self.dribbling_since.get_or_insert(span.from);
                self.is_read = true;
            }
        }
        let was_below_floor = std::mem::replace(&mut self.is_below_floor, true);
        (!was_below_floor).then_some(PaceChange::BelowFloor {
            from: span.from,
            bytes_acked: span.acked_then.saturating_add(measured.drained_bytes),
        })
    }

    /// Whether the queue is drained, but would take more than ten minutes at the steady pace.
    #[inline]
    pub(crate) fn drains_for_long(&self, last: &State) -> bool {
        let pace = self.steady_bytes_per_second;
        pace > 0 && u64::from(last.queued_bytes()) / pace > LONG_DRAIN_SECONDS
    }

    /// Seconds until the queue is drained at the pace of the last whole span; 0 where there is none.
    #[allow(clippy::cast_precision_loss, reason = "shown, not compared")]
    pub(crate) fn drain_seconds(&self, last: &State) -> f64 {
        if self.bytes_per_second == 0 {
            0.0
        } else {
            f64::from(last.queued_bytes()) / self.bytes_per_second as f64
        }
    }

    /// Whether the peer takes at least half of what its window and the round trip let through: a small
    /// machine far away, which reads at once and yet drains no more. A longer trip is no network's. The smallest
    /// counts, for who is far away is so from the handshake on: a wait before each acknowledgement is in those after.
    fn is_bound_by_round_trip(&self, last: &State, measured: &Measured) -> bool {
        let a_second = u64::from(last.max_window_bytes) * 1_000_000;
        let possible = a_second.checked_div(self.least_srtt_us.into());
        let is_bound = |possible| measured.bytes_per_second.saturating_mul(2) >= possible;
        self.least_srtt_us <= LONGEST_ROUND_TRIP_US
            && possible.is_some_and(|possible| possible > 0 && is_bound(possible))
    }
}
