//! What holds up the data of a connection now, read from the state of its socket.

use crate::observe::state::State;
use detector_api::bounds::{FRUITLESS_RETRANSMITS, SILENT_PROBES, SILENT_TIMEOUTS};
use detector_api::snapshot::StallCause;
use detector_common::window;

/// What holds up the queued data of this connection, if anything does.
///
/// A peer that answers probes and segments sent again but takes nothing stalls by its window; one that
/// does not even answer is silent, whatever window it offered last. One that offers a window and
/// acknowledges nothing of what is sent into it leaves the data as unanswered.
#[inline]
pub(crate) fn by(state: &State) -> Option<StallCause> {
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
    let sent_again = state.head_retransmits.max(state.timeouts.into());
    (sent_again >= FRUITLESS_RETRANSMITS).then_some(StallCause::Unanswered)
}

/// Whether nothing at all comes from the peer.
///
/// Many segments may be sent again within one round trip when some were lost, so with an open
/// window only timeouts tell that there was time for an answer. Into a closed window the kernel
/// sends one at a time, each after its timeout, and does not count those (`tcp_retransmit_timer`).
#[inline]
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
pub(crate) fn is_window_too_small(state: &State) -> bool {
    window::episode_continues(
        state.snd_una,
        state.window_bytes,
        state.write_seq,
        state.mss_bytes,
    )
}
