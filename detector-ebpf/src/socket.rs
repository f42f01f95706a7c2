//! A TCP socket as the hooks see it: every field a typed load at an offset from `DET_LAYOUT`.

use crate::globals::{self, bit_field, global};
use crate::helpers;
use crate::kernel_memory::KernelPointer;
use detector_common::acceptance;
use detector_common::layout::{ABSENT, Offset};
use detector_common::record::{ConnectionKey, ListenerKey};
use detector_common::window;

const AF_INET: u16 = 2;
/// What `tcp_reset` sets before the last change of state, the second where the peer had sent a FIN; whoever
/// ends a connection on this host sets another, or later.
const ECONNRESET: u32 = 104;
const EPIPE: u32 = 32;
const NANOSECONDS: u64 = 1_000_000_000;

/// TCP states the kernel side acts on, as in `net/tcp_states.h`.
pub mod tcp_state {
    #![allow(missing_docs, reason = "the kernel's names")]
    pub const ESTABLISHED: u8 = 1;
    pub const SYN_SENT: u8 = 2;
    pub const SYN_RECV: u8 = 3;
    pub const FIN_WAIT1: u8 = 4;
    pub const FIN_WAIT2: u8 = 5;
    pub const CLOSE: u8 = 7;
    pub const CLOSE_WAIT: u8 = 8;
    pub const LAST_ACK: u8 = 9;
    pub const LISTEN: u8 = 10;
    pub const CLOSING: u8 = 11;
}

/// A full `struct tcp_sock`.
#[derive(Clone, Copy)]
pub struct TcpSocket(KernelPointer);

macro_rules! u32_fields {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $($(#[$doc])*
        #[inline(always)]
        pub fn $name(self) -> u32 {
            self.0.load_u32(global!(DET_LAYOUT.$name))
        })+
    };
}

macro_rules! u8_fields {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $($(#[$doc])*
        #[inline(always)]
        pub fn $name(self) -> u8 {
            self.0.load_u8(global!(DET_LAYOUT.$name))
        })+
    };
}

impl TcpSocket {
    /// The TCP socket behind a `struct sock`, if it is a full one.
    #[inline(always)]
    pub fn from_sock(sock: KernelPointer) -> Option<Self> {
        helpers::tcp_sock(sock).map(Self)
    }

    /// The TCP socket at `tcp_probe`, which only ever sees full TCP sockets: without a call where
    /// the kernel lets a pointer be cast.
    #[inline(always)]
    pub fn from_established(sock: KernelPointer) -> Option<Self> {
        let type_number = global!(DET_LAYOUT.tcp_sock_type);
        if type_number == 0 {
            return Self::from_sock(sock);
        }
        Some(Self(helpers::rdonly_cast(sock.address(), type_number)))
    }

    u32_fields! {
        /// First sequence number not yet acknowledged.
        snd_una;
        /// Next sequence number to send.
        snd_nxt;
        /// Window in force, scaled.
        snd_wnd;
        /// Sequence number of the segment that set the window.
        snd_wl1;
        /// One past the last byte written.
        write_seq;
        /// Largest window ever offered.
        max_window;
        /// Next sequence number expected.
        rcv_nxt;
        /// `rcv_nxt` at the last window sent.
        rcv_wup;
        /// Our own window.
        rcv_wnd;
        /// Effective sending MSS.
        mss_cache;
        /// Segments in flight.
        packets_out;
        /// Congestion window.
        snd_cwnd;
        /// When the last acknowledgement came, jiffies; also one of nothing new.
        rcv_tstamp;
        /// Smoothed round-trip time, microseconds << 3.
        srtt_us;
        /// Last in-order timestamp value of the peer.
        ts_recent;
        /// Bytes of kernel memory in the write queue.
        sk_wmem_queued;
    }

    u8_fields! {
        /// TCP state.
        skc_state;
        /// Timeouts without progress.
        icsk_retransmits;
        /// Which timer is armed.
        icsk_pending;
        /// Doublings of the retransmission timer.
        icsk_backoff;
        /// Unanswered window probes.
        icsk_probes_out;
    }

    /// Segments that the peer reported as received twice; 0 where the kernel does not count them.
    #[inline(always)]
    pub fn dsack_dups(self) -> u32 {
        self.optional_u32(global!(DET_LAYOUT.dsack_dups))
    }

    /// `snd_una` when the recovery began that the kernel may still take back, else 0.
    #[inline(always)]
    pub fn undo_marker(self) -> u32 {
        self.optional_u32(global!(DET_LAYOUT.undo_marker))
    }

