//! TCP window arithmetic: which segment counts, what a retreat of the right edge means, when a
//! zero-window episode ends.
//!
//! Sequence numbers are 32 bits and wrap; "after" means by less than 2^31. Windows are in bytes,
//! already shifted. Pure functions; the kernel side and the agent call the same ones.

/// Whether sequence number `a` lies after `b` (`after()` in `include/net/tcp.h`).
#[inline]
#[must_use]
pub const fn is_after(a: u32, b: u32) -> bool {
    // The sign bit of the difference: reinterpretation is the point.
    b.wrapping_sub(a) >> 31 == 1
}

/// The later of two sequence numbers.
#[inline]
#[must_use]
pub const fn later(a: u32, b: u32) -> u32 {
    if is_after(a, b) { a } else { b }
}

/// What the sending socket knows before the segment is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// First sequence number not yet acknowledged.
    pub snd_una: u32,
    /// Next sequence number to send.
    pub snd_nxt: u32,
    /// Window in force, bytes.
    pub snd_wnd: u32,
    /// Sequence number of the segment that set it.
    pub snd_wl1: u32,
    /// Next sequence number expected from the peer.
    pub rcv_nxt: u32,
    /// `rcv_nxt` when we last sent a window.
    pub rcv_wup: u32,
    /// Our own window counted from `rcv_wup`.
    pub rcv_wnd: u32,
    /// Last in-order timestamp value of the peer; meaningful if the segment carries one.
    pub ts_recent: u32,
}

/// What the segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Sequence number after its last byte (`seq` for a pure ACK).
    pub end_seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window in bytes, shifted.
    pub window: u32,
    /// Timestamp value, if the segment carries the option in its usual place.
    pub timestamp: Option<u32>,
}

/// Whether the window of a segment is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The window is the peer's newest word.
    Taken,
    /// Nothing new: same segment numbers and a window that does not shrink, or an old segment.
    Stale,
    /// Outside the acknowledgement or sequence window, or a timestamp from the past: not the
    /// peer's word at all, perhaps not the peer.
    Ignored,
    /// Same sequence and acknowledgement number, smaller window above zero, and no newer
    /// timestamp: either a retreat or a reordered segment. Never judged.
    Ambiguous,
}

/// Decides which segment counts (the caller has already left out RST and SYN).
///
/// Linux's `tcp_may_update_window` with the checks that come before it (`tcp_sequence`, PAWS,
/// acknowledgement range), plus one refinement: where sequence and acknowledgement number are the
/// same, a newer timestamp proves that the smaller window is the later word. A zero window counts
/// there even without that proof, as it does for Linux.
#[inline]
#[must_use]
pub const fn acceptance(sender: &Sender, segment: &Segment) -> Acceptance {
    if is_after(segment.ack, sender.snd_nxt) || is_outside_receive_window(sender, segment) {
        return Acceptance::Ignored;
    }
    let age = age(sender.ts_recent, segment.timestamp);
    if matches!(age, Age::Past) {
        return Acceptance::Ignored;
    }
    if is_after(sender.snd_una, segment.ack) {
        return Acceptance::Stale;
    }
    if is_after(segment.ack, sender.snd_una) || is_after(segment.seq, sender.snd_wl1) {
        return Acceptance::Taken;
    }
    if segment.seq != sender.snd_wl1 {
        return Acceptance::Stale;
    }
    if segment.window > sender.snd_wnd || segment.window == 0 {
        return Acceptance::Taken;
    }
    if segment.window == sender.snd_wnd {
        return Acceptance::Stale;
    }
    match age {
        Age::Newer => Acceptance::Taken,
        Age::Past | Age::Unknown => Acceptance::Ambiguous,
    }
}

/// What the timestamp tells of a segment's place in time.
#[derive(Clone, Copy)]
enum Age {
    /// Sent after everything that was accepted so far.
    Newer,
    /// Refused by PAWS.
    Past,
    /// Nothing.
    Unknown,
}

/// `tcp_paws_check()`: one tick backwards passes (`TCP_PAWS_WINDOW`), and a `ts_recent` of 0 is
/// no timestamp at all: then the option was not agreed on, whatever the segment carries.
///
/// Linux also accepts any timestamp after 24 days of silence; that needs a clock and is left out.
#[inline]
const fn age(ts_recent: u32, timestamp: Option<u32>) -> Age {
    const TOLERATED_TICKS: u32 = 1;
    match timestamp {
        Some(value) if ts_recent != 0 => {
            if is_after(value, ts_recent) {
                Age::Newer
            } else if ts_recent.wrapping_sub(value) > TOLERATED_TICKS {
                Age::Past
            } else {
                Age::Unknown
            }
        }
        _ => Age::Unknown,
    }
}

