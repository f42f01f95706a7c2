//! The incoming segment: its TCP header, read as late and as little as possible.
//!
//! At `tcp_probe` the TCP header starts at `skb->data`. Packet bytes have no BTF type: where the
//! kernel lets the address be cast, eight of them are one load; elsewhere each read is a helper call, which
//! is then most of the cost of the hot path.

use crate::count::count_and_log;
use crate::globals::{bit_field, global};
use crate::helpers;
use crate::kernel_memory::KernelPointer;
use bytemuck::{Pod, Zeroable};
use detector_common::layout::ABSENT;
use detector_common::options::{self, NO_TIMESTAMP, UNREAD};

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;
/// NOP, NOP, kind 8, length 10: the timestamp option where every common stack puts it.
const TIMESTAMP_HEADER: u32 = 0x0101_080a;
/// Bytes of a header with these and nothing else, which the kernel reads without a walk.
const ALIGNED_BYTES: u32 = 32;
/// Bytes of a header without options.
const BARE_BYTES: u32 = 20;

/// `CHECKSUM_UNNECESSARY`: the device or GRO found the checksum right.
const CHECKED: u8 = 1;
/// `CHECKSUM_PARTIAL`: the segment never left this machine.
const LOCAL: u8 = 3;

/// Where the acknowledgement number stands in a TCP header (RFC 9293 section 3.1); data offset, flags and
/// window follow.
const ACK_OFFSET: u64 = 8;

/// Bytes 8 to 15 of the TCP header as they stand there.
#[inline(always)]
fn read_ack_part(header: u64) -> Option<u64> {
    let address = header.wrapping_add(ACK_OFFSET);
    if let Some(part) = helpers::load_eight_bytes(address) {
        return Some(part);
    }
    let part = helpers::read_kernel(address);
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
        let part = u64::from_be(read_ack_part(data)?);
        Some(Self {
            skb,
            data,
            header_ack: (part >> 32) as u32,
            raw_window: part as u16,
            offset_and_flags: (part >> 16) as u16,
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

    /// Whether it ends what the peer sends.
    #[inline(always)]
    pub fn has_fin(&self) -> bool {
        self.offset_and_flags & FIN != 0
    }

    /// Whether the checksum was found right already (`skb_csum_unnecessary`). If not, the kernel
    /// computes it behind the tracepoint.
    #[inline(always)]
    pub fn has_good_checksum(&self) -> bool {
        if global!(DET_LAYOUT.skb_ip_summed.offset) == ABSENT
            || global!(DET_LAYOUT.skb_csum_valid.offset) == ABSENT
        {
            return true;
        }
        let summed = bit_field!(self.skb, skb_ip_summed);
        summed == CHECKED || summed == LOCAL || bit_field!(self.skb, skb_csum_valid) != 0
    }

    /// Timestamp value, wherever the option stands (`tcp_fast_parse_options`), or one of the two other
    /// numbers of [`options`].
    #[inline(always)]
    pub fn timestamp(&self) -> i64 {
        let header_bytes = self.header_bytes();
        // The option takes ten bytes, and headers are multiples of four.
        if header_bytes < ALIGNED_BYTES {
            return NO_TIMESTAMP;
        }
        let options = self.data.wrapping_add(u64::from(BARE_BYTES));
        let Some(part) = helpers::read_kernel::<TimestampPart>(options) else {
            count_and_log!(OptionReadsFailed, "the options of a segment cannot be read");
            return UNREAD;
        };
        if header_bytes == ALIGNED_BYTES && u32::from_be(part.header) == TIMESTAMP_HEADER {
            return i64::from(u32::from_be(part.value));
        }
        walk_options(self.skb, header_bytes)
    }

    #[inline(always)]
    fn header_bytes(&self) -> u32 {
        u32::from(self.offset_and_flags >> 12) * 4
    }
}

/// The timestamp in options of another order. Not inlined: few segments come here.
#[inline(never)]
fn walk_options(skb: KernelPointer, header_bytes: u32) -> i64 {
    // Through a helper, so that the verifier takes it for a number it knows nothing of. Of a loaded
    // pointer it would know how far each way around the loop had moved it, and follow them all.
    let data =
        helpers::read_kernel::<u64>(skb.address().wrapping_add(global!(DET_LAYOUT.skb_data)));
    let stamp = data.map_or(UNREAD, |data| {
        let start = data.wrapping_add(u64::from(BARE_BYTES));
        let end = data.wrapping_add(u64::from(header_bytes));
        // The linear part of a buffer ends in a `struct skb_shared_info`, so that eight bytes from
        // the last option on can be read as well.
        options::timestamp(start, end, helpers::read_kernel)
    });
    if stamp == UNREAD {
        count_and_log!(OptionReadsFailed, "the options of a segment cannot be read");
    }
    stamp
}