    /// 0 once the kernel cannot take a recovery back any more.
    #[inline(always)]
    pub fn prior_ssthresh(self) -> u32 {
        self.optional_u32(global!(DET_LAYOUT.prior_ssthresh))
    }

    /// Window in force and effective sending MSS: where one lies behind the other, as from 6.8 on, one load.
    #[inline(always)]
    pub fn window_and_mss(self) -> (u32, u32) {
        let first = global!(DET_LAYOUT.snd_wnd);
        if global!(DET_LAYOUT.mss_cache) == first.wrapping_add(4)
            && let Some(both) = helpers::load_eight_bytes(self.0.address().wrapping_add(first))
        {
            let both = u64::from_le(both);
            return (both as u32, (both >> 32) as u32);
        }
        (self.snd_wnd(), self.mss_cache())
    }

    /// Whether it is a subflow of an MPTCP connection, or was to be one.
    #[inline(always)]
    pub fn is_subflow(self) -> bool {
        let offset = global!(DET_LAYOUT.is_mptcp);
        offset != ABSENT && self.0.load_u8(offset) != 0
    }

    /// When it last received or sent anything, nanoseconds of `CLOCK_MONOTONIC`.
    #[inline(always)]
    pub fn last_packet_ns(self) -> Option<u64> {
        let offset = global!(DET_LAYOUT.tcp_mstamp);
        if offset == ABSENT {
            None
        } else {
            Some(self.0.load_u64(offset).wrapping_mul(1_000))
        }
    }

    /// The verifier drops the load where the field is absent.
    #[inline(always)]
    fn optional_u32(self, offset: Offset) -> u32 {
        if offset == ABSENT {
            0
        } else {
            self.0.load_u32(offset)
        }
    }

    /// Payload the peer has acknowledged.
    #[inline(always)]
    pub fn bytes_acked(self) -> u64 {
        self.0.load_u64(global!(DET_LAYOUT.bytes_acked))
    }

    /// Payload sent for the first time, in the low 32 bits of the kernel's counts; `None` where this
    /// kernel does not count it.
    #[inline(always)]
    pub fn first_sent_bytes(self) -> Option<u32> {
        let (sent, again) = (
            global!(DET_LAYOUT.bytes_sent),
            global!(DET_LAYOUT.bytes_retrans),
        );
        if sent == ABSENT || again == ABSENT {
            return None;
        }
        let first = self.0.load_u64(sent).wrapping_sub(self.0.load_u64(again));
        Some(first as u32)
    }

    /// The peer's window shift.
    #[inline(always)]
    pub fn window_shift(self) -> u8 {
        bit_field!(self.0, snd_wscale)
    }

    /// `icsk_ca_state`.
    #[inline(always)]
    pub fn congestion_state(self) -> u8 {
        bit_field!(self.0, icsk_ca_state)
    }

    /// Highest right edge we ever offered, where the kernel keeps it.
    #[inline(always)]
    pub fn rcv_mwnd_seq(self) -> Option<u32> {
        let offset = global!(DET_LAYOUT.rcv_mwnd_seq);
        (offset != ABSENT).then(|| self.0.load_u32(offset))
    }

    /// Buffers that no process has read, where the kernel asks for them before it takes a segment
    /// that ends beyond our window.
    #[inline(always)]
    pub fn receive_queue(self) -> Option<u32> {
        let offset = global!(DET_LAYOUT.receive_queue_length);
        let is_asked = global!(DET_LAYOUT.has_invalid_end_sequence) == 1 && offset != ABSENT;
        is_asked.then(|| self.0.load_u32(offset))
    }

    /// Whether the last good timestamp is so old that the kernel lets any pass.
    #[inline(always)]
    pub fn ts_recent_has_expired(self) -> bool {
        let offset = global!(DET_LAYOUT.ts_recent_stamp);
        if offset == ABSENT {
            return false;
        }
        let now_seconds = (helpers::monotonic_ns() / NANOSECONDS) as u32;
        let may_be_microseconds = global!(DET_LAYOUT.has_tcp_usec_ts) == 1;
        acceptance::has_expired(self.0.load_u32(offset), now_seconds, may_be_microseconds)
    }

    /// Sequence number of the peer's SYN, as far as in-order data tells (no FIN received yet).
    #[inline(always)]
    pub fn initial_receive_sequence(self) -> u32 {
        let received = self.0.load_u64(global!(DET_LAYOUT.bytes_received)) as u32;
        self.rcv_nxt().wrapping_sub(received).wrapping_sub(1)
    }

    /// Bytes written and not yet acknowledged.
    #[inline(always)]
    pub fn queued_bytes(self) -> u32 {
        window::span_bytes(self.snd_una(), self.write_seq())
    }

