//! Read-only globals that the agent fills in before loading.
//!
//! A plain read of a `static` would be folded to its initial value by LLVM and the agent's value
//! silently ignored; a volatile read of one field is one load, and the verifier knows its result
//! as an exact number.

use detector_common::layout::{ABSENT, KernelLayout};
use detector_common::settings::KernelSettings;

/// Offsets in the running kernel; [`KernelLayout::UNSET`] until the agent sets it.
// SAFETY: the agent finds the global by this name; nothing else defines it.
#[unsafe(no_mangle)]
pub static DET_LAYOUT: KernelLayout = KernelLayout::UNSET;

/// Bounds.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub static DET_SETTINGS: KernelSettings = KernelSettings::DEFAULT;

/// Reads one field of a read-only global.
macro_rules! global {
    ($global:ident . $($field:ident).+ $([$index:literal])?) => {{
        // SAFETY: the address is that of a static of this object, aligned and initialised.
        unsafe { core::ptr::read_volatile(&raw const $crate::globals::$global.$($field).+ $([$index])?) }
    }};
}
pub(crate) use global;

/// Loads a bit field of a kernel struct.
macro_rules! bit_field {
    ($pointer:expr, $field:ident) => {{
        let byte = u32::from($pointer.load_u8($crate::globals::global!(DET_LAYOUT.$field.offset)));
        let shift = $crate::globals::global!(DET_LAYOUT.$field.shift);
        ((byte >> (shift & 7)) & $crate::globals::global!(DET_LAYOUT.$field.mask)) as u8
    }};
}
pub(crate) use bit_field;

/// How long a rate window of a connection lasts.
#[inline(always)]
pub fn rate_window_ns() -> u64 {
    global!(DET_SETTINGS.rate_window_ns)
}

/// How many records a connection may send in one rate window.
#[inline(always)]
pub fn rate_records() -> u32 {
    global!(DET_SETTINGS.rate_records)
}

/// A tick of the kernel's clock; 0 if not known.
#[inline(always)]
pub fn tick_ns() -> u32 {
    global!(DET_SETTINGS.tick_ns)
}

/// Whether `tcp_retransmit_skb` has its third argument on this kernel.
#[inline(always)]
pub fn retransmit_has_err() -> bool {
    global!(DET_LAYOUT.retransmit_has_err) == 1
}

/// Whether `mark_victim` hands over the task on this kernel, and not its number alone.
#[inline(always)]
pub fn victim_is_task() -> bool {
    global!(DET_LAYOUT.victim_is_task) == 1
}

/// From a `struct socket` to its inode's number; `None` where this kernel does not tell.
#[inline(always)]
pub fn socket_inode_number() -> Option<u64> {
    let offset = global!(DET_LAYOUT.socket_inode_number);
    if offset == ABSENT { None } else { Some(offset) }
}

/// Whether the kernel takes a zero window also from a segment whose numbers are both as before.
#[inline(always)]
pub fn takes_repeated_zero() -> bool {
    global!(DET_LAYOUT.has_ack_nomem) == 1
}

/// What of an IPv6 address makes a peer.
#[inline(always)]
pub fn ipv6_mask() -> [u64; 2] {
    [
        global!(DET_SETTINGS.ipv6_mask[0]),
        global!(DET_SETTINGS.ipv6_mask[1]),
    ]
}

/// Draws the places of addresses.
#[inline(always)]
pub fn seed() -> u64 {
    global!(DET_SETTINGS.seed)
}

/// The number of the agent's own network namespace.
#[inline(always)]
pub fn network_namespace() -> u32 {
    global!(DET_SETTINGS.network_namespace)
}

/// The number of the user namespace whose network namespaces are no stranger's.
#[inline(always)]
pub fn user_namespace() -> u32 {
    global!(DET_SETTINGS.user_namespace)
}
