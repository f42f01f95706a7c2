//! Tiny window or tiny MSS: each byte costs a packet.

use crate::observe::state::State;

/// The largest window ever offered below which it is tiny: four segments of the default size, 536
/// bytes (RFC 9293 section 3.7.1).
///
/// With fewer than four segments in flight no loss can be repaired but by a timeout: fast
/// retransmit wants three duplicate acknowledgements (RFC 5681 section 3.2). Honest small stacks
/// stay at or above it: four segments are lwIP's default.
const TINY_WINDOW_BYTES: u32 = 4 * 536;

/// A sending MSS below this was forced down: no IPv4 path has such an MTU (RFC 791 requires 68
/// bytes, real links have at least 296). 536 is honest.
const TINY_MSS_BYTES: u32 = 256;

/// Whether the peer makes each byte cost a packet, and data is waiting for it.
pub(crate) fn is_tiny(state: &State) -> bool {
    if state.queued_bytes() == 0 || state.bytes_acked == 0 {
        return false;
    }
    let has_tiny_mss = state.mss_bytes > 0 && state.mss_bytes < TINY_MSS_BYTES;
    let has_tiny_window = state.max_window_bytes > 0 && state.max_window_bytes < TINY_WINDOW_BYTES;
    has_tiny_mss || has_tiny_window
}
