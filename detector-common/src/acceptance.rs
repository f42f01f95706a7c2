//! Which segment counts: the kernel's tests on the way to a new window, repeated.
//!
//! `tp_btf/tcp_probe` comes before the kernel has tested a segment. `docs/segments.md` lists the tests
//! and which kernel makes which; what a kernel does is told by [`Sender`], never by a version. Pure
//! functions over 32-bit sequence numbers that wrap.

use crate::window::{is_after, later};

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
    /// Highest right edge we ever offered; `None` where the kernel does not keep it and tests by the
    /// last one.
    pub rcv_mwnd_seq: Option<u32>,
    /// Buffers in our receive queue; `None` where the kernel lets a segment end wherever it likes.
    pub receive_queue: Option<u32>,
    /// Last in-order timestamp value of the peer; meaningful if the segment carries one.
    pub ts_recent: u32,
    /// Whether `ts_recent` is so old that the kernel lets any timestamp pass.
    pub ts_recent_has_expired: bool,
}

impl Sender {
    /// What a segment may change of it.
    #[inline]
    #[must_use]
    pub const fn window(&self) -> Window {
        Window {
            snd_una: self.snd_una,
            snd_wnd: self.snd_wnd,
            snd_wl1: self.snd_wl1,
        }
    }
}

/// What the segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Sequence number after its last byte (`seq` for a pure ACK); a FIN counts one.
    pub end_seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window in bytes, shifted.
    pub window: u32,
    /// Whether it carries a FIN.
    pub has_fin: bool,
    /// Timestamp value, if the segment carries the option.
    pub timestamp: Option<u32>,
    /// Whether what only the kernel finds out is settled: the checksum is known to be right, and the
    /// options could be read.
    pub is_settled: bool,
}

impl Segment {
    /// What it sets if it is taken.
    #[inline]
    #[must_use]
    pub const fn offered(&self) -> Window {
        Window {
            snd_una: self.ack,
            snd_wnd: self.window,
            snd_wl1: self.seq,
        }
    }
}

/// Whether the window of a segment is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The window is the peer's newest word.
    Taken,
    /// It would be, if the segment passes a test whose outcome no field tells.
    Unproven,
    /// Nothing new: same segment numbers and a window that does not shrink, or an old segment.
    Stale,
    /// Outside the acknowledgement or sequence window, or a timestamp from the past: not the
    /// peer's word at all, perhaps not the peer.
    Ignored,
    /// Same sequence and acknowledgement number, smaller window above zero, and no newer
    /// timestamp: either a retreat or a reordered segment. Never judged.
    Ambiguous,
}

/// What a segment that is taken changes at the sender; nothing else changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First sequence number not yet acknowledged.
    pub snd_una: u32,
    /// Window in force, bytes.
    pub snd_wnd: u32,
    /// Sequence number of the segment that set it.
    pub snd_wl1: u32,
}

/// What became of a segment whose acceptance was [`Acceptance::Unproven`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel took its window.
    Taken,
    /// It changed nothing: dropped, or one that the kernel never takes.
    Dropped,
    /// Somebody else has set the window since.
    Unknown,
}

/// What became of a segment, by what it could change: `before` it came, and `now`.
#[inline]
#[must_use]
pub const fn outcome(before: &Window, offered: &Window, now: &Window) -> Outcome {
    let is_set = now.snd_una == later(before.snd_una, offered.snd_una)
        && now.snd_wnd == offered.snd_wnd
        && now.snd_wl1 == offered.snd_wl1;
    let is_as_before = now.snd_una == before.snd_una
        && now.snd_wnd == before.snd_wnd
        && now.snd_wl1 == before.snd_wl1;
    if is_as_before {
        Outcome::Dropped
    } else if is_set {
        Outcome::Taken
    } else {
        Outcome::Unknown
    }
}

