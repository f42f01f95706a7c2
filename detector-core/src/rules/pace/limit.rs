//! What limits sending: the peer's window, loss, or neither.

use crate::observe::observation::CongestionState;
use crate::observe::state::State;
use crate::rules::held_up::is_window_too_small;

/// What limits sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Nothing to send, or our own side.
    Other,
    /// The peer's window.
    Peer,
    /// Segments have to be sent again: the path, or a peer that does not acknowledge them.
    Loss,
}

/// What limits sending now.
///
/// Loss recovery and the congestion window are no doing of the peer; while the window is closed, or too
/// small for the next segment, they do not matter, for nothing could be sent anyway. What is in flight
/// then is what a probe cut down, or lies below an edge that was taken back.
#[inline]
pub(crate) fn limit(state: &State) -> Limit {
    let queued_bytes = state.queued_bytes();
    if queued_bytes == 0 {
        return Limit::Other;
    }
    let is_closed = state.window_bytes == 0 || state.zero_window_since.is_some();
    if is_closed || is_window_too_small(state) {
        return Limit::Peer;
    }
    let is_recovering = matches!(
        state.congestion,
        CongestionState::Recovery | CongestionState::Loss
    );
    if is_recovering {
        return Limit::Loss;
    }
    let is_limited_by_cwnd = state.in_flight_segments >= state.cwnd_segments;
    let in_flight_bytes = state.in_flight_bytes();
    let next_bytes = (queued_bytes - in_flight_bytes.min(queued_bytes)).min(state.mss_bytes);
    let does_not_fit =
        in_flight_bytes.saturating_add(next_bytes) > state.window_bytes && next_bytes > 0;
    if does_not_fit && !is_limited_by_cwnd {
        Limit::Peer
    } else {
        Limit::Other
    }
}
