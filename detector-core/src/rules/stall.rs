//! Stall: data queued and `snd_una` not moving for `stall_after`, with its cause read from the
//! state of the socket.
//!
//! Never from `rwnd_limited`, which shows 6 % where the truth is 100 % (window zero with data in
//! flight).

use crate::observe::state::State;
use detector_api::snapshot::{FlagKind, StallCause};
use detector_common::window;

/// Window probes, or segments sent again into a closed window, without any answer from which the
/// peer counts as silent. One is on its way at any time and one may be lost.
const SILENT_PROBES: u8 = 3;

/// Retransmission timeouts in a row, without any acknowledgement of new data between them, from
/// which the peer counts as silent if it did not acknowledge anything old either.
const SILENT_TIMEOUTS: u8 = 2;

/// Retransmission timeouts in a row, without any acknowledgement of new data between them, from
/// which it does not matter that the peer answers: its window is open, and it acknowledges nothing of
/// what is sent again. Path MTU black holes look like that, too. On a path that loses one
/// segment in three, four in a row are one in eighty.
const FRUITLESS_TIMEOUTS: u8 = 4;

/// What holds up the queued data of this connection, if anything does.
///
/// A peer that answers probes and segments sent again but takes nothing holds its window; one that
/// does not even answer is silent, whatever window it offered last. One that offers a window and
/// acknowledges nothing of what is sent into it leaves the data as unanswered.
pub(crate) fn cause(state: &State) -> Option<StallCause> {
    if state.queued_bytes() == 0 {
        return None;
    }
    if is_silent(state) {
        return Some(StallCause::Unanswered);
    }
    if state.window_bytes == 0 || state.zero_window_since.is_some() {
        return Some(StallCause::ZeroWindow);
    }
    if is_window_too_small(state) {
        return Some(StallCause::SmallWindow);
    }
    (state.timeouts >= FRUITLESS_TIMEOUTS).then_some(StallCause::Unanswered)
}

/// Whether nothing at all comes from the peer.
///
/// Many segments may be sent again within one round trip when some were lost, so with an open
/// window only timeouts tell that there was time for an answer. Into a closed window the kernel
/// sends one at a time, each after its timeout, and does not count those (`tcp_retransmit_timer`).
pub(crate) fn is_silent(state: &State) -> bool {
    let has_had_time = if state.window_bytes == 0 || is_window_too_small(state) {
        state.retransmits_unanswered >= u32::from(SILENT_PROBES)
    } else {
        let silent_timeouts = u32::from(SILENT_TIMEOUTS);
        state.timeouts >= SILENT_TIMEOUTS && state.retransmits_unanswered >= silent_timeouts
    };
    has_had_time || state.probes_unanswered >= SILENT_PROBES
}

/// Whether the window, open as it is, keeps the head segment back: the sender's own avoidance of
/// silly windows.
///
/// Segments in flight do not speak against it. Into such a window the kernel sends nothing of its
/// own accord; what is in flight then is below an edge that was taken back, or the cut-down segment
/// of a probe (`tcp_write_wakeup`), whose timeouts a peer that answers but takes nothing draws too.
/// So they are not looked at before.
fn is_window_too_small(state: &State) -> bool {
    window::episode_continues(
        state.snd_una,
        state.window_bytes,
        state.write_seq,
        state.mss_bytes,
    )
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
