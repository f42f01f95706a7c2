//! Segments whose fate no field tells when they come: put by until the kernel has spoken.
//!
//! In: an unproven segment, and later its socket. Out: its window, booked with the time at which it
//! came, if the socket shows that the kernel took it. Never: a record for a segment that was dropped,
//! which may be a stranger's.
//!
//! A window that is taken changes one of three numbers of the socket, and nothing else changes those
//! between two looks, as whatever comes next is a look itself.

use super::table;
use super::taken::Taken;
use crate::attention;
use crate::count::{self, count};
use crate::helpers;
use crate::maps::PENDING;
use crate::socket::TcpSocket;
use detector_common::acceptance::{self, Outcome, Window};
use detector_common::counter::Counter;
use detector_common::record::flag;

/// Sockets are told apart by so many places (of the remote port), so that a healthy acknowledgement
/// need not look for its own in a table. A power of two.
pub const PLACES: u32 = 64;

/// A segment put by.
pub type Pending = Taken;

const BPF_NOEXIST: u64 = 1;

/// Before 5.15 the sweep does not hold the socket's lock: it leaves alone what the kernel may be about
/// to process.
const YOUNG_NS: u64 = 1_000_000;

/// Whether a segment may be put by for this socket; most often none is for any.
#[inline(always)]
pub fn is_watched(tcp: TcpSocket) -> bool {
    count::is_any_watched() && !count::is_unwatched(place(tcp))
}

#[inline(always)]
fn place(tcp: TcpSocket) -> u32 {
    u32::from(tcp.remote_port()) & (PLACES - 1)
}

/// Puts a segment by, if its window would say anything. Not inlined: it needs stack.
#[inline(never)]
pub fn put_by(tcp: TcpSocket, taken: &Taken) -> Option<()> {
    if taken.offered == taken.before || !taken.makes_state(tcp) && table::find(tcp).is_none() {
        return None;
    }
    if PENDING.insert(tcp.key(), taken, BPF_NOEXIST).is_err() {
        count(Counter::WindowsUnproven);
        return None;
    }
    count::watch(place(tcp), true);
    attention::note(tcp);
    None
}

/// Looks what became of the segment put by for this socket, if there is one.
#[inline(always)]
pub fn settle(tcp: TcpSocket) {
    if is_watched(tcp) {
        let _booked = settle_watched(tcp, 0);
    }
}

/// The same from the sweep.
#[inline(always)]
pub fn settle_in_sweep(tcp: TcpSocket) {
    if is_watched(tcp) {
        let _booked = settle_watched(tcp, YOUNG_NS);
    }
}

#[inline(never)]
fn settle_watched(tcp: TcpSocket, age_ns: u64) -> Option<()> {
    let key = tcp.key();
    let pending = helpers::pending(key)?;
    if helpers::monotonic_ns().wrapping_sub(pending.at_ns) < age_ns {
        attention::note(tcp);
        return None;
    }
    // Of two that look at the same moment one settles.
    PENDING.remove(key).ok()?;
    count::watch(place(tcp), false);
    let now = Window {
        snd_una: tcp.snd_una(),
        snd_wnd: tcp.snd_wnd(),
        snd_wl1: tcp.snd_wl1(),
    };
    match acceptance::outcome(&pending.before, &pending.offered, &now) {
        Outcome::Taken => pending.apply(tcp),
        Outcome::Unknown => {
            count(Counter::WindowsUnproven);
            None
        }
        Outcome::Dropped => {
            let record = table::find(tcp)?;
            attention::note(tcp);
            record.ignored_segments().add(1);
            record.raise(flag::NOT_CARRIED);
            None
        }
    }
}
