//! TCP window arithmetic: order of sequence numbers, what a retreat of the right edge means, when a
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

/// Whether `edge` lies below `edge_max` by what honest rounding can take back in total: less than
/// `2^shift`; also if it does not lie below.
#[inline]
#[must_use]
pub const fn is_rounding(edge_max: u32, edge: u32, shift: u8) -> bool {
    retracted_bytes(edge_max, edge) < 1u32 << (shift & 31)
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
    if retracted_bytes(edge_max, new_edge) == 0 {
        return Retreat::None;
    }
    if is_rounding(edge_max, new_edge, shift) {
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