/// Decides which segment counts (the caller has already left out RST and SYN).
///
/// Linux's `tcp_may_update_window` with the checks that come before it (`tcp_sequence`, PAWS,
/// acknowledgement range), plus one refinement: where sequence and acknowledgement number are the
/// same, a newer timestamp proves that the smaller window is the later word. A zero window counts
/// there even without that proof.
#[inline]
#[must_use]
pub const fn acceptance(sender: &Sender, segment: &Segment) -> Acceptance {
    let place = place(sender, segment);
    if is_after(segment.ack, sender.snd_nxt) || matches!(place, Place::Outside) {
        return Acceptance::Ignored;
    }
    let age = age(sender, segment.timestamp);
    if matches!(age, Age::Past) {
        return Acceptance::Ignored;
    }
    match newest_word(sender, segment, age) {
        Acceptance::Taken | Acceptance::Ambiguous
            if !segment.is_settled || matches!(place, Place::Unknown) =>
        {
            Acceptance::Unproven
        }
        word => word,
    }
}

/// `tcp_may_update_window()` with our refinement, for a segment that passes everything before it.
#[inline]
const fn newest_word(sender: &Sender, segment: &Segment, age: Age) -> Acceptance {
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

#[inline]
const fn age(sender: &Sender, timestamp: Option<u32>) -> Age {
    let Some(value) = timestamp else {
        return Age::Unknown;
    };
    if sender.ts_recent == 0 {
        return Age::Unknown;
    }
    if is_after(value, sender.ts_recent) {
        Age::Newer
    } else if is_past(sender.ts_recent, value) && !sender.ts_recent_has_expired {
        Age::Past
    } else {
        Age::Unknown
    }
}

/// Whether a timestamp lies so far back that PAWS refuses it, unless [`has_expired`]: one tick
/// backwards passes (`TCP_PAWS_WINDOW`), and a `ts_recent` of 0 is no timestamp at all: then the option
/// was not agreed on, whatever the segment carries.
#[inline]
#[must_use]
pub const fn is_past(ts_recent: u32, timestamp: u32) -> bool {
    const TOLERATED_TICKS: u32 = 1;
    let back = ts_recent.wrapping_sub(timestamp);
    ts_recent != 0 && back > TOLERATED_TICKS && back >> 31 == 0
}

/// Whether the last good timestamp, set at second `ts_recent_stamp`, is so old at second `now` that
/// `tcp_paws_check()` lets any pass.
///
/// `ticks_may_be_microseconds`: then a timestamp wraps after half an hour and is forgotten earlier.
#[inline]
#[must_use]
pub const fn has_expired(ts_recent_stamp: u32, now: u32, ticks_may_be_microseconds: bool) -> bool {
    /// `TCP_PAWS_24DAYS`.
    const DAYS: u32 = 60 * 60 * 24 * 24;
    /// `TCP_PAWS_WRAP`: `INT_MAX / USEC_PER_SEC`.
    const WRAP: u32 = 2_147;
    let seconds = if ticks_may_be_microseconds {
        WRAP
    } else {
        DAYS
    };
    // `!time_before32(now, stamp + seconds)`
    now.wrapping_sub(ts_recent_stamp.wrapping_add(seconds)) >> 31 == 0
}

/// Where a segment lies against our own window.
#[derive(Clone, Copy)]
enum Place {
    Inside,
    Outside,
    /// Kernels differ, and no name tells them apart.
    Unknown,
}

/// `tcp_sequence()`: the segment ends before what we have, or begins beyond what we offered, or, on
/// some kernels, ends beyond it while nobody reads what came before.
#[inline]
const fn place(sender: &Sender, segment: &Segment) -> Place {
    let offered = match sender.rcv_mwnd_seq {
        Some(highest) => highest,
        None => sender.rcv_wup.wrapping_add(sender.rcv_wnd),
    };
    let limit = later(offered, sender.rcv_nxt);
    if is_after(sender.rcv_wup, segment.end_seq) || is_after(segment.seq, limit) {
        return Place::Outside;
    }
    match sender.receive_queue {
        Some(waiting) if waiting > 0 && is_after(segment.end_seq, limit) => {
            if !segment.has_fin || is_after(segment.end_seq.wrapping_sub(1), limit) {
                return Place::Outside;
            }
            // A FIN alone may lie beyond: not from the first kernel with this test on, but on all
            // that keep the highest edge.
            match sender.rcv_mwnd_seq {
                Some(_) => Place::Inside,
                None => Place::Unknown,
            }
        }
        _ => Place::Inside,
    }
}
