//! Progress: when the peer last took data, and since when data has been held up without any.
//!
//! A hook comes before the kernel has checked the segment that says so, and one with a wrong
//! checksum is dropped behind it. So what a hook sees stays unproven until the kernel's own count
//! shows it, and is taken back if that shows nothing.

use crate::observe::observation::Observation;
use crate::observe::state::State;
use crate::rules::held_up;
use crate::settings::DetectSettings;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::snapshot::StallCause;

/// Readers that take next to nothing each few seconds show it within this time after a stall.
const NEVER_READ_MARGIN_NS: u64 = SECOND_NS;

/// Data that was held up for so long waited for the peer to read.
const WAITED_NS: u64 = SECOND_NS;

/// The progress of one connection.
#[derive(Debug)]
pub(crate) struct Progress {
    /// When the peer was last seen to take data, or nothing was queued.
    at: MonotonicTime,
    pub(crate) held_up_since: Option<MonotonicTime>,
    /// What was acknowledged when data that had waited was first held up no more, in the span whose pace is measured.
    released_with: Option<u64>,
    unproven: Option<Unproven>,
}

/// What stood before the peer seemed to take data.
#[derive(Clone, Copy, Debug)]
struct Unproven {
    bytes_acked: u64,
    /// No more than this can be acknowledged by what the kernel drops.
    in_flight_bytes: u32,
    at: MonotonicTime,
    held_up_since: Option<MonotonicTime>,
}

impl Progress {
    pub(crate) fn new(first: &Observation) -> Self {
        Self {
            at: first.harmful_since.unwrap_or(first.at),
            held_up_since: None,
            released_with: None,
            unproven: None,
        }
    }

    /// Takes the state that has followed `before`.
    #[inline]
    pub(crate) fn observe(&mut self, before: &State, last: &State, is_kernels_word: bool) {
        if self.has_moved(before, last, is_kernels_word) || last.queued_bytes() == 0 {
            self.at = last.at;
            self.release(last.at, before.bytes_acked);
        }
    }

    /// Whether the peer has taken data, as far as that can be said.
    #[inline]
    fn has_moved(&mut self, before: &State, last: &State, is_kernels_word: bool) -> bool {
        // `snd_una` only; a hook sees it ahead of `bytes_acked`. It never goes back, so a change
        // of more than half the number space is progress too.
        let has_moved = last.snd_una != before.snd_una && last.bytes_acked >= before.bytes_acked;
        if !is_kernels_word {
            // An opening that takes nothing may be one that the kernel drops, too.
            let is_opening = self.held_up_since.is_some() && held_up::by(last).is_none();
            if (has_moved || is_opening) && self.unproven.is_none() {
                self.unproven = Some(Unproven {
                    bytes_acked: before.bytes_acked,
                    in_flight_bytes: before.in_flight_bytes(),
                    at: self.at,
                    held_up_since: self.held_up_since,
                });
            }
            return has_moved;
        }
        match self.unproven.take() {
            Some(stood) if last.bytes_acked <= stood.bytes_acked => {
                // The kernel has taken nothing of it.
                self.at = stood.at;
                self.held_up_since = stood.held_up_since;
                false
            }
            _ => has_moved,
        }
    }

    /// Notes since when data is held up, and returns by what.
    ///
    /// Seen for the first time, that is the kernel's own start of the harmful span if it says one,
    /// else now; never before the peer last took data.
    #[inline]
    pub(crate) fn judge(&mut self, last: &State) -> Option<StallCause> {
        let cause = held_up::by(last);
        let began = cause.map(|cause| match (cause, last.harmful_since) {
            (StallCause::ZeroWindow | StallCause::Unanswered, Some(since)) => since.max(self.at),
            _ => last.at,
        });
        match began {
            Some(began) => self.held_up_since = Some(self.held_up_since.unwrap_or(began)),
            None => self.release(last.at, last.bytes_acked),
        }
        cause
    }

    /// Nothing is held up any more, with so much acknowledged.
    #[inline]
    fn release(&mut self, at: MonotonicTime, bytes_acked: u64) {
        let since = self.held_up_since.take();
        let has_waited = since.is_some_and(|since| at.since_ns(since) >= WAITED_NS);
        if has_waited && self.released_with.is_none() {
            self.released_with = Some(bytes_acked);
        }
    }

    /// What was acknowledged when data that had waited was first held up no more, if any was since this was asked last.
    #[inline]
    pub(crate) const fn take_released_with(&mut self) -> Option<u64> {
        self.released_with.take()
    }

    /// Nothing is held up any more; `began` is when that was known of at first.
    pub(crate) fn rest(&mut self, began: MonotonicTime) {
        self.at = self.at.max(began);
        self.clear();
    }

    /// Forgets that anything is held up.
    pub(crate) const fn clear(&mut self) {
        self.held_up_since = None;
    }

    /// When data that is held up counts as a stall.
    #[inline]
    pub(crate) fn deadline(&self, settings: &DetectSettings) -> Option<MonotonicTime> {
        let since = self.held_up_since?;
        Some(since.plus_ns(settings.stall_after_ns))
    }

    /// When data that is held up, of a connection that was never read, counts as nothing else.
    #[inline]
    pub(crate) fn never_read_from(&self, settings: &DetectSettings) -> Option<MonotonicTime> {
        let stalled = self.deadline(settings)?;
        Some(stalled.plus_ns(NEVER_READ_MARGIN_NS))
    }

    /// When the peer last took data for sure, or nothing was queued.
    #[inline]
    pub(crate) fn proven_at(&self) -> MonotonicTime {
        self.unproven.map_or(self.at, |stood| stood.at)
    }

    /// What the kernel counts as acknowledged, at least.
    #[inline]
    pub(crate) fn proven_bytes_acked(&self, last: &State) -> u64 {
        let seen = last.bytes_acked;
        self.unproven.map_or(seen, |stood| {
            let proven = seen.saturating_sub(stood.in_flight_bytes.into());
            proven.max(stood.bytes_acked)
        })
    }
}
