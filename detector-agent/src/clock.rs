//! The two clocks of this host, and that of a thread, read in one place.

use detector_core::time::{MonotonicTime, WallClock};
use rustix::time::{ClockId, clock_getres, clock_gettime};
use std::time::Duration;

/// Now, on the clock of `bpf_ktime_get_ns`.
pub(crate) fn now() -> MonotonicTime {
    MonotonicTime::from_ns(u64::try_from(nanoseconds(ClockId::Monotonic)).unwrap_or(0))
}

/// Where the wall clock stands against the monotonic clock.
pub(crate) fn wall() -> WallClock {
    WallClock {
        offset_ns: nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Monotonic),
    }
}

/// Nanoseconds since the host started, sleep included.
pub(crate) fn boot_ns() -> i128 {
    nanoseconds(ClockId::Boottime)
}

/// Unix time in nanoseconds.
pub(crate) fn unix_ns() -> i128 {
    nanoseconds(ClockId::Realtime)
}

/// A tick of the kernel's clock: what its coarse clocks move by.
pub(crate) fn kernel_tick_ns() -> u32 {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    u32::try_from(tick.tv_nsec).unwrap_or(0)
}

fn nanoseconds(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Processor time of the agent since it started.
pub(crate) fn process_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Processor time of this thread; waiting for others costs nothing.
pub(crate) fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
