//! Counts what is lost or not kept.

use crate::maps::COUNTERS;
use detector_common::counter::Counter;

/// Adds one to this CPU's counter.
#[inline(always)]
pub fn count(counter: Counter) {
    add(counter, 1);
}

/// Adds to this CPU's counter.
#[inline(always)]
pub fn add(counter: Counter, amount: u32) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is this CPU's own and the verifier checked it for null.
        let value = unsafe { *slot };
        // SAFETY: as above.
        unsafe { *slot = value.wrapping_add(u64::from(amount)) };
    }
}
