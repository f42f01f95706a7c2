//! Counts what is lost or not kept.

use crate::maps::COUNTERS;
use core::arch::asm;
use detector_common::counter::Counter;

/// Adds one to this CPU's counter.
#[inline(always)]
pub fn count(counter: Counter) {
    add(counter, 1);
}

/// Adds to this CPU's counter, atomically: a hook may interrupt another on the same CPU.
#[inline(always)]
pub fn add(counter: Counter, amount: u32) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // The target has no `fetch_add`, and Linux 5.10 only this form, which fetches nothing.
        // SAFETY: map values are aligned to eight bytes, and the verifier checked the slot for null.
        unsafe {
            asm!(
                "lock *(u64 *)({slot} + 0) += {amount}",
                slot = in(reg) slot,
                amount = in(reg) u64::from(amount),
                options(nostack),
            );
        }
    }
}
