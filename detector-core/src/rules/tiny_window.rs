//! Tiny window or tiny MSS: each byte costs a packet.

use crate::observe::state::State;
use detector_api::bounds::{DEFAULT_MSS_BYTES, TINY_MSS_BYTES, TINY_WINDOW_SEGMENTS};

/// The largest window ever offered below which it is tiny.
const TINY_WINDOW_BYTES: u32 = TINY_WINDOW_SEGMENTS * DEFAULT_MSS_BYTES;

/// Whether the peer makes each byte cost a packet, and data is waiting for it.
pub(crate) fn is_tiny(state: &State) -> bool {
    if state.queued_bytes() == 0 || state.bytes_acked == 0 {
        return false;
    }
    let has_tiny_mss = state.mss_bytes > 0 && state.mss_bytes < TINY_MSS_BYTES;
    let has_tiny_window = state.max_window_bytes > 0 && state.max_window_bytes < TINY_WINDOW_BYTES;
    has_tiny_mss || has_tiny_window
}
