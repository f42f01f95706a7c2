//! What a stall is taken for.

use crate::observe::state::State;
use crate::rules::held_up::is_silent;
use crate::rules::pace::Pace;
use detector_api::bounds::NEVER_READ_BYTES;
use detector_api::snapshot::{Direction, StallCause};

/// What is known of other stalls of the same peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It has read on after some, or may just be late.
    MayBeRead,
    /// It has never read on, and has had the time.
    Unread,
    /// A hoard of them ended unread with their connections, lately, and fewer were read on; nobody else uses the
    /// address.
    Abandoned,
}

/// What a stalled connection is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StallClass {
    /// Nothing more yet than a pause of the peer's.
    Paused,
    /// Offered no window, or next to none, from its first byte on, and took no more than that.
    NeverRead,
    /// Nothing at all comes from the peer.
    Unresponsive,
    /// Answers, offers a window, and acknowledges nothing of what is sent into it.
    NoProgress,
    /// Below the drain floor, nothing read.
    Blocked,
    /// Below the drain floor, read from now and then.
    SlowRead,
    /// One more of a hoard that is opened anew before any of it has been held for long.
    Renewed,
    /// Above the drain floor, and yet what is queued would take long to drain at its pace.
    LongDrain,
    /// Opened by us.
    Outbound,
    /// Below the drain floor, and opened by us.
    OutboundBlocked,
    /// Opened by us, and nothing at all comes from the peer.
    OutboundUnresponsive,
    /// Opened by us; the peer acknowledges nothing of what is sent into its window.
    OutboundNoProgress,
    /// Towards a program on this host, for instance a proxy that waits for a client of its own: that
    /// one is counted.
    WithinHost,
}

impl StallClass {
    /// All of them, each at the place of its number.
    pub(crate) const ALL: [Self; 13] = [
        Self::Paused,
        Self::NeverRead,
        Self::Unresponsive,
        Self::NoProgress,
        Self::Blocked,
        Self::SlowRead,
        Self::Renewed,
        Self::LongDrain,
        Self::Outbound,
        Self::OutboundBlocked,
        Self::OutboundUnresponsive,
        Self::OutboundNoProgress,
        Self::WithinHost,
    ];
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// What a stall of this cause is taken for. Where it is not known who opened the connection, it
    /// counts as the peer's: a host that has peers serves them.
    #[inline]
    pub(crate) fn of(
        cause: StallCause,
        last: &State,
        pace: &Pace,
        direction: Direction,
        before: Before,
    ) -> Self {
        let is_outbound = direction == Direction::Outbound;
        if cause == StallCause::Unanswered {
            return match (is_outbound, is_silent(last)) {
                (false, true) => Self::Unresponsive,
                (false, false) => Self::NoProgress,
                (true, true) => Self::OutboundUnresponsive,
                (true, false) => Self::OutboundNoProgress,
            };
        }
        match (is_outbound, pace.is_below_floor) {
            (true, false) => Self::Outbound,
            (true, true) => Self::OutboundBlocked,
            (false, false) if pace.drains_for_long(last) => Self::LongDrain,
            (false, false) if before == Before::Abandoned => Self::Renewed,
            (false, false) if before == Before::Unread && is_never_read(last) => Self::NeverRead,
            (false, false) => Self::Paused,
            (false, true) if pace.is_read => Self::SlowRead,
            (false, true) => Self::Blocked,
        }
    }

    /// Whether it costs more than a pause does. One that was never read does not yet: by itself it
    /// may be a small machine that starts slowly, and only a hoard of them is more.
    pub(crate) const fn is_beyond_pause(self) -> bool {
        match self {
            Self::Paused
            | Self::NeverRead
            | Self::LongDrain
            | Self::Outbound
            | Self::WithinHost => false,
            Self::Unresponsive
            | Self::NoProgress
            | Self::Blocked
            | Self::SlowRead
            | Self::Renewed
            | Self::OutboundBlocked
            | Self::OutboundUnresponsive
            | Self::OutboundNoProgress => true,
        }
    }

    /// Whether the peer opened it and is below the drain floor, or is taken to be.
    pub(crate) const fn is_blocked_by_peer(self) -> bool {
        matches!(self, Self::Blocked | Self::SlowRead | Self::Renewed)
    }

    /// Whether the peer opened it, and answers, and reads nothing or next to nothing.
    pub(crate) const fn is_unread(self) -> bool {
        matches!(
            self,
            Self::Paused | Self::NeverRead | Self::Blocked | Self::SlowRead | Self::Renewed
        )
    }

    /// Whether nothing at all comes from the peer, whoever opened it.
    pub(crate) const fn is_silent(self) -> bool {
        matches!(self, Self::Unresponsive | Self::OutboundUnresponsive)
    }

    /// Whether we opened it.
    pub(crate) const fn is_outbound(self) -> bool {
        matches!(
            self,
            Self::Outbound
                | Self::OutboundBlocked
                | Self::OutboundUnresponsive
                | Self::OutboundNoProgress
        )
    }
}

/// Whether the peer never offered more than next to nothing, and took no more than that. Who has read
/// has moved the end of its window on by as much.
fn is_never_read(last: &State) -> bool {
    let is_little =
        last.max_window_bytes <= NEVER_READ_BYTES && last.bytes_acked <= NEVER_READ_BYTES.into();
    is_little && !has_read(last)
}

/// Whether all that it ever offered is more than its largest window, rounding aside. Unknown is no.
#[allow(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
fn has_read(last: &State) -> bool {
    let first = last.snd_una.wrapping_sub(last.bytes_acked as u32);
    let granularity = 1_u32.checked_shl(last.window_shift.into()).unwrap_or(0);
    let unread = last.max_window_bytes.saturating_add(granularity);
    last.edge_max()
        .is_some_and(|edge| edge.wrapping_sub(first) > unread)
}
