//! The one record that travels from kernel to agent, which is also the kernel's own state.
//!
//! The kernel side keeps a [`ConnectionRecord`] for each misbehaving connection in a hash map,
//! updates it in place and sends copies of it: through the ring buffer on transitions, through the
//! iterator's buffer on a sweep. Every counter in it is a running total since
//! [`generation_ns`](ConnectionRecord::generation_ns), so a copy that is held back or lost costs
//! nothing: the next one carries its numbers.

use crate::retransmit::Cause;
use bytemuck::{Pod, Zeroable};

/// Identifies one socket in the kernel's state table.
///
/// The address of the socket alone would do while it lives; the remote end keeps apart a socket
/// that reuses the address before the agent has collected the old entry. The local port is left
/// out on purpose: the kernel takes it from the socket before it announces the close
/// (`inet_put_port` in `tcp_set_state`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct ConnectionKey {
    /// Address of the `struct sock`: opaque, compared only, never shown.
    pub socket: u64,
    /// Last four bytes of the remote address, as they lie in memory.
    pub remote_tail: [u8; 4],
    /// Remote port, host order.
    pub remote_port: u16,
    /// Keeps the size a multiple of its alignment without hidden padding; always 0.
    pub reserved: u16,
}

const _: () = assert!(size_of::<ConnectionKey>() == 16);

/// Identifies a local port on which somebody listens, or has.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct ListenerKey {
    /// Network namespace, the number in `/proc/PID/ns/net`.
    pub netns: u32,
    /// Local port, host order.
    pub port: u16,
    /// As above.
    pub reserved: u16,
}

const _: () = assert!(size_of::<ListenerKey>() == 8);

/// Why a copy of the record was sent.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A window update of an established connection (`tcp_probe`).
    Window = 1,
    /// A segment was sent again (`tcp_retransmit_skb`).
    Retransmit = 2,
    /// The socket changed its TCP state and lives on (`inet_sock_set_state`).
    State = 3,
    /// The socket was closed. Nothing follows for this generation.
    Closed = 4,
    /// A sweep met the socket.
    Sweep = 5,
}

impl Reason {
    /// The reason with this number, or `None` for a number no kernel side of ours writes.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Window),
            2 => Some(Self::Retransmit),
            3 => Some(Self::State),
            4 => Some(Self::Closed),
            5 => Some(Self::Sweep),
            _ => None,
        }
    }
}

/// Bits of [`ConnectionRecord::flags`].
pub mod flag {
    /// The connection is in a zero-window episode (see `window::episode_continues`).
    pub const ZERO_WINDOW: u16 = 1 << 0;
    /// Something in this record came from a hook.
    pub const SEEN_BY_HOOK: u16 = 1 << 1;
    /// Something in this record came from a sweep.
    pub const SEEN_BY_SWEEP: u16 = 1 << 2;
    /// Totals changed since the last copy that was sent.
    pub const NOT_CARRIED: u16 = 1 << 3;
    /// No process holds the socket any more.
    pub const ORPHAN: u16 = 1 << 4;
    /// The socket is closed; the entry only waits to be collected.
    pub const CLOSED: u16 = 1 << 5;
    /// `edge_max` and `last_edge` hold real edges.
    pub const EDGE_KNOWN: u16 = 1 << 6;
    /// `tcp_probe` can still fire for this socket (it is established).
    pub const ESTABLISHED: u16 = 1 << 7;
    /// `wmem` and the sequence numbers show data that the peer has not acknowledged.
    pub const DATA_QUEUED: u16 = 1 << 8;
    /// The last window taken had the numbers of the one before and may not be in force in the
    /// kernel, which ignores some of those.
    pub const WINDOW_NOT_IN_FORCE: u16 = 1 << 9;
    /// The connection was accepted. Without this and the next, who opened it is not known (yet).
    pub const INBOUND: u16 = 1 << 10;
    /// We opened the connection.
    pub const OUTBOUND: u16 = 1 << 11;
    /// An MPTCP subflow. Its window is that of all subflows together (RFC 8684 section 3.3.4), so
    /// its own right edge moves left for honest peers too and is not judged.
    pub const SUBFLOW: u16 = 1 << 12;
    /// Its network namespace is neither the agent's own nor one that belongs to the agent's user namespace:
    /// somebody may have laid it out for himself, and have any address there.
    pub const OFF_OUR_WAY: u16 = 1 << 13;
}

/// Index of [`ConnectionRecord::shrinks`].
pub mod severity {
    /// The new edge is at or beyond `snd_nxt`: nothing in flight was taken back.
    pub const POLITE: usize = 0;
    /// The new edge is below `snd_nxt`, the window is not zero.
    pub const BELOW_FLIGHT: usize = 1;
    /// The window is zero with data in flight.
    pub const TREASON: usize = 2;
}

