//! Counts what is lost or not kept, and says so where the agent asks for it.

use crate::maps::{COUNTERS, WATCHED};
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
        add_to(slot, u64::from(amount));
    }
}

/// How many segments are put by for all sockets together. A global and no map: asking is one load.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
static mut DET_PUT_BY: u64 = 0;

/// Whether a segment is put by for any socket.
#[inline(always)]
pub fn is_any_watched() -> bool {
    let put_by = &raw const DET_PUT_BY;
    // SAFETY: an aligned static of this object; programs change it beside us, so it is read as it is.
    unsafe { put_by.read_volatile() != 0 }
}

/// Whether there is no segment put by for the sockets of this place.
#[inline(always)]
pub fn is_unwatched(place: u32) -> bool {
    // SAFETY: map values are aligned to eight bytes, and stay while the program runs.
    WATCHED
        .get_ptr(place)
        .is_none_or(|slot| unsafe { slot.read_volatile() } == 0)
}

/// One segment more, or less, is put by for the sockets of this place.
#[inline(always)]
pub fn watch(place: u32, is_more: bool) {
    let amount = if is_more { 1 } else { u64::MAX };
    add_to(&raw mut DET_PUT_BY, amount);
    if let Some(slot) = WATCHED.get_ptr_mut(place) {
        add_to(slot, amount);
    }
}

/// Adds to eight aligned bytes of a map or a static.
#[inline(always)]
pub fn add_to(slot: *mut u64, amount: u64) {
    // The target has no `fetch_add`, and Linux 5.10 only this form, which fetches nothing.
    // SAFETY: map values and the static are aligned to eight bytes, and the verifier checked the slot
    // for null.
    unsafe {
        asm!(
            "lock *(u64 *)({slot} + 0) += {amount}",
            slot = in(reg) slot,
            amount = in(reg) amount,
            options(nostack),
        );
    }
}
