//! Who opened a connection. Proven, never guessed from ports.
//!
//! In this order:
//!
//! 1. SYN-SENT was seen, of this very connection: the kernel may give a later one the same key. A socket that a
//!    program has put in its place (`TCP_REPAIR`) leaves SYN-SENT as well; of such a one nothing but 3 is
//!    proof.
//! 2. The socket's own counts. `bytes_acked` counts all that was acknowledged: where we opened the
//!    connection, our SYN too, for the socket was there before the SYN was answered; an accepted
//!    socket is made when it has been (`tcp_create_openreq_child` sets `snd_una` behind it). So the
//!    first sequence number to be acknowledged lies one before the first byte that we sent, or at
//!    it. That holds for sockets older than the agent. It fails where a send was refused on this
//!    very host (a full queue, a filter): then `bytes_sent` counts what was not sent, and the
//!    distance is another one.
//! 3. Somebody listens on the local port, or has.
#![forbid(unsafe_code)]

use crate::attention;
use crate::count::count_and_log;
use crate::helpers;
use crate::maps::{LISTENERS, OPENED};
use crate::record_pointer::RecordPointer;
use crate::socket::{TcpSocket, tcp_state};
use detector_common::direction::Counts;
use detector_common::record::flag;

/// Finds it out, unless it is known already.
#[inline(always)]
pub fn refresh(record: &RecordPointer<'_>, tcp: TcpSocket) {
    if !record.has(flag::INBOUND | flag::OUTBOUND) {
        record.raise(find(tcp));
    }
}

/// [`flag::INBOUND`], [`flag::OUTBOUND`] or 0. Not inlined: keys on the stack count against every
/// caller's 512 bytes.
#[inline(never)]
fn find(tcp: TcpSocket) -> u16 {
    let known = counts(tcp).direction(helpers::opened(tcp.key()));
    if known != 0 {
        return known;
    }
    if LISTENERS.get_ptr(tcp.listener_key()).is_some() {
        return flag::INBOUND;
    }
    0
}

#[inline(always)]
fn counts(tcp: TcpSocket) -> Counts {
    let is_closing = matches!(
        tcp.skc_state(),
        tcp_state::FIN_WAIT1 | tcp_state::FIN_WAIT2 | tcp_state::LAST_ACK | tcp_state::CLOSING
    );
    let snd_nxt = tcp.snd_nxt();
    Counts {
        snd_una: tcp.snd_una(),
        snd_nxt,
        bytes_acked: tcp.bytes_acked() as u32,
        first_sent_bytes: tcp.first_sent_bytes(),
        has_sent_fin: is_closing && snd_nxt == tcp.write_seq(),
    }
}

/// A connection leaves SYN-SENT for a state in which it lives.
#[inline(always)]
pub fn note_opened(tcp: TcpSocket, new_state: u8) {
    let opened = counts(tcp).note(new_state == tcp_state::ESTABLISHED);
    if OPENED.insert(tcp.key(), opened, 0).is_err() {
        note_refusal();
    }
}

/// A connection is closed; whether we had opened it, as far as that is known. One that was accepted costs no
/// look-up; one of which the counts say so by mistake leaves its note, which counts for no other.
#[inline(always)]
pub fn forget(tcp: TcpSocket) -> bool {
    let counts = counts(tcp);
    if counts.by_themselves() == flag::INBOUND {
        return false;
    }
    let noted = helpers::opened(tcp.key());
    if noted.is_some() {
        let _gone = OPENED.remove(tcp.key());
    }
    counts.direction(noted) == flag::OUTBOUND
}

/// A socket listens.
#[inline(always)]
pub fn note_listener(tcp: TcpSocket) {
    let key = tcp.listener_key();
    if key.port == 0 {
        // Bound by `listen` itself, which tells the state first: the sweep finds it.
        attention::note(tcp);
        return;
    }
    if LISTENERS.get_ptr(key).is_some() {
        return;
    }
    if LISTENERS.insert(key, 1, 0).is_err() {
        note_refusal();
    }
}

#[inline(always)]
fn note_refusal() {
    count_and_log!(
        DirectionsNotNoted,
        "who opened a connection is not noted: the table refused"
    );
}
