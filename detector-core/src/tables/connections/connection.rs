//! One connection: its newest state and what has been made of it.

use super::Class;
use crate::ledger::Baseline;
use crate::observe::observation::{Observation, Source, Totals};
use crate::observe::state::State;
use crate::rules::FlagSet;
use crate::rules::dribble::Span;
use crate::rules::fingerprint::Fingerprint;
use crate::rules::stall;
use crate::time::MonotonicTime;
use detector_api::snapshot::{Process, StallCause};
use std::sync::Arc;

/// How fast the peer drains, measured between observations at least a second apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    pub(crate) from: MonotonicTime,
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_per_second: u64,
}

/// A window taken back to zero with data in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Treason {
    pub(crate) since: MonotonicTime,
    /// Zero-window time that was finished before.
    pub(crate) finished_ns: u64,
}

/// What stood before the peer seemed to take data: a hook comes before the kernel has checked the
/// segment that says so, and one with a wrong checksum is dropped behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unproven {
    pub(crate) bytes_acked: u64,
    /// No more than this can be acknowledged by what the kernel drops.
    pub(crate) in_flight_bytes: u32,
    pub(crate) progress_at: MonotonicTime,
    pub(crate) held_since: Option<MonotonicTime>,
}

/// What the peer has done with a connection since its window first was the limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grip {
    /// The last whole span was below the floor.
    pub(crate) is_below_floor: bool,
    /// Something was read below the floor.
    pub(crate) is_read: bool,
    /// A stall has not been made good yet.
    pub(crate) has_stalled: bool,
    /// When one made good was last counted for the peer.
    pub(crate) recovered_at: Option<MonotonicTime>,
}

/// As what a stalled connection is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StallClass {
    /// Not at all: no stall, or not firmly held.
    #[default]
    None,
    /// Stalled and silent.
    Unresponsive,
    /// Answers, offers a window, and acknowledges nothing of what is sent into it.
    NoProgress,
    /// Held firmly, nothing read.
    Blocked,
    /// Held firmly, read from now and then.
    SlowRead,
    /// Stalled, not held firmly, and yet what is queued would take long to drain at its pace.
    LongDrain,
    /// Stalled, and opened by us.
    Outbound,
    /// Held firmly, and opened by us.
    OutboundBlocked,
}

impl StallClass {
    /// Number of ways.
    pub(crate) const WAYS: usize = 8;

    /// Whether it is a burden beyond a pause: held firmly, silent, or fruitless.
    pub(crate) const fn is_beyond_pause(self) -> bool {
        matches!(
            self,
            Self::Unresponsive
                | Self::NoProgress
                | Self::Blocked
                | Self::SlowRead
                | Self::OutboundBlocked
        )
    }

