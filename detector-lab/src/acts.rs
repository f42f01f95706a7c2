//! What crafted peers play, shared by the stories, the demo and the check inside virtual machines.
//!
//! Each act ends with the server's socket in the condition its name says, and with the peer
//! answering every probe, so that the condition lasts until the peer is dropped.

use crate::expect::{self, PATIENCE};
use crate::peers::crafted::{Peer, Policy};
use crate::servers::TinyServer;
use anyhow::{Context, Result};
use std::time::Duration;

/// A pause in which a sender fills what it may fill, longer than a tail loss probe takes on a link
/// without delay. Nothing rests on it: an act does the same to a sender that is still filling.
pub const FULL: Duration = Duration::from_millis(100);

/// Larger than any window of an act and any send buffer.
pub const LONG_ANSWER: &str = "/bytes/20000000";

/// Larger than the largest receive buffer that the kernel gives by itself, too (`tcp_rmem`).
pub const ENDLESS_ANSWER: &str = "/bytes/2000000000";

/// What is acknowledged when the window is taken back.
pub const RETRACTED_AT_BYTES: u64 = 1_400;

/// First window of an act that closes it: a multiple of `2^7`.
const EDGE_BYTES: u32 = 65_280;

/// Asks for a long answer and never reads it: the window closes honestly, nothing stays in flight.
pub fn close_window(peer: &Peer) -> Result<()> {
    peer.policy(Policy::StopReading { edge: EDGE_BYTES });
    peer.request(LONG_ANSWER)?;
    peer.wait_bytes(u64::from(EDGE_BYTES) - 1_460)?;
    peer.wait_closed()
}

/// Lets the server put data in flight, acknowledges one segment of it and takes the whole window
/// back.
pub fn retract_to_zero(peer: &Peer) -> Result<()> {
    fill_flight(peer)?;
    peer.policy(Policy::Hold);
    peer.say().ack(RETRACTED_AT_BYTES).window(0).send()
}

/// Payload of a segment whose checksum only the kernel looks at, behind all hooks: with the header
/// more than 76 bytes.
pub const UNCHECKED: [u8; 200] = [b'x'; 200];

/// The same in a segment with data, whose checksum is looked at late.
pub fn retract_to_zero_in_data(peer: &Peer) -> Result<()> {
    fill_flight(peer)?;
    peer.policy(Policy::Hold);
    let segment = peer.say().ack(RETRACTED_AT_BYTES).window(0);
    segment.payload(&UNCHECKED).send()
}

/// How many segments of each kind [`say_unheard`] sends.
pub const UNHEARD: u64 = 3;

/// Says in segments that the kernel drops that it acknowledges `acked` bytes and has `window`: with
/// wrong checksums, and with timestamps from the past behind which the NOPs stand.
pub fn say_unheard(peer: &Peer, acked: u64, window: u32) -> Result<()> {
    let say = || peer.say().ack(acked).window(window);
    for _ in 0..UNHEARD {
        say().payload(&UNCHECKED).damaged().send()?;
        say().from_the_past(100_000).send()?;
    }
    Ok(())
}

/// The same in segments that begin inside the server's window and end beyond it, while it has something
/// unread, which some kernels drop.
pub fn say_beyond_window(peer: &Peer, acked: u64, window: u32) -> Result<()> {
    for _ in 0..UNHEARD {
        let segment = peer.say().ack(acked).window(window).seq_offset(60_000);
        segment.payload(&[b'x'; 64_000]).send()?;
    }
    Ok(())
}

/// Says the same with one byte beyond the window of a server that has no room left: as one that probes
/// it byte by byte.
pub fn probe_full_server(peer: &Peer, acked: u64, window: u32) -> Result<()> {
    let segment = peer.say().ack(acked).window(window);
    segment.seq_offset(-1).payload(b"xx").send()
}

/// The same, but leaves a window that covers only part of what is in flight.
pub fn retract_below_flight(peer: &Peer) -> Result<()> {
    fill_flight(peer)?;
    peer.policy(Policy::Hold);
    peer.say().ack(RETRACTED_AT_BYTES).window(2_048).send()
}

