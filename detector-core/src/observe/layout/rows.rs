//! The table: each field the kernel side reads, what it must look like, where its place is put.

use Need::{Optional, Required, Variant};
use Shape::{Anchor, Bits, Block, Enumerator, Exists, Integer, Pointer};
use detector_common::layout::{BitField, KernelLayout, Offset};
use std::fmt;

/// One field of the table: what is asked for, what it must look like, where the answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) structure: &'static str,
    pub(super) path: &'static str,
    pub(super) need: Need,
    pub(super) shape: Shape,
}

impl Row {
    pub(super) const fn is_enumerator(&self) -> bool {
        matches!(self.shape, Enumerator(_))
    }
}

/// How much depends on a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The agent cannot do without it.
    Required,
    /// Without it the agent says less.
    Optional,
    /// It tells which form of a test this kernel makes; no kernel has them all. Of an unexpected
    /// shape it is as good as missing.
    Variant,
}

/// What the kernel side takes a field for, and where in the layout its place is put.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// An integer of that many bytes.
    Integer(u64, fn(&mut KernelLayout) -> &mut Offset),
    /// A pointer.
    Pointer(fn(&mut KernelLayout) -> &mut Offset),
    /// A struct or array of that many bytes.
    Block(u64, fn(&mut KernelLayout) -> &mut Offset),
    /// A bit field within one byte, or a whole byte, of at least that many bits.
    Bits(u32, fn(&mut KernelLayout) -> &mut BitField),
    /// Not read itself, but must lie at offset 0.
    Anchor,
    /// Not read itself: 1 is put there if the struct has it.
    Exists(fn(&mut KernelLayout) -> &mut u64),
    /// A value of an enumeration, not read: 1 is put there if the enumeration has it.
    Enumerator(fn(&mut KernelLayout) -> &mut u64),
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(bytes, _) => write!(f, "{}-bit integer", bytes * 8),
            Self::Pointer(_) => write!(f, "pointer"),
            Self::Block(bytes, _) => write!(f, "{bytes}-byte struct or array"),
            Self::Bits(bits, _) => write!(f, "field of {bits} to 8 bits within one byte"),
            Self::Anchor => write!(f, "member at offset 0"),
            Self::Exists(_) => write!(f, "member"),
            Self::Enumerator(_) => write!(f, "value of an enumeration"),
        }
    }
}

const fn required(structure: &'static str, path: &'static str, shape: Shape) -> Row {
    Row {
        structure,
        path,
        need: Required,
        shape,
    }
}

const fn optional(structure: &'static str, path: &'static str, shape: Shape) -> Row {
    Row {
        structure,
        path,
        need: Optional,
        shape,
    }
}

