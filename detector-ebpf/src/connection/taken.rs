//! A window that the kernel takes: into the record of its connection, or into the host's totals.

use super::offer::{self, Offer};
use super::{snapshot, table};
use crate::attention;
use crate::count::count;
use crate::emit;
use crate::globals;
use crate::helpers;
use crate::record_pointer::RecordPointer;
use crate::socket::TcpSocket;
use detector_common::acceptance::{Segment, Sender, Window};
use detector_common::counter::Counter;
use detector_common::record::{Reason, flag};
use detector_common::window::{self, Retreat};

/// A window from a segment, and what was in force before it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Taken {
    /// When the segment came.
    pub at_ns: u64,
    /// What was in force.
    pub before: Window,
    /// What the segment offers.
    pub offered: Window,
}

impl Taken {
    /// From a segment that comes at this moment.
    #[inline(always)]
    pub fn now(sender: &Sender, segment: &Segment) -> Self {
        Self {
            at_ns: helpers::monotonic_ns(),
            before: sender.window(),
            offered: segment.offered(),
        }
    }

    /// Right edge that was in force.
    #[inline(always)]
    fn previous_edge(&self) -> u32 {
        window::edge(self.before.snd_una, self.before.snd_wnd)
    }

    /// The window of a SYN is unscaled and a promise of another kind: it is not counted.
    #[inline(always)]
    fn follows_syn(&self, tcp: TcpSocket) -> bool {
        self.before.snd_wl1 == tcp.initial_receive_sequence()
    }

    #[inline(always)]
    fn moves_edge_left(&self, tcp: TcpSocket) -> bool {
        let new_edge = window::edge(self.offered.snd_una, self.offered.snd_wnd);
        !self.follows_syn(tcp) && window::is_after(self.previous_edge(), new_edge)
    }

    /// Whether that takes something back: on an MPTCP subflow it does not, see `offer`.
    #[inline(always)]
    fn retreats(&self, tcp: TcpSocket) -> bool {
        self.moves_edge_left(tcp) && !tcp.is_subflow()
    }

    /// Whether it may say anything against the peer, so that a connection without a record gets one.
    /// Rounding does where steps of it add up, which are not remembered where room is scarce.
    #[inline(always)]
    pub fn makes_state(&self, tcp: TcpSocket) -> bool {
        self.offered.snd_wnd == 0
            || self.retreats(tcp) && !(attention::is_room_scarce() && self.is_rounding(tcp))
    }

    #[inline(always)]
    fn is_rounding(&self, tcp: TcpSocket) -> bool {
        let new_edge = window::edge(self.offered.snd_una, self.offered.snd_wnd);
        window::is_rounding(self.previous_edge(), new_edge, tcp.window_shift())
    }

    /// Books it.
    #[inline(always)]
    pub fn apply(&self, tcp: TcpSocket) -> Option<()> {
        if tcp.is_subflow() && self.moves_edge_left(tcp) {
            count(Counter::SubflowRetreats);
        }
        let now_ns = helpers::monotonic_ns();
        let record = if self.makes_state(tcp) {
            let Some(record) = table::find_or_create(tcp, now_ns) else {
                self.count_untracked(tcp);
                return None;
            };
            record
        } else {
            let record = table::find(tcp)?;
            attention::note(tcp);
            record
        };
        let is_behind = record.snd_una().get() != self.before.snd_una;
        snapshot::refresh(&record, tcp, now_ns);
        record.raise(flag::SEEN_BY_HOOK);
        let offer = Offer {
            ack: self.offered.snd_una,
            window_bytes: self.offered.snd_wnd,
            previous_edge: if self.follows_syn(tcp) {
                None
            } else {
                Some(self.previous_edge())
            },
            is_behind,
        };
        let is_news = offer::apply(&record, offer, self.at_ns);
        self.mark_force(&record);
        if is_news {
            emit::emit(&record, Reason::Window);
        }
        None
    }

    /// Remembers when the kernel does not take a window that counts for us: same numbers as before
    /// and smaller; a zero only where it ignores even that.
    #[inline(always)]
    fn mark_force(&self, record: &RecordPointer<'_>) {
        let (before, offered) = (self.before, self.offered);
        let same_numbers = offered.snd_una == before.snd_una && offered.snd_wl1 == before.snd_wl1;
        let is_in_force = offered.snd_wnd == 0 && globals::takes_repeated_zero();
        record.put(
            flag::WINDOW_NOT_IN_FORCE,
            same_numbers && offered.snd_wnd < before.snd_wnd && !is_in_force,
        );
    }

    #[inline(always)]
    fn count_untracked(&self, tcp: TcpSocket) {
        if self.offered.snd_wnd == 0 && self.before.snd_wnd != 0 {
            count(Counter::UntrackedZeroWindows);
        }
        if !self.retreats(tcp) {
            return;
        }
        match window::retreat(
            self.previous_edge(),
            self.previous_edge(),
            self.offered.snd_una,
            self.offered.snd_wnd,
            tcp.snd_nxt(),
            tcp.window_shift(),
        ) {
            Retreat::None | Retreat::Granularity => {}
            Retreat::Polite => count(Counter::UntrackedShrinksPolite),
            Retreat::BelowFlight => count(Counter::UntrackedShrinksBelowFlight),
            Retreat::Treason => count(Counter::UntrackedShrinksTreason),
        }
    }
}
