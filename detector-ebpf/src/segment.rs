//! The incoming segment: its TCP header, read as late and as little as possible.
//!
//! At `tcp_probe` the TCP header starts at `skb->data`. Packet bytes have no BTF type, so each
//! read is a helper call; that call is most of the cost of the hot path.

use crate::count::count;
use crate::globals::global;
use crate::helpers;
use crate::kernel_memory::KernelPointer;
use bytemuck::{Pod, Zeroable};
use detector_common::counter::Counter;

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;
/// NOP, NOP, kind 8, length 10: the timestamp option where every common stack puts it.
const TIMESTAMP_HEADER: u32 = 0x0101_080a;

/// Bytes 8 to 15 of the TCP header, network order.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct AckPart {
    ack: u32,
    offset_and_flags: u16,
    window: u16,
}

/// First options word and timestamp value, network order.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TimestampPart {
    header: u32,
    value: u32,
}

/// A segment whose acknowledgement part has been read.
#[derive(Clone, Copy)]
pub struct IncomingSegment {
    skb: KernelPointer,
    data: u64,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window as sent, not shifted.
    pub raw_window: u16,
    offset_and_flags: u16,
}

impl IncomingSegment {
    /// Reads eight bytes of the header: acknowledgement, flags, window.
    #[inline(always)]
    pub fn read(skb: KernelPointer) -> Option<Self> {
        let data = skb.load_pointer(global!(DET_LAYOUT.skb_data)).address();
        let Some(part) = helpers::read_kernel::<AckPart>(data.wrapping_add(8)) else {
            count(Counter::HeaderReadsFailed);
            return None;
        };
        Some(Self {
            skb,
            data,
            ack: u32::from_be(part.ack),
            raw_window: u16::from_be(part.window),
            offset_and_flags: u16::from_be(part.offset_and_flags),
        })
    }

    /// Whether its window is a window at all: RST carries none, SYN an unscaled one.
    #[inline(always)]
    pub fn carries_window(&self) -> bool {
        self.offset_and_flags & (RST | SYN) == 0
    }

    /// Sequence number and sequence number after its end.
    #[inline(always)]
    pub fn sequence(&self) -> Option<(u32, u32)> {
        let Some(seq) = helpers::read_kernel::<u32>(self.data.wrapping_add(4)) else {
            count(Counter::HeaderReadsFailed);
            return None;
        };
        let seq = u32::from_be(seq);
        let length = self.skb.load_u32(global!(DET_LAYOUT.skb_len));
        let payload = length.saturating_sub(self.header_bytes());
        let fin = u32::from(self.offset_and_flags & FIN);
        Some((seq, seq.wrapping_add(payload).wrapping_add(fin)))
    }

    /// Timestamp value, if the option stands first and aligned, as every common stack sends it.
    #[inline(always)]
    pub fn timestamp(&self) -> Option<u32> {
        if self.header_bytes() < 32 {
            return None;
        }
        let Some(part) = helpers::read_kernel::<TimestampPart>(self.data.wrapping_add(20)) else {
            count(Counter::OptionReadsFailed);
            return None;
        };
        (u32::from_be(part.header) == TIMESTAMP_HEADER).then(|| u32::from_be(part.value))
    }

    #[inline(always)]
    fn header_bytes(&self) -> u32 {
        u32::from(self.offset_and_flags >> 12) * 4
    }
}