const fn variant(structure: &'static str, path: &'static str, shape: Shape) -> Row {
    Row {
        structure,
        path,
        need: Variant,
        shape,
    }
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    required("tcp_sock", "inet_conn.icsk_inet.sk.__sk_common", Anchor),
    required("sock", "__sk_common", Anchor),
    optional("socket_alloc", "socket", Anchor),

    required("sock_common", "skc_family", Integer(2, |l| &mut l.skc_family)),
    required("sock_common", "skc_state", Integer(1, |l| &mut l.skc_state)),
    required("sock_common", "skc_daddr", Integer(4, |l| &mut l.skc_daddr)),
    required("sock_common", "skc_rcv_saddr", Integer(4, |l| &mut l.skc_rcv_saddr)),
    required("sock_common", "skc_dport", Integer(2, |l| &mut l.skc_dport)),
    required("sock_common", "skc_num", Integer(2, |l| &mut l.skc_num)),
    optional("sock_common", "skc_v6_daddr", Block(16, |l| &mut l.skc_v6_daddr)),
    optional("sock_common", "skc_v6_rcv_saddr", Block(16, |l| &mut l.skc_v6_rcv_saddr)),
    required("sock_common", "skc_net.net", Pointer(|l| &mut l.skc_net)),
    required("net", "ns.inum", Integer(4, |l| &mut l.net_inum)),
    optional("net", "user_ns", Pointer(|l| &mut l.net_user_ns)),
    optional("user_namespace", "ns.inum", Integer(4, |l| &mut l.user_ns_inum)),
    required("sock", "sk_wmem_queued", Integer(4, |l| &mut l.sk_wmem_queued)),
    optional("sock", "sk_err", Integer(4, |l| &mut l.sk_err)),
    required("sock", "sk_socket", Pointer(|l| &mut l.sk_socket)),
    optional("socket_alloc", "vfs_inode.i_ino", Integer(8, |l| &mut l.socket_inode_number)),

    required("tcp_sock", "snd_una", Integer(4, |l| &mut l.snd_una)),
    required("tcp_sock", "snd_nxt", Integer(4, |l| &mut l.snd_nxt)),
    required("tcp_sock", "snd_wnd", Integer(4, |l| &mut l.snd_wnd)),
    required("tcp_sock", "snd_wl1", Integer(4, |l| &mut l.snd_wl1)),
    required("tcp_sock", "write_seq", Integer(4, |l| &mut l.write_seq)),
    required("tcp_sock", "max_window", Integer(4, |l| &mut l.max_window)),
    required("tcp_sock", "rcv_nxt", Integer(4, |l| &mut l.rcv_nxt)),
    required("tcp_sock", "rcv_wup", Integer(4, |l| &mut l.rcv_wup)),
    required("tcp_sock", "rcv_wnd", Integer(4, |l| &mut l.rcv_wnd)),
    required("tcp_sock", "mss_cache", Integer(4, |l| &mut l.mss_cache)),
    required("tcp_sock", "packets_out", Integer(4, |l| &mut l.packets_out)),
    required("tcp_sock", "snd_cwnd", Integer(4, |l| &mut l.snd_cwnd)),
    required("tcp_sock", "srtt_us", Integer(4, |l| &mut l.srtt_us)),
    required("tcp_sock", "bytes_acked", Integer(8, |l| &mut l.bytes_acked)),
    optional("tcp_sock", "bytes_sent", Integer(8, |l| &mut l.bytes_sent)),
    optional("tcp_sock", "bytes_retrans", Integer(8, |l| &mut l.bytes_retrans)),
    required("tcp_sock", "bytes_received", Integer(8, |l| &mut l.bytes_received)),
    required("tcp_sock", "rx_opt.ts_recent", Integer(4, |l| &mut l.ts_recent)),
    required("tcp_sock", "rx_opt.snd_wscale", Bits(4, |l| &mut l.snd_wscale)),
    required("tcp_sock", "rcv_tstamp", Integer(4, |l| &mut l.rcv_tstamp)),
    required("tcp_sock", "inet_conn.icsk_ca_state", Bits(3, |l| &mut l.icsk_ca_state)),
    required("tcp_sock", "inet_conn.icsk_retransmits", Integer(1, |l| &mut l.icsk_retransmits)),
    required("tcp_sock", "inet_conn.icsk_pending", Integer(1, |l| &mut l.icsk_pending)),
    required("tcp_sock", "inet_conn.icsk_backoff", Integer(1, |l| &mut l.icsk_backoff)),
    required("tcp_sock", "inet_conn.icsk_probes_out", Integer(1, |l| &mut l.icsk_probes_out)),

    required("sk_buff", "cb", Block(48, |l| &mut l.skb_cb)),
    required("tcp_skb_cb", "seq", Integer(4, |l| &mut l.skb_cb_seq)),
    required("tcp_skb_cb", "end_seq", Integer(4, |l| &mut l.skb_cb_end_seq)),
    required("tcp_skb_cb", "ack_seq", Integer(4, |l| &mut l.skb_cb_ack_seq)),
    required("tcp_skb_cb", "tcp_gso_segs", Integer(2, |l| &mut l.skb_cb_gso_segs)),
    required("sk_buff", "data", Pointer(|l| &mut l.skb_data)),

    variant("sk_buff", "ip_summed", Bits(2, |l| &mut l.skb_ip_summed)),
    variant("sk_buff", "csum_valid", Bits(1, |l| &mut l.skb_csum_valid)),
    variant("sock", "sk_receive_queue.qlen", Integer(4, |l| &mut l.receive_queue_length)),
    variant("tcp_sock", "rcv_mwnd_seq", Integer(4, |l| &mut l.rcv_mwnd_seq)),
    variant("tcp_sock", "rx_opt.ts_recent_stamp", Integer(4, |l| &mut l.ts_recent_stamp)),
    variant("tcp_sock", "tcp_usec_ts", Exists(|l| &mut l.has_tcp_usec_ts)),
    variant("inet_csk_ack_state_t", "ICSK_ACK_NOMEM", Enumerator(|l| &mut l.has_ack_nomem)),
    variant("skb_drop_reason", "SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE",
        Enumerator(|l| &mut l.has_invalid_end_sequence)),

    optional("tcp_sock", "dsack_dups", Integer(4, |l| &mut l.dsack_dups)),
    optional("tcp_sock", "undo_marker", Integer(4, |l| &mut l.undo_marker)),
    optional("tcp_sock", "prior_ssthresh", Integer(4, |l| &mut l.prior_ssthresh)),
    variant("tcp_sock", "is_mptcp", Integer(1, |l| &mut l.is_mptcp)),
    optional("tcp_sock", "tcp_mstamp", Integer(8, |l| &mut l.tcp_mstamp)),

    variant("task_struct", "pid", Integer(4, |l| &mut l.task_pid)),
    variant("task_struct", "comm", Block(16, |l| &mut l.task_comm)),
    variant("task_struct", "mm", Pointer(|l| &mut l.task_mm)),
    variant("mm_struct", "rss_stat", Block(4 * 40, |l| &mut l.mm_counters)),
    variant("percpu_counter", "count", Integer(8, |l| &mut l.percpu_counter_count)),
    variant("mm_struct", "rss_stat.count", Block(4 * 8, |l| &mut l.mm_counts)),
    variant("task_struct", "cgroups", Pointer(|l| &mut l.task_cgroups)),
    variant("css_set", "dfl_cgrp", Pointer(|l| &mut l.css_set_dfl_cgrp)),
    variant("cgroup", "kn", Pointer(|l| &mut l.cgroup_kn)),
    variant("kernfs_node", "id", Integer(8, |l| &mut l.kernfs_node_id)),
];