    /// Whether the peer opened it and holds it firmly.
    pub(crate) const fn is_held_by_peer(self) -> bool {
        matches!(self, Self::Blocked | Self::SlowRead)
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Newest state.
    pub(crate) last: State,
    pub(crate) peer: u32,
    pub(crate) first_seen: MonotonicTime,
    /// Which generation of kernel state `baseline` belongs to.
    pub(crate) generation: Option<MonotonicTime>,
    pub(crate) baseline: Baseline,
    /// Totals of generations before this one; most connections have none.
    earlier: Option<Box<Totals>>,
    pub(crate) source: Source,
    /// When the peer was last seen to take data, or nothing was queued.
    pub(crate) progress_at: MonotonicTime,
    /// Since when data has been held up without any progress.
    pub(crate) held_since: Option<MonotonicTime>,
    /// Until the kernel's own count shows the progress that a hook saw.
    pub(crate) unproven: Option<Unproven>,
    pub(crate) stall: Option<StallCause>,
    /// Start of the stall; meaningful while there is one.
    pub(crate) stalled_since: MonotonicTime,
    /// Pinned bytes that are counted for the peer now.
    pub(crate) pinned_counted_bytes: u64,
    pub(crate) flags: FlagSet,
    /// Flags whose event was written, so that its end is written too.
    pub(crate) announced: FlagSet,
    /// Worst severity of a shrink flagged so far, an index of `detector_common::record::severity`.
    pub(crate) shrink_flagged: Option<usize>,
    pub(crate) drain: Drain,
    /// The span over which the pace is measured, while the peer or loss is the limit.
    pub(crate) span: Option<Span>,
    /// Pace of the last whole span.
    pub(crate) pace_bytes_per_second: u64,
    /// The mean of those while it is measured, the newest counting most: one quick span is no pace.
    pub(crate) steady_bytes_per_second: u64,
    /// Start of the first span that was too slow, while they are.
    pub(crate) dribbling_since: Option<MonotonicTime>,
    /// Since when hardly anything of what is sent again is acknowledged.
    pub(crate) crawling_since: Option<MonotonicTime>,
    /// What the peer has done since it first was the limit.
    pub(crate) grip: Grip,
    /// As what it is counted for the peer now.
    pub(crate) stall_class: StallClass,
    /// What it has in common with others; kept for as long as it holds.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Whether it is counted with those alike, and they hoard.
    pub(crate) has_same_fingerprint: bool,
    /// How often groups had changed when it was looked at for that.
    pub(crate) groups_seen: u64,
    /// From when its zero-window time is drawn in the accounts, while it is.
    pub(crate) ongoing_from: Option<MonotonicTime>,
    /// The zero window under data in flight that is going on, while it is young.
    pub(crate) treason: Option<Treason>,
    /// Who holds the socket, or held it until it became an orphan.
    pub(crate) owner: Option<Arc<[Process]>>,
    /// A complete sweep did not mention it: healthy or gone.
    pub(crate) is_quiet: bool,
    /// Number of the sweep that mentioned it last, counted in its namespace.
    pub(super) swept_in: Option<u64>,
    pub(crate) class: Class,
    pub(super) deadline: Option<MonotonicTime>,
}

impl Connection {
    pub(crate) fn new(first: &Observation, peer: u32) -> Self {
        Self {
            last: State::of(first),
            peer,
            first_seen: first.at,
            generation: None,
            baseline: Baseline::default(),
            earlier: None,
            source: first.source,
            progress_at: first.harmful_since.unwrap_or(first.at),
            held_since: None,
            unproven: None,
            stall: None,
            stalled_since: first.at,
            pinned_counted_bytes: 0,
            flags: FlagSet::default(),
            announced: FlagSet::default(),
            shrink_flagged: None,
            drain: Drain {
                from: first.at,
                bytes_acked: first.bytes_acked,
                bytes_per_second: 0,
            },
            span: None,
            pace_bytes_per_second: 0,
            steady_bytes_per_second: 0,
            dribbling_since: None,
            crawling_since: None,
            grip: Grip::default(),
            stall_class: StallClass::default(),
            fingerprint: None,
            has_same_fingerprint: false,
            groups_seen: 0,
            ongoing_from: None,
            treason: None,
            owner: None,
            is_quiet: false,
            swept_in: None,
            class: Class::Healthy,
            deadline: None,
        }
    }

    /// When the peer last took data for sure, or nothing was queued.
    pub(crate) fn proven_progress_at(&self) -> MonotonicTime {
        self.unproven
            .map_or(self.progress_at, |stood| stood.progress_at)
    }

    /// What the kernel counts as acknowledged, at least.
    pub(crate) fn proven_bytes_acked(&self) -> u64 {
        let seen = self.last.bytes_acked;
        self.unproven.map_or(seen, |stood| {
            let proven = seen.saturating_sub(stood.in_flight_bytes.into());
            proven.max(stood.bytes_acked)
        })
    }

    /// Takes a move of `snd_una` in an observation that has replaced `before`. Returns whether the
    /// peer has taken data, as far as that can be said.
    pub(crate) fn note_move(&mut self, before: &State, is_kernels_word: bool) -> bool {
        // `snd_una` only; a hook sees it ahead of `bytes_acked`. It never goes back, so a change
        // of more than half the number space is progress too.
        let has_moved =
            self.last.snd_una != before.snd_una && self.last.bytes_acked >= before.bytes_acked;
        if !is_kernels_word {
            // An opening that takes nothing may be one that the kernel drops, too.
            let ends_hold = self.held_since.is_some() && stall::cause(&self.last).is_none();
            if (has_moved || ends_hold) && self.unproven.is_none() {
                self.unproven = Some(Unproven {
                    bytes_acked: before.bytes_acked,
                    in_flight_bytes: before.in_flight_bytes(),
                    progress_at: self.progress_at,
                    held_since: self.held_since,
                });
            }
            return has_moved;
        }
        match self.unproven.take() {
            Some(stood) if self.last.bytes_acked <= stood.bytes_acked => {
                // The kernel has taken nothing of it.
                self.progress_at = stood.progress_at;
                self.held_since = stood.held_since;
                false
            }
            _ => has_moved,
        }
    }

    /// Totals of all generations together.
    pub(crate) fn totals(&self) -> Totals {
        let now = self.baseline.totals();
        self.earlier
            .as_ref()
            .map_or(now, |earlier| earlier.plus(&now))
    }

    /// Goes on to a newer generation, of which `baseline` was booked already.
    pub(crate) fn begin_generation(&mut self, generation: MonotonicTime, baseline: Baseline) {
        if self.generation.is_some() {
            self.earlier = Some(Box::new(self.totals()));
        }
        self.generation = Some(generation);
        self.baseline = baseline;
    }
}
