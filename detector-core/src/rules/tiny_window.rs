//! Tiny window or tiny MSS: each byte costs a packet.

use crate::state::State;

/// Segments of the largest window ever offered below which it is tiny.
const TINY_SEGMENTS: u32 = 2;

/// The MSS every host must accept without options (RFC 9293 section 3.7.1).
const DEFAULT_MSS_BYTES: u32 = 536;

/// A sending MSS below this was forced down: no IPv4 path has such an MTU (RFC 791 requires 68
/// bytes, real links have at least 296).
const TINY_MSS_BYTES: u32 = 256;

/// Whether the peer makes each byte cost a packet, and data is waiting for it.
pub(crate) fn is_tiny(state: &State) -> bool {
    if state.queued_bytes() == 0 || state.bytes_acked == 0 {
        return false;
    }
    let has_tiny_mss = state.mss_bytes > 0 && state.mss_bytes < TINY_MSS_BYTES;
    let least_bytes = TINY_SEGMENTS * state.mss_bytes.clamp(1, DEFAULT_MSS_BYTES);
    let has_tiny_window = state.max_window_bytes > 0 && state.max_window_bytes < least_bytes;
    has_tiny_mss || has_tiny_window
}
