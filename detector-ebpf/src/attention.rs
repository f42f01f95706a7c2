//! Where a sweep has something to find: which network namespaces it must pass over, so that it need not
//! pass over the others.
//!
//! A pass costs what the host's whole socket table costs, and most of the time it finds nothing. So
//! whoever sees something that only a pass can follow notes its namespace: a connection that leaves
//! ESTABLISHED with data queued, where `tcp_probe` is blind; a window too small for a segment, into
//! which data may be written any time later; news of a connection with a record; a segment put by. The
//! agent takes the notes, and a pass that still finds such a socket notes its namespace again.
//!
//! What is held back by a window that is large, but full, shows in no hook. So some acknowledgements are
//! looked at closely, as many between two rounds as the agent allows. Where that is not enough the
//! agent passes over all namespaces.
//!
//! Whoever notes a namespace also marks the socket, so that a pass need not look at others on which
//! nothing is queued. Marks are of places that sockets share, and last for two rounds over all
//! namespaces, each of which looks at every socket.

use crate::count::add_to;
use crate::maps::{AWAKE, MARKS};
use crate::socket::{TcpSocket, tcp_state};
use detector_common::orders::RoundOrders;
use detector_common::window;

/// Sockets are told apart by so many places, of both ports. A power of two.
pub const PLACES: u32 = 4_096;

/// What the agent wants of this round. Not zero at first, so that it lies in a map of its own, which the
/// agent may write whole.
// SAFETY: the agent finds it as the only such data; nothing else has this name.
#[unsafe(no_mangle)]
static mut DET_ORDERS: RoundOrders = RoundOrders::DEFAULT;

/// Reads one of them, as the agent changes them beside us.
macro_rules! order {
    ($field:ident) => {{
        // SAFETY: an aligned static of this object.
        unsafe { core::ptr::read_volatile(&raw const DET_ORDERS.$field) }
    }};
}

/// `TCP_CA_Loss`: what is in flight when a timeout comes has to be acknowledged before this ends. A
/// byte acknowledged now and then sets the timer's counts back, not this.
const IN_LOSS: u8 = 4;

/// Whether the table of connections has little room left.
#[inline(always)]
pub fn is_room_scarce() -> bool {
    order!(is_scarce) != 0
}

/// Has the agent pass over the socket's namespace, and the pass look at it.
#[inline(always)]
pub fn note(tcp: TcpSocket) {
    mark(tcp);
    note_namespace(tcp.netns());
}

#[inline(always)]
fn place(tcp: TcpSocket) -> u32 {
    let (local_port, remote_port) = tcp.ports();
    u32::from(local_port ^ remote_port) & (PLACES - 1)
}

#[inline(always)]
fn mark(tcp: TcpSocket) {
    if let Some(slot) = MARKS.get_ptr_mut(place(tcp)) {
        let epoch = order!(epoch);
        // SAFETY: map values are aligned, and stay while the program runs; of two that write at once
        // both write the same.
        unsafe { slot.write_volatile(epoch) };
    }
}

/// Whether a pass may leave a socket alone that is established and has nothing queued: no hook has had to
/// do with it lately.
#[inline(always)]
pub fn is_at_rest(tcp: TcpSocket) -> bool {
    if order!(is_full) != 0 {
        return false;
    }
    MARKS.get_ptr(place(tcp)).is_none_or(|slot| {
        // SAFETY: as above.
        let marked = unsafe { slot.read_volatile() };
        order!(epoch).wrapping_sub(marked) > 1
    })
}

/// Not inlined: the key needs stack. Where the table is full the agent takes all to be noted.
#[inline(never)]
pub fn note_namespace(netns: u32) {
    if AWAKE.get_ptr(netns).is_none() {
        let _full = AWAKE.insert(netns, 1, 0);
    }
}

/// A healthy acknowledgement: its socket is looked at closely, if the agent has allowed for it.
#[inline(always)]
pub fn look(tcp: TcpSocket) {
    // Processors that count down at once may go below.
    if order!(looks) > 0 {
        look_closely(tcp);
    }
}

#[inline(never)]
fn look_closely(tcp: TcpSocket) {
    // SAFETY: the field of a static; `add_to` changes it atomically.
    let looks = unsafe { &raw mut DET_ORDERS.looks };
    add_to(looks.cast(), u64::MAX);
    if is_suspicious(tcp) {
        note(tcp);
    }
}

/// A window in force, or offered, that has no room for a segment.
#[inline(always)]
pub fn note_small_window(tcp: TcpSocket, offered_bytes: u32) {
    let mss_bytes = tcp.mss_cache();
    if offered_bytes < mss_bytes || tcp.snd_wnd() < mss_bytes {
        note(tcp);
    }
}

/// The socket goes into a state in which its acknowledgements are not seen. In CLOSE-WAIT the program may
/// still write.
#[inline(always)]
pub fn note_leaving(tcp: TcpSocket, new_state: u8) {
    if new_state == tcp_state::CLOSE_WAIT
        || new_state != tcp_state::FIN_WAIT2 && tcp.queued_bytes() > 0
    {
        note(tcp);
    }
}

/// A closed window, or data queued that the window, a timer, loss or silence holds back.
#[inline(always)]
pub fn is_suspicious(tcp: TcpSocket) -> bool {
    if tcp.skc_state() == tcp_state::FIN_WAIT2 {
        return false;
    }
    let snd_wnd = tcp.snd_wnd();
    if snd_wnd == 0 {
        return true;
    }
    if tcp.queued_bytes() == 0 {
        return false;
    }
    tcp.icsk_backoff() | tcp.icsk_retransmits() | tcp.icsk_probes_out() != 0
        || tcp.congestion_state() == IN_LOSS
        || is_window_limited(tcp, snd_wnd)
}

/// Whether the next pass must look at a socket that is not suspicious now, because no hook would tell
/// when it becomes so.
#[inline(always)]
pub fn may_fall_silent(tcp: TcpSocket) -> bool {
    match tcp.skc_state() {
        tcp_state::ESTABLISHED => tcp.snd_wnd() < tcp.mss_cache(),
        tcp_state::CLOSE_WAIT => true,
        tcp_state::FIN_WAIT2 => false,
        _ => tcp.queued_bytes() > 0,
    }
}

/// Unsent data, and less than one segment of the window left.
#[inline(always)]
fn is_window_limited(tcp: TcpSocket, snd_wnd: u32) -> bool {
    let snd_nxt = tcp.snd_nxt();
    if !window::is_after(tcp.write_seq(), snd_nxt) {
        return false;
    }
    let edge = window::edge(tcp.snd_una(), snd_wnd);
    let room = edge.wrapping_sub(snd_nxt);
    room >> 31 == 1 || room < tcp.mss_cache()
}
