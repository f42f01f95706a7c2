//! Where the fields that the kernel side reads lie in the running kernel.
//!
//! Rust eBPF has no CO-RE relocations, so the agent resolves each offset by name from the
//! kernel's BTF and sets this struct as a read-only global. The verifier then sees constants.

use bytemuck::{Pod, Zeroable};

/// Value of an optional field that this kernel does not have. 0 is a real offset.
pub const ABSENT: u64 = u64::MAX;

/// Byte offset of a field from the start of its struct, or [`ABSENT`].
pub type Offset = u64;

/// A bit field: the byte that holds it, and where in that byte.
///
/// Only fields that lie within one byte are supported, which holds for all we read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct BitField {
    /// Byte offset from the start of the struct.
    pub offset: Offset,
    /// Bits to shift right, 0 to 7.
    pub shift: u32,
    /// Mask after the shift, for instance `0xf` for four bits.
    pub mask: u32,
}

/// Offsets by name. Fields are `struct_field`; all are required unless said otherwise.
///
/// What a healthy acknowledgement needs comes first and fills one cache line, and the whole starts
/// at one: the hot path touches a single line of settings.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct KernelLayout {
    /// `struct tcp_sock.snd_una`, u32.
    pub snd_una: Offset,
    /// `struct tcp_sock.snd_wnd`, u32: scaled window the peer last offered.
    pub snd_wnd: Offset,
    /// `struct tcp_sock.mss_cache`, u32: effective sending MSS.
    pub mss_cache: Offset,
    /// `struct tcp_sock.rx_opt.snd_wscale`, 4-bit field: the peer's window shift.
    pub snd_wscale: BitField,
    /// `struct sk_buff.data`, pointer.
    pub skb_data: Offset,
    /// BTF type number of `struct tcp_sock`, 0 where the kernel has no `bpf_rdonly_cast`.
    pub tcp_sock_type: u64,
    /// `struct tcp_sock.bytes_acked`, u64; as which any eight bytes can be loaded.
    pub bytes_acked: Offset,

    /// `struct tcp_sock.snd_nxt`, u32.
    pub snd_nxt: Offset,
    /// `struct sock_common.skc_family`, u16.
    pub skc_family: Offset,
    /// `struct sock_common.skc_state`, u8 (volatile).
    pub skc_state: Offset,
    /// `struct sock_common.skc_daddr`, be32: remote IPv4 address.
    pub skc_daddr: Offset,
    /// `struct sock_common.skc_rcv_saddr`, be32: local IPv4 address.
    pub skc_rcv_saddr: Offset,
    /// `struct sock_common.skc_dport`, be16: remote port.
    pub skc_dport: Offset,
    /// `struct sock_common.skc_num`, host order u16: local port.
    pub skc_num: Offset,
    /// `struct sock_common.skc_v6_daddr`, 16 bytes; optional (kernels without IPv6).
    pub skc_v6_daddr: Offset,
    /// `struct sock_common.skc_v6_rcv_saddr`, 16 bytes; optional.
    pub skc_v6_rcv_saddr: Offset,
    /// `struct sock_common.skc_net.net`, pointer to `struct net`.
    pub skc_net: Offset,
    /// `struct net.ns.inum`, u32: the number in `/proc/PID/ns/net`.
    pub net_inum: Offset,
    /// `struct sock.sk_wmem_queued`, int: bytes of kernel memory held by the write queue.
    pub sk_wmem_queued: Offset,
    /// `struct sock.sk_socket`, pointer; null once the socket is an orphan.
    pub sk_socket: Offset,
    /// Distance from a `struct socket` to its inode's number:
    /// `offsetof(socket_alloc, vfs_inode) + offsetof(inode, i_ino)`; optional.
    pub socket_inode_number: Offset,

    /// `struct tcp_sock.snd_wl1`, u32: sequence number of the segment that set the window.
    pub snd_wl1: Offset,
    /// `struct tcp_sock.write_seq`, u32: one past the last byte the application wrote.
    pub write_seq: Offset,
    /// `struct tcp_sock.max_window`, u32: largest window ever offered.
    pub max_window: Offset,
    /// `struct tcp_sock.rcv_nxt`, u32.
    pub rcv_nxt: Offset,
    /// `struct tcp_sock.rcv_wup`, u32: `rcv_nxt` at the last window we sent.
    pub rcv_wup: Offset,
    /// `struct tcp_sock.rcv_wnd`, u32.
    pub rcv_wnd: Offset,
    /// `struct tcp_sock.packets_out`, u32.
    pub packets_out: Offset,
    /// `struct tcp_sock.snd_cwnd`, u32.
    pub snd_cwnd: Offset,
    /// `struct tcp_sock.srtt_us`, u32: smoothed round-trip time, microseconds << 3.
    pub srtt_us: Offset,
    /// `struct tcp_sock.bytes_received`, u64.
    pub bytes_received: Offset,
    /// `struct tcp_sock.rx_opt.ts_recent`, u32: last in-order timestamp value of the peer.
    pub ts_recent: Offset,
    /// `struct tcp_sock.inet_conn.icsk_ca_state`, bit field: congestion state.
    pub icsk_ca_state: BitField,
    /// `struct tcp_sock.rcv_tstamp`, u32: when the last acknowledgement came, in jiffies.
    pub rcv_tstamp: Offset,
    /// `struct tcp_sock.inet_conn.icsk_retransmits`, u8.
    pub icsk_retransmits: Offset,
    /// `struct tcp_sock.inet_conn.icsk_pending`, u8: which timer is armed.
    pub icsk_pending: Offset,
    /// `struct tcp_sock.inet_conn.icsk_backoff`, u8.
    pub icsk_backoff: Offset,
    /// `struct tcp_sock.inet_conn.icsk_probes_out`, u8: unanswered probes.
    pub icsk_probes_out: Offset,

    /// 1 when `trace_tcp_retransmit_skb` has the third argument `err`, else 0.
    pub retransmit_has_err: u64,
    /// `struct sk_buff.cb`, 48 bytes: at `tcp_probe` a `struct tcp_skb_cb`.
    pub skb_cb: Offset,
    /// `struct tcp_skb_cb.seq`, u32.
    pub skb_cb_seq: Offset,
    /// `struct tcp_skb_cb.end_seq`, u32.
    pub skb_cb_end_seq: Offset,
    /// `struct tcp_skb_cb.ack_seq`, u32: the newest acknowledgement of merged segments.
    pub skb_cb_ack_seq: Offset,
    /// `struct tcp_skb_cb.tcp_gso_segs`, u16: segments in a buffer of the retransmit queue.
    pub skb_cb_gso_segs: Offset,

    // Which form of a test this kernel makes (docs/segments.md). All of these are optional.
    /// `struct sk_buff.ip_summed`, 2-bit field: who has checked the checksum.
    pub skb_ip_summed: BitField,
    /// `struct sk_buff.csum_valid`, 1-bit field: the checksum was found right.
    pub skb_csum_valid: BitField,
    /// `struct sock.sk_receive_queue.qlen`, u32: buffers that no process has read.
    pub receive_queue_length: Offset,
    /// `struct tcp_sock.rcv_mwnd_seq`, u32: the highest right edge we ever offered.
    pub rcv_mwnd_seq: Offset,
    /// `struct tcp_sock.rx_opt.ts_recent_stamp`, seconds of `CLOCK_MONOTONIC`: when `ts_recent` was
    /// set.
    pub ts_recent_stamp: Offset,
    /// 1 where timestamps may tick in microseconds, and an old one passes after 2,147 s, else 0.
    pub has_tcp_usec_ts: u64,
    /// 1 where a zero window is taken even if both numbers are as before, else 0.
    pub has_ack_nomem: u64,
    /// 1 where a segment may be dropped for ending beyond our window, else 0.
    pub has_invalid_end_sequence: u64,

    // Both optional: with them the socket's own counts tell who opened the connection.
    /// `struct tcp_sock.bytes_sent`, u64: payload sent, with what was sent again.
    pub bytes_sent: Offset,
    /// `struct tcp_sock.bytes_retrans`, u64: payload sent again.
    pub bytes_retrans: Offset,
    // What the kernel found out about segments sent again, and the like. All optional.
    /// `struct tcp_sock.dsack_dups`, u32: segments that the peer reported as received twice.
    pub dsack_dups: Offset,
    /// `struct tcp_sock.undo_marker`, u32: `snd_una` when the recovery began that the kernel may
    /// still take back, else 0.
    pub undo_marker: Offset,
    /// `struct tcp_sock.prior_ssthresh`, u32: 0 once the kernel cannot take it back.
    pub prior_ssthresh: Offset,
    /// `struct tcp_sock.is_mptcp`, bool: the socket is a subflow.
    pub is_mptcp: Offset,
    /// `struct tcp_sock.tcp_mstamp`, u64: when the socket last received or sent anything,
    /// microseconds of `CLOCK_MONOTONIC`.
    pub tcp_mstamp: Offset,

    // Of a process that the OOM killer has chosen. All optional.
    /// 1 when `trace_mark_victim` hands over the task and not its number alone, else 0.
    pub victim_is_task: u64,
    /// `struct task_struct.pid`, int.
    pub task_pid: Offset,
    /// `struct task_struct.comm`, 16 bytes.
    pub task_comm: Offset,
    /// `struct task_struct.mm`, pointer.
    pub task_mm: Offset,
    /// `struct mm_struct.rss_stat`, where it is four `struct percpu_counter` of 40 bytes.
    pub mm_counters: Offset,
    /// `struct percpu_counter.count`, s64.
    pub percpu_counter_count: Offset,
    /// `struct mm_struct.rss_stat.count`, where it is four numbers of 64 bits.
    pub mm_counts: Offset,
    /// `struct task_struct.cgroups`, pointer.
    pub task_cgroups: Offset,
    /// `struct css_set.dfl_cgrp`, pointer: the control group in the unified hierarchy.
    pub css_set_dfl_cgrp: Offset,
    /// `struct cgroup.kn`, pointer.
    pub cgroup_kn: Offset,
    /// `struct kernfs_node.id`, u64: the inode number of the group's folder.
    pub kernfs_node_id: Offset,
    // Who owns a network namespace. Both optional.
    /// `struct net.user_ns`, pointer to `struct user_namespace`.
    pub net_user_ns: Offset,
    /// `struct user_namespace.ns.inum`, u32: the number in `/proc/PID/ns/user`.
    pub user_ns_inum: Offset,
    /// `struct sock.sk_err`, int: why it ended, if not as it should; optional.
    pub sk_err: Offset,
    /// Fills the last cache line; always 0.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<KernelLayout>() == 72 * 8 + 4 * 16);

