//! Dribble: over `dribble_over`, with data queued and the peer's window the limit, the peer
//! drains below the floor.
//!
//! Slow but steady clients are not dribblers: a 56k modem drains fourteen times the default floor.

use crate::observation::CongestionState;
use crate::settings::DetectSettings;
use crate::state::State;
use crate::time::{Moment, SECOND_NS};

/// Whether the peer's window, and nothing on our side or on the path, is what limits sending.
pub(crate) fn is_limited_by_peer(state: &State) -> bool {
    let queued_bytes = state.queued_bytes();
    if queued_bytes == 0 {
        return false;
    }
    if state.window_bytes == 0 || state.zero_window_since.is_some() {
        return true;
    }
    let is_recovering = matches!(
        state.congestion,
        CongestionState::Recovery | CongestionState::Loss
    );
    let is_limited_by_cwnd = state.in_flight_segments >= state.cwnd_segments;
    let in_flight_bytes = state.in_flight_bytes();
    let next_bytes = (queued_bytes - in_flight_bytes.min(queued_bytes)).min(state.mss_bytes);
    let does_not_fit =
        in_flight_bytes.saturating_add(next_bytes) > state.window_bytes && next_bytes > 0;
    does_not_fit && !is_recovering && !is_limited_by_cwnd
}

/// What a span of draining shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Too short to tell.
    Unknown,
    /// Nothing was drained: a stall, and told as such.
    Still,
    /// At or above the floor.
    Steady,
    /// Below the floor.
    Dribbling,
}

/// Judges the span from `from`, when `acked_then` bytes were acknowledged, to the state.
pub(crate) fn pace(
    from: Moment,
    acked_then: u64,
    state: &State,
    settings: &DetectSettings,
) -> Pace {
    let span_ns = state.at.since_ns(from);
    if span_ns < settings.dribble_over_ns.max(1) {
        return Pace::Unknown;
    }
    let drained = state.bytes_acked.saturating_sub(acked_then);
    if drained == 0 {
        return Pace::Still;
    }
    let per_second = u128::from(drained) * u128::from(SECOND_NS) / u128::from(span_ns);
    let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
    if per_second < settings.dribble_floor_bytes_per_second {
        Pace::Dribbling
    } else {
        Pace::Steady
    }
}
