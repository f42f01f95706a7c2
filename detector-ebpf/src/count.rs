//! Counts what is lost or not kept, and says so where the agent asks for it.

use crate::maps::COUNTERS;
use core::arch::asm;
use detector_common::counter::Counter;

/// Counts something rare and says it in the agent's log at debug level.
///
/// Below that level the verifier knows the branch of the line to be dead and leaves it out. Not
/// inlined, so that the line's code and stack lie outside of the callers'; not `#[cold]`, for that
/// brings a section of its own, and the loader follows calls into `.text` alone.
macro_rules! count_and_log {
    ($counter:ident, $text:literal $(, $argument:ident: $type:ty)*) => {{
        #[inline(never)]
        fn say($($argument: $type),*) {
            $crate::count::count(detector_common::counter::Counter::$counter);
            // No program needs its context for a line.
            aya_log_ebpf::debug!((), $text $(, $argument)*);
        }
        say($($argument),*)
    }};
}
pub(crate) use count_and_log;

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