/// A bit field that is not there.
const NO_BITS: BitField = BitField {
    offset: ABSENT,
    shift: 0,
    mask: 0,
};

impl KernelLayout {
    /// Every offset absent: what the object holds before the agent has set the real ones.
    pub const UNSET: Self = Self {
        skc_family: ABSENT,
        skc_state: ABSENT,
        skc_daddr: ABSENT,
        skc_rcv_saddr: ABSENT,
        skc_dport: ABSENT,
        skc_num: ABSENT,
        skc_v6_daddr: ABSENT,
        skc_v6_rcv_saddr: ABSENT,
        skc_net: ABSENT,
        net_inum: ABSENT,
        sk_wmem_queued: ABSENT,
        sk_socket: ABSENT,
        socket_inode_number: ABSENT,
        snd_una: ABSENT,
        snd_nxt: ABSENT,
        snd_wnd: ABSENT,
        snd_wl1: ABSENT,
        write_seq: ABSENT,
        max_window: ABSENT,
        rcv_nxt: ABSENT,
        rcv_wup: ABSENT,
        rcv_wnd: ABSENT,
        mss_cache: ABSENT,
        packets_out: ABSENT,
        snd_cwnd: ABSENT,
        srtt_us: ABSENT,
        bytes_acked: ABSENT,
        bytes_received: ABSENT,
        ts_recent: ABSENT,
        snd_wscale: NO_BITS,
        icsk_ca_state: NO_BITS,
        rcv_tstamp: ABSENT,
        icsk_retransmits: ABSENT,
        icsk_pending: ABSENT,
        icsk_backoff: ABSENT,
        icsk_probes_out: ABSENT,
        skb_cb: ABSENT,
        skb_cb_seq: ABSENT,
        skb_cb_end_seq: ABSENT,
        skb_cb_ack_seq: ABSENT,
        skb_cb_gso_segs: ABSENT,
        skb_data: ABSENT,
        retransmit_has_err: 0,
        tcp_sock_type: 0,
        skb_ip_summed: NO_BITS,
        skb_csum_valid: NO_BITS,
        receive_queue_length: ABSENT,
        rcv_mwnd_seq: ABSENT,
        ts_recent_stamp: ABSENT,
        has_tcp_usec_ts: 0,
        has_ack_nomem: 0,
        has_invalid_end_sequence: 0,
        bytes_sent: ABSENT,
        bytes_retrans: ABSENT,
        dsack_dups: ABSENT,
        undo_marker: ABSENT,
        prior_ssthresh: ABSENT,
        is_mptcp: ABSENT,
        tcp_mstamp: ABSENT,
        victim_is_task: 0,
        task_pid: ABSENT,
        task_comm: ABSENT,
        task_mm: ABSENT,
        mm_counters: ABSENT,
        percpu_counter_count: ABSENT,
        mm_counts: ABSENT,
        task_cgroups: ABSENT,
        css_set_dfl_cgrp: ABSENT,
        cgroup_kn: ABSENT,
        kernfs_node_id: ABSENT,
        net_user_ns: ABSENT,
        user_ns_inum: ABSENT,
        sk_err: ABSENT,
        reserved: [0; 3],
    };
}