/// Asks and closes its own direction in one segment, then lets the window close: everything
/// happens in CLOSE_WAIT.
pub fn half_close_and_stop_reading(peer: &Peer) -> Result<()> {
    peer.policy(Policy::StopReading { edge: EDGE_BYTES });
    let request = format!("GET {LONG_ANSWER} HTTP/1.1\r\nHost: server\r\n\r\n");
    peer.say().payload(request.as_bytes()).fin().send()?;
    peer.wait_bytes(u64::from(EDGE_BYTES) - 1_460)?;
    peer.wait_closed()
}

/// Says that it has nothing more to say when it asks for `bytes`, and reads all of them.
pub fn half_close_and_read(peer: &Peer, bytes: u64) -> Result<()> {
    let request = format!("GET /bytes/{bytes} HTTP/1.1\r\nHost: server\r\n\r\n");
    peer.say().payload(request.as_bytes()).fin().send()?;
    read_rest(peer, bytes)
}

/// Opens a closed window by next to nothing and closes it again.
pub fn tease(peer: &Peer) -> Result<()> {
    peer.policy(Policy::Hold);
    peer.say().window(128).send()?;
    peer.wait_quiet(FULL)?;
    peer.say().window(0).send()
}

/// What an orphan has in its queue: fits the send buffer of the server, not the window of a peer.
pub const ORPHAN_BYTES: u64 = 200_000;

/// Asks for more than it has window for, and waits until the server has closed behind its answer:
/// each ACK from here on meets FIN_WAIT1. Acknowledges nothing.
pub fn make_orphan(peer: &Peer, server: &TinyServer) -> Result<()> {
    let before = server.closed();
    ask_and_fill_flight(peer, &format!("/close/{ORPHAN_BYTES}"))?;
    expect::until("the server has closed", PATIENCE, || {
        Ok((server.closed() > before).then_some(()))
    })
}

/// Window scale of a peer that retreats by slices.
pub const SLICE_SHIFT: u8 = 14;
/// Its first window.
pub const SLICED_WINDOW: u32 = 40 << SLICE_SHIFT;

/// The `number`th slice from the first window: acknowledges `acked` bytes and leaves a unit less of
/// window than with the slice before, so that the edge retreats by less than a unit.
pub fn take_slice(peer: &Peer, number: u32, acked: u64) -> Result<()> {
    let window = SLICED_WINDOW - (number << SLICE_SHIFT);
    peer.say().ack(acked).window(window).send()
}

/// Asks for `bytes` and reads all of them: the honest peer.
pub fn read_all(peer: &Peer, bytes: u64) -> Result<()> {
    peer.request(&format!("/bytes/{bytes}"))?;
    peer.drain(bytes, EDGE_BYTES)
}

/// Reads what is left of an answer of `bytes` that was asked for.
pub fn read_rest(peer: &Peer, bytes: u64) -> Result<()> {
    peer.drain(bytes, EDGE_BYTES)
}

/// Acknowledges what has come, with what is left before `edge` as the window, and takes nothing
/// beyond it.
pub fn read_up_to(peer: &Peer, edge: u32) -> Result<()> {
    const UNIT: u32 = 1 << 7;
    peer.policy(Policy::StopReading { edge });
    let arrived = u32::try_from(peer.seen().bytes).context("more than 4 GiB have come")?;
    let window = edge.saturating_sub(arrived) / UNIT * UNIT;
    peer.say().ack(arrived.into()).window(window).send()
}

/// Asks for a long answer, acknowledges nothing, and returns how much came.
pub fn fill_flight(peer: &Peer) -> Result<u64> {
    ask_and_fill_flight(peer, LONG_ANSWER)
}

/// Asks for `path`, acknowledges nothing, and returns how much came: at least 10,000 bytes, which
/// every first congestion window holds.
pub fn ask_and_fill_flight(peer: &Peer, path: &str) -> Result<u64> {
    peer.request(path)?;
    peer.wait_bytes(10_000)?;
    peer.wait_quiet(FULL)
}