/// `tcp_sequence()`: the segment ends before what we have, or starts beyond what we offered.
#[inline]
const fn is_outside_receive_window(sender: &Sender, segment: &Segment) -> bool {
    let right = sender.rcv_wup.wrapping_add(sender.rcv_wnd);
    let window_end = later(right, sender.rcv_nxt);
    is_after(sender.rcv_wup, segment.end_seq) || is_after(segment.seq, window_end)
}

/// Right edge of the offer: the first sequence number the peer does not want.
#[inline]
#[must_use]
pub const fn edge(ack: u32, window: u32) -> u32 {
    ack.wrapping_add(window)
}

/// How far `edge` lies below `edge_max`, in bytes; 0 if it does not.
#[inline]
#[must_use]
pub const fn retracted_bytes(edge_max: u32, edge: u32) -> u32 {
    if is_after(edge_max, edge) {
        edge_max.wrapping_sub(edge)
    } else {
        0
    }
}

/// Whether an edge that was known some time ago has been acknowledged past since: then it says
/// nothing any more, for what is acknowledged was offered, and sequence numbers a few gigabytes apart
/// cannot be compared.
///
/// `acked_bytes` is how much has been acknowledged since then, as 64-bit counts tell; below zero, where
/// the earlier count ran ahead of the kernel, it has wrapped and means nothing.
#[inline]
#[must_use]
pub const fn is_passed(edge: u32, snd_una: u32, acked_bytes: u64) -> bool {
    let is_far = acked_bytes >> 31 != 0 && acked_bytes >> 63 == 0;
    is_far || is_after(snd_una, edge)
}

/// What a retreat of the right edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retreat {
    /// The edge did not move left, or not below its maximum.
    None,
    /// Less than `2^shift` below the highest edge: honest rounding (RFC 7323 section 2.4, App. F).
    Granularity,
    /// A shrink that takes back nothing in flight.
    Polite,
    /// A shrink below data in flight, to a window above zero.
    BelowFlight,
    /// A shrink to zero with data in flight.
    Treason,
}

/// Classifies the move of the right edge from `last_edge` to `ack + window`.
///
/// Compared with the highest edge ever offered, so that many small steps do not slip through; an
/// event only where the edge moved left, so that staying low is one event.
#[inline]
#[must_use]
pub const fn retreat(
    edge_max: u32,
    last_edge: u32,
    ack: u32,
    window: u32,
    snd_nxt: u32,
    shift: u8,
) -> Retreat {
    let new_edge = edge(ack, window);
    if !is_after(last_edge, new_edge) {
        return Retreat::None;
    }
    let retracted = retracted_bytes(edge_max, new_edge);
    if retracted == 0 {
        return Retreat::None;
    }
    if retracted < 1u32 << (shift & 31) {
        return Retreat::Granularity;
    }
    if window == 0 && is_after(snd_nxt, ack) {
        return Retreat::Treason;
    }
    if is_after(snd_nxt, new_edge) {
        return Retreat::BelowFlight;
    }
    Retreat::Polite
}

/// Bytes from one sequence number up to a later one, as from `snd_una` to `write_seq`; 0 if the
/// second is not later (a FIN that was acknowledged lies beyond `write_seq`).
#[inline]
#[must_use]
pub const fn span_bytes(from: u32, to: u32) -> u32 {
    let span = to.wrapping_sub(from);
    if span >> 31 == 1 { 0 } else { span }
}

/// Whether a zero-window episode goes on after a window of `window` bytes at `ack`.
///
/// It ends when the head segment may go again (`tcp_snd_wnd_test`), not at the first non-zero
/// window: 0, 1, 0, 1 is one episode. With nothing to send any open window ends it.
#[inline]
#[must_use]
pub const fn episode_continues(ack: u32, window: u32, write_seq: u32, mss: u32) -> bool {
    if window == 0 {
        return true;
    }
    let queued = span_bytes(ack, write_seq);
    let head = if queued < mss { queued } else { mss };
    window < head
}
