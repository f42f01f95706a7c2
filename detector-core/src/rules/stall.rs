//! Stall: data queued and `snd_una` not moving for `stall_after`, with its cause read from the
//! state of the socket.
//!
//! Never from `rwnd_limited`, which shows 6 % where the truth is 100 % (window zero with data in
//! flight).

use crate::snapshot::{FlagKind, StallCause};
use crate::state::State;
use detector_common::window;

/// Window probes without an answer from which the peer counts as silent. One is on its way at any
/// time and one may be lost.
const SILENT_PROBES: u8 = 3;

/// Retransmission timeouts in a row, without any acknowledgement of new data between them, from
/// which the peer counts as silent.
const SILENT_TIMEOUTS: u8 = 2;

/// What holds up the queued data of this connection, if anything does.
///
/// A peer that answers window probes but reads nothing has a zero window; one that does not even
/// answer them is silent, whatever window it offered last.
pub(crate) fn cause(state: &State) -> Option<StallCause> {
    let queued_bytes = state.queued_bytes();
    if queued_bytes == 0 {
        return None;
    }
    let is_silent_to_probes = state.probes_unanswered >= SILENT_PROBES;
    if state.window_bytes == 0 || state.zero_window_since.is_some() {
        return Some(if is_silent_to_probes {
            StallCause::Unanswered
        } else {
            StallCause::ZeroWindow
        });
    }
    if is_silent_to_probes {
        return Some(StallCause::Unanswered);
    }
    let head_does_not_fit = window::episode_continues(
        state.snd_una,
        state.window_bytes,
        state.write_seq,
        state.mss_bytes,
    );
    if head_does_not_fit {
        return Some(StallCause::SmallWindow);
    }
    let is_silent = state.timeouts >= SILENT_TIMEOUTS;
    is_silent.then_some(StallCause::Unanswered)
}

/// Kind of the flag that a stall of this cause raises.
pub(crate) const fn flag(cause: StallCause) -> FlagKind {
    match cause {
        StallCause::ZeroWindow => FlagKind::ZeroWindowStall,
        StallCause::SmallWindow => FlagKind::SmallWindowStall,
        StallCause::Dribble => FlagKind::Dribble,
        StallCause::Unanswered => FlagKind::Unanswered,
    }
}