/// State of one connection at one moment, with running totals.
///
/// Integers and byte arrays only, native byte order, no padding (the derive proves it). Times are
/// nanoseconds of `CLOCK_MONOTONIC`. Addresses are IPv6; IPv4 is mapped (`::ffff:a.b.c.d`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct ConnectionRecord {
    /// When this copy was made.
    pub time_ns: u64,
    /// Which socket; opaque.
    pub socket: u64,
    /// When kernel state for this connection was made; 0 if a sweep met it and made none.
    pub generation_ns: u64,
    /// Start of the current zero-window episode; 0 outside one.
    pub zero_window_since_ns: u64,
    /// Since when the current episode has had data queued; 0 if it has none.
    pub harmful_since_ns: u64,
    /// Nanoseconds in zero window with data queued, finished episodes only.
    pub zero_window_ns: u64,
    /// `tcp_sock.bytes_acked`: payload the peer has acknowledged since the connection began.
    pub bytes_acked: u64,
    /// Inode number of the socket, 0 if it has none or it could not be read.
    pub inode: u64,
    /// Kernel bookkeeping of the rate bound: start of the current rate window.
    pub rate_window_start_ns: u64,

    /// Local address.
    pub local_address: [u8; 16],
    /// Remote address.
    pub remote_address: [u8; 16],

    /// Window shrinks by [`severity`], total.
    pub shrinks: [u32; 3],
    /// Retreats of the edge by less than `2^shift`, total. Honest rounding.
    pub granularity_retreats: u32,
    /// Smaller windows that may be reordered segments, total. Never judged.
    pub ambiguous_windows: u32,
    /// Segments that were not judged: acknowledgement or sequence number outside the window,
    /// timestamps from the past. Counted only where they would have moved the window back.
    pub ignored_segments: u32,
    /// Entries into zero window, total.
    pub zero_window_episodes: u32,
    /// Segments sent again, by the number of their [`Cause`](crate::retransmit::Cause), total.
    pub retransmits: [u32; Cause::COUNT],
    /// Segments that the peer reported as received twice (`tcp_sock.dsack_dups`), total.
    pub duplicates_reported: u32,
    /// Segments sent again in a recovery that the kernel took back, as nothing had been lost, total.
    pub retransmits_undone: u32,
    /// Largest `edge_max - edge` seen, bytes.
    pub retracted_max_bytes: u32,
    /// Copies held back by the rate bound or a full ring, total.
    pub records_suppressed: u32,

    /// Highest right edge ever offered (sequence number); see [`flag::EDGE_KNOWN`].
    pub edge_max: u32,
    /// Right edge of the last window taken.
    pub last_edge: u32,
    /// First sequence number not yet acknowledged.
    pub snd_una: u32,
    /// Next sequence number to send.
    pub snd_nxt: u32,
    /// One past the last byte written by the application.
    pub write_seq: u32,
    /// Window now, in bytes.
    pub snd_wnd_bytes: u32,
    /// Largest window ever offered, in bytes.
    pub max_window_bytes: u32,
    /// Effective sending MSS.
    pub mss_bytes: u32,
    /// Congestion window.
    pub snd_cwnd_segments: u32,
    /// Segments in flight.
    pub packets_out_segments: u32,
    /// `sk_wmem_queued`: kernel memory the write queue holds.
    pub wmem_queued_bytes: u32,
    /// Smoothed round-trip time.
    pub srtt_us: u32,
    /// Network namespace, the number in `/proc/PID/ns/net`.
    pub netns: u32,
    /// Segments sent again since the peer last acknowledged anything, old or new; as far as seen
    /// since the state was made.
    pub retransmits_unanswered: u32,
    /// Kernel bookkeeping of that: `tcp_sock.rcv_tstamp` when it was last looked at.
    pub last_ack_jiffies: u32,
    /// Times the first segment not acknowledged has been sent again as lost since it is the first.
    pub head_retransmits: u32,
    /// Kernel bookkeeping of that: `tcp_sock.snd_una` when it was last looked at.
    pub head_snd_una: u32,
    /// Kernel bookkeeping of [`Self::duplicates_reported`]: `tcp_sock.dsack_dups` when it was last
    /// looked at.
    pub dsack_dups: u32,
    /// Kernel bookkeeping of [`Self::retransmits_undone`]: `tcp_sock.undo_marker` of the recovery in
    /// which segments were last sent again as lost; 0 if none may be undone.
    pub undo_marker: u32,
    /// Kernel bookkeeping: how many in that recovery.
    pub undo_segments: u32,

    /// Local port.
    pub local_port: u16,
    /// Remote port.
    pub remote_port: u16,
    /// Bits of [`flag`].
    pub flags: u16,
    /// Kernel bookkeeping of the rate bound: copies sent in the current rate window.
    pub rate_window_records: u16,
    /// `TCP_ESTABLISHED` = 1 … `TCP_CLOSING` = 11, as in `net/tcp_states.h`.
    pub tcp_state: u8,
    /// The peer's window shift, 0 to 14.
    pub window_shift: u8,
    /// `icsk_ca_state`: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    pub congestion_state: u8,
    /// `icsk_pending`: 0 none, 1 retransmit, 3 window probe, 5 loss probe, 6 reorder.
    pub pending_timer: u8,
    /// `icsk_backoff`: doublings of the retransmission timer.
    pub backoff: u8,
    /// `icsk_retransmits`: retransmission timeouts without progress.
    pub timeouts: u8,
    /// `icsk_probes_out`: window probes without an answer.
    pub probes_unanswered: u8,
    /// A [`Reason`], as its number.
    pub reason: u8,
}

const _: () = assert!(size_of::<ConnectionRecord>() == 9 * 8 + 32 + 34 * 4 + 4 * 2 + 8);
