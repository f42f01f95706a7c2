//! How the C library's allocator treats what is freed.
//!
//! Tables and queues grow by moving to a larger piece, and glibc by itself raises the size from which a
//! piece is mapped alone each time one is freed, up to 32 MiB: what is left behind then stays in the
//! process. Under 20,000 stalled connections that was a third of all memory.

/// Pieces from this size on are mapped alone, and go back to the kernel when they are freed: the
/// largest of what comes and goes with each batch of records is below.
#[cfg(target_env = "gnu")]
const ALONE_BYTES: i32 = 128 << 10;

/// To be called before anything large is allocated.
#[cfg(target_env = "gnu")]
pub(crate) fn give_back_what_is_freed() {
    for parameter in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: mallopt takes two integers, and refuses values that it does not know.
        if unsafe { libc::mallopt(parameter, ALONE_BYTES) } == 0 {
            tracing::debug!("the allocator refuses parameter {parameter}");
        }
    }
}

/// Other C libraries have no such habit.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back_what_is_freed() {}
