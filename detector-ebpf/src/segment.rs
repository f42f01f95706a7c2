//! The incoming segment: its TCP header, read as late and as little as possible.
//!
//! At `tcp_probe` the TCP header starts at `skb->data`. Packet bytes have no BTF type: where the
//! kernel lets the address be cast, a field is one load; elsewhere each read is a helper call, which
//! is then most of the cost of the hot path.

use crate::count::count_and_log;
use crate::globals::global;
use crate::helpers;
use crate::kernel_memory::KernelPointer;
use bytemuck::{Pod, Zeroable};

const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;
/// NOP, NOP, kind 8, length 10: the timestamp option where every common stack puts it.
const TIMESTAMP_HEADER: u32 = 0x0101_080a;

/// Where the acknowledgement number stands in a TCP header (RFC 9293 section 3.1).
const ACK_OFFSET: u64 = 8;
/// Where data offset and flags stand.
const FLAGS_OFFSET: u64 = 12;
/// Where the window stands.
const WINDOW_OFFSET: u64 = 14;

/// Bytes 8 to 15 of the TCP header, network order.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct AckPart {
    ack: u32,
    offset_and_flags: u16,
    window: u16,
}

/// A load where the kernel lets the address be cast to `struct tcphdr`, else a helper call, which
/// alone costs more than everything else a healthy acknowledgement needs.
#[inline(always)]
fn read_ack_part(header: u64) -> Option<AckPart> {
    let type_number = global!(DET_LAYOUT.tcphdr_type);
    if type_number != 0 {
        let tcphdr = helpers::rdonly_cast(header, type_number);
        return Some(AckPart {
            ack: tcphdr.load_u32(ACK_OFFSET),
            offset_and_flags: tcphdr.load_u16(FLAGS_OFFSET),
            window: tcphdr.load_u16(WINDOW_OFFSET),
        });
    }
    let part = helpers::read_kernel(header.wrapping_add(ACK_OFFSET));
    if part.is_none() {
        count_and_log!(HeaderReadsFailed, "the header of a segment cannot be read");
    }
    part
}

/// First options word and timestamp value, network order.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TimestampPart {
    header: u32,
    value: u32,
}

/// Where a buffer of the retransmit queue begins, and how many segments it holds (`tcp_skb_pcount`).
#[inline(always)]
pub fn sent(skb: KernelPointer) -> (u32, u32) {
    let notes = global!(DET_LAYOUT.skb_cb);
    let seq = skb.load_u32(notes.wrapping_add(global!(DET_LAYOUT.skb_cb_seq)));
    let segments = skb.load_u16(notes.wrapping_add(global!(DET_LAYOUT.skb_cb_gso_segs)));
    (seq, u32::from(segments).max(1))
}

/// A segment whose acknowledgement part has been read.
#[derive(Clone, Copy)]
pub struct IncomingSegment {
    skb: KernelPointer,
    data: u64,
    /// Acknowledgement number in the header: never newer than that of [`Self::numbers`], so an edge
    /// made of it is never too far right.
    pub header_ack: u32,
    /// Window as sent, not shifted.
    pub raw_window: u16,
    offset_and_flags: u16,
}

impl IncomingSegment {
    /// Reads eight bytes of the header: acknowledgement, flags, window.
    #[inline(always)]
    pub fn read(skb: KernelPointer) -> Option<Self> {
        let data = skb.load_pointer(global!(DET_LAYOUT.skb_data)).address();
        let part = read_ack_part(data)?;
        Some(Self {
            skb,
            data,
            header_ack: u32::from_be(part.ack),
            raw_window: u16::from_be(part.window),
            offset_and_flags: u16::from_be(part.offset_and_flags),
        })
    }

    /// Whether its window is a window at all: RST carries none, SYN an unscaled one, and what does not
    /// acknowledge the kernel drops behind the tracepoint.
    #[inline(always)]
    pub fn carries_window(&self) -> bool {
        self.offset_and_flags & (ACK | RST | SYN) == ACK
    }

    /// Sequence number, sequence number after its end, and acknowledgement.
    ///
    /// From the kernel's own notes on the segment, not from its header: where segments waited for a
    /// process that held the socket, `tcp_add_backlog` merges them and leaves the oldest header
    /// with the newest window. Old acknowledgement and new window together would be a right edge
    /// that nobody ever offered.
    #[inline(always)]
    pub fn numbers(&self) -> (u32, u32, u32) {
        let notes = global!(DET_LAYOUT.skb_cb);
        let note = |offset: u64| self.skb.load_u32(notes.wrapping_add(offset));
        (
            note(global!(DET_LAYOUT.skb_cb_seq)),
            note(global!(DET_LAYOUT.skb_cb_end_seq)),
            note(global!(DET_LAYOUT.skb_cb_ack_seq)),
        )
    }

    /// Timestamp value, if the option stands first and aligned, as every common stack sends it.
    #[inline(always)]
    pub fn timestamp(&self) -> Option<u32> {
        if self.header_bytes() < 32 {
            return None;
        }
        let Some(part) = helpers::read_kernel::<TimestampPart>(self.data.wrapping_add(20)) else {
            count_and_log!(OptionReadsFailed, "the options of a segment cannot be read");
            return None;
        };
        (u32::from_be(part.header) == TIMESTAMP_HEADER).then(|| u32::from_be(part.value))
    }

    #[inline(always)]
    fn header_bytes(&self) -> u32 {
        u32::from(self.offset_and_flags >> 12) * 4
    }
}
