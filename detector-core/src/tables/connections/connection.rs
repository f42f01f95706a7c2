//! One connection: who it is, its newest state, and one field of each rule that remembers something.

use super::Class;
use crate::ledger::Booked;
use crate::observe::observation::{Direction, Observation, Reason, Source};
use crate::observe::state::State;
use crate::rules::drain::{Drain, DrainChange};
use crate::rules::flags::ConnectionFlags;
use crate::rules::hoard::Membership;
use crate::rules::pace::Pace;
use crate::rules::progress::Progress;
use crate::rules::shrink::Shrink;
use crate::rules::stall::Stall;
use crate::tables::owner::Owners;
use crate::time::{MonotonicTime, SECOND_NS};

/// Longer than any interval between two sweeps.
const UNSWEPT_GRACE_NS: u64 = 300 * SECOND_NS;

/// One connection: a field for each rule that keeps something of it, beside what they all look at.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Slot of its peer.
    pub(crate) peer: u32,
    pub(crate) first_seen: MonotonicTime,
    pub(crate) source: Source,
    /// Who opened it. Known once is known for good.
    pub(crate) direction: Direction,
    /// Who holds the socket, or held it until it became an orphan.
    ///
    /// Empty where no process that the agent can see does.
    pub(crate) owner: Option<Owners>,
    /// The one thread of the first of them that is known to sleep in a write to it.
    pub(crate) writer: Option<u32>,
    /// Whether its other end is a socket of this host; `None` while that was not looked up.
    pub(crate) is_within_host: Option<bool>,
    /// Whether it comes by this host's way in. Whom its network namespace belongs to never changes.
    pub(crate) is_on_our_way: bool,
    /// Newest state.
    pub(crate) last: State,
    pub(crate) booked: Booked,
    pub(crate) flags: ConnectionFlags,
    pub(crate) progress: Progress,
    pub(crate) pace: Pace,
    pub(crate) drain: Drain,
    pub(crate) stall: Stall,
    pub(crate) shrink: Shrink,
    pub(crate) membership: Membership,
    /// What the table keeps of it.
    pub(super) entry: Entry,
}

/// Where a connection stands in its table.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) class: Class,
    /// A complete sweep did not mention it: healthy or gone.
    pub(super) is_idle: bool,
    /// Number of the sweep that mentioned it last, counted in its namespace.
    pub(super) swept_in: Option<u64>,
    pub(super) deadline: Option<MonotonicTime>,
}

impl Connection {
    pub(crate) fn new(first: &Observation, peer: u32) -> Self {
        Self {
            peer,
            first_seen: first.at,
            source: first.source,
            direction: first.direction,
            owner: None,
            writer: None,
            is_within_host: None,
            is_on_our_way: first.is_on_our_way,
            last: State::of(first),
            booked: Booked::default(),
            flags: ConnectionFlags::default(),
            progress: Progress::new(first),
            pace: Pace::default(),
            drain: Drain::new(first),
            stall: Stall::new(first.at),
            shrink: Shrink::default(),
            membership: Membership::default(),
            entry: Entry::default(),
        }
    }

    /// Takes the state of an observation that is not older than what is known.
    #[inline]
    pub(crate) fn observe(&mut self, observation: &Observation) -> Option<DrainChange> {
        let before = std::mem::replace(&mut self.last, State::of(observation));
        if self.source != observation.source {
            self.source = Source::Both;
        }
        self.direction = self.direction.join(observation.direction);
        self.pace.observe(&self.last);
        let is_kernels_word = observation.reason != Reason::Window;
        self.progress.observe(&before, &self.last, is_kernels_word);
        self.drain.observe(&self.last)
    }

    /// A complete sweep that began at `began` did not mention it.
    pub(crate) fn rest(&mut self, began: MonotonicTime) {
        self.last.zero_window_since = None;
        self.last.harmful_since = None;
        self.progress.rest(began);
        self.pace.rest(began);
    }

    /// Whether a peer opened it, as far as is known: not we, and no program of this host.
    pub(crate) fn is_of_peer(&self) -> bool {
        self.direction != Direction::Outbound && self.is_within_host != Some(true)
    }

    /// Whether data is held up, if not yet for long enough to be a stall.
    pub(crate) const fn is_held_up(&self) -> bool {
        self.progress.held_up_since.is_some() || self.last.harmful_since.is_some()
    }

    /// When a connection of which only sweeps report is forgotten unless one does so again: its
    /// network namespace is swept no more, and nobody announces its end.
    pub(crate) fn forgotten_at(&self) -> Option<MonotonicTime> {
        let is_from_sweeps = self.booked.generation.is_none();
        is_from_sweeps.then(|| self.last.at.plus_ns(UNSWEPT_GRACE_NS))
    }

    pub(crate) const fn class(&self) -> Class {
        self.entry.class
    }

    /// Whether a complete sweep did not mention it.
    pub(crate) const fn is_idle(&self) -> bool {
        self.entry.is_idle
    }
}
