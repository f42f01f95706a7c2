//! Bounds of the rules that no setting moves.
//!
//! The rules of the core compare with them and the sentences of a card name them. They are here, and
//! not with the rules, so that the two cannot drift apart: a client knows no core.

use std::time::Duration;

/// Window probes, or segments sent again into a closed window, without any answer from which the
/// peer counts as silent. One is on its way at any time and one may be lost.
pub const SILENT_PROBES: u8 = 3;

/// Retransmission timeouts in a row, without any acknowledgement of new data between them, from
/// which the peer counts as silent if it did not acknowledge anything old either.
pub const SILENT_TIMEOUTS: u8 = 2;

/// Times the first segment not acknowledged is sent again as lost, by timeouts or by what the peer
/// answers, from which it does not matter that the peer answers: its window is open, and it does not
/// acknowledge what is sent again. Path MTU black holes look like that, too. On a path that loses one
/// segment in three, four in a row are one in eighty.
pub const FRUITLESS_RETRANSMITS: u32 = 4;

/// Segments of the default size, 536 bytes (RFC 9293 section 3.7.1), below which the largest window
/// ever offered is tiny.
///
/// With fewer than four segments in flight no loss can be repaired but by a timeout: fast
/// retransmit wants three duplicate acknowledgements (RFC 5681 section 3.2). Honest small stacks
/// stay at or above it: four segments are lwIP's default.
pub const TINY_WINDOW_SEGMENTS: u32 = 4;

/// The default size of a segment.
pub const DEFAULT_MSS_BYTES: u32 = 536;

/// A sending MSS below this was forced down: no IPv4 path has such an MTU (RFC 791 requires 68
/// bytes, real links have at least 296). 536 is honest.
pub const TINY_MSS_BYTES: u32 = 256;

/// A peer whose largest window ever, and all that it ever took, are no more than this has read
/// nothing: a receiver that reads at all takes its first buffer and goes on. Honest small stacks
/// offer as little, but read on within a stall's time.
pub const NEVER_READ_BYTES: u32 = 8_192;

/// A receiver without memory opens its window again within this time.
pub const QUICK_REOPEN: Duration = Duration::from_secs(1);