    /// Whether the peer has ended it, by a segment that says so.
    #[inline(always)]
    pub fn is_reset_by_peer(self) -> bool {
        let offset = global!(DET_LAYOUT.sk_err);
        offset != ABSENT && matches!(self.0.load_u32(offset), ECONNRESET | EPIPE)
    }

    /// Local and remote port, host order.
    #[inline(always)]
    pub fn ports(self) -> (u16, u16) {
        let local = self.0.load_u16(global!(DET_LAYOUT.skc_num));
        (local, self.remote_port())
    }

    /// Remote port, host order.
    #[inline(always)]
    pub fn remote_port(self) -> u16 {
        u16::from_be(self.0.load_u16(global!(DET_LAYOUT.skc_dport)))
    }

    /// Local and remote address; IPv4 mapped into IPv6.
    #[inline(always)]
    pub fn addresses(self) -> ([u8; 16], [u8; 16]) {
        let local_v6 = global!(DET_LAYOUT.skc_v6_rcv_saddr);
        let remote_v6 = global!(DET_LAYOUT.skc_v6_daddr);
        let family = self.0.load_u16(global!(DET_LAYOUT.skc_family));
        if family == AF_INET || local_v6 == ABSENT || remote_v6 == ABSENT {
            (
                mapped(self.0.load_u32(global!(DET_LAYOUT.skc_rcv_saddr))),
                mapped(self.0.load_u32(global!(DET_LAYOUT.skc_daddr))),
            )
        } else {
            (self.address_v6(local_v6), self.address_v6(remote_v6))
        }
    }

    #[inline(always)]
    fn address_v6(self, offset: u64) -> [u8; 16] {
        let words = [
            self.0.load_u64(offset),
            self.0.load_u64(offset.wrapping_add(8)),
        ];
        bytemuck::cast(words)
    }

    /// Network namespace number.
    #[inline(always)]
    pub fn netns(self) -> u32 {
        let net = self.0.load_pointer(global!(DET_LAYOUT.skc_net));
        if net.is_null() {
            0
        } else {
            net.load_u32(global!(DET_LAYOUT.net_inum))
        }
    }

    /// Whether addresses mean here what they mean to the agent: it is in the agent's own network namespace,
    /// or in one that belongs to the agent's user namespace. Anybody may lay out a user namespace, in it a
    /// network of his own, and be anybody there; whom a network belongs to never changes (`setup_net`).
    #[inline(always)]
    pub fn is_on_our_way(self) -> bool {
        let (owner, number) = (
            global!(DET_LAYOUT.net_user_ns),
            global!(DET_LAYOUT.user_ns_inum),
        );
        let net = self.0.load_pointer(global!(DET_LAYOUT.skc_net));
        // Where BTF tags a pointer as `__rcu` the verifier takes no load through it before this.
        if net.is_null() {
            return false;
        }
        let network = net.load_u32(global!(DET_LAYOUT.net_inum));
        let from_own = u64::from(network ^ globals::network_namespace());
        if owner == ABSENT || number == ABSENT {
            return from_own == 0;
        }
        let users = net.load_pointer(owner);
        if users.is_null() {
            return from_own == 0;
        }
        // One branch for the verifier to follow instead of two.
        let from_ours = u64::from(users.load_u32(number) ^ globals::user_namespace());
        from_own * from_ours == 0
    }

    /// The `struct socket`, null once no process holds it.
    #[inline(always)]
    pub fn file_socket(self) -> KernelPointer {
        self.0.load_pointer(global!(DET_LAYOUT.sk_socket))
    }

    /// Where it listens.
    #[inline(always)]
    pub fn listener_key(self) -> ListenerKey {
        let (port, _) = self.ports();
        ListenerKey {
            netns: self.netns(),
            port,
            reserved: 0,
        }
    }

    /// The key of its state: address and remote end, which stay until the socket is freed.
    #[inline(always)]
    pub fn key(self) -> ConnectionKey {
        // `skc_daddr` is set for IPv6 too (to a filler), which serves as well.
        let remote_tail = self.0.load_u32(global!(DET_LAYOUT.skc_daddr)).to_ne_bytes();
        ConnectionKey {
            socket: self.0.address(),
            remote_tail,
            remote_port: self.remote_port(),
            reserved: 0,
        }
    }
}

/// `::ffff:a.b.c.d` of an IPv4 address in network order.
#[inline(always)]
fn mapped(address: u32) -> [u8; 16] {
    let words = [0u32, 0, 0xffff_u32.to_be(), address];
    bytemuck::cast(words)
}
