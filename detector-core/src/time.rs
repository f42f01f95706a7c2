//! Points in time: the kernel's monotonic clock for judging, the wall clock only for showing.

use detector_api::time::rfc3339;
use std::fmt;
use std::num::NonZeroU64;

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
///
/// All judging uses this; a step of the wall clock changes no judgement.
///
/// Kept as one more than the nanoseconds, so that `Option<MonotonicTime>` needs no more room than a
/// number: tables have many of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicTime(NonZeroU64);

/// One second in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The start of the monotonic clock.
impl Default for MonotonicTime {
    fn default() -> Self {
        Self::from_ns(0)
    }
}

impl fmt::Debug for MonotonicTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MonotonicTime({} ns)", self.as_ns())
    }
}

impl MonotonicTime {
    /// The moment at `ns` nanoseconds of the monotonic clock.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(ns))
    }

    /// Nanoseconds of the monotonic clock.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0.get() - 1
    }

    /// Nanoseconds since `earlier`, 0 if `earlier` is later.
    #[must_use]
    pub const fn since_ns(self, earlier: Self) -> u64 {
        self.as_ns().saturating_sub(earlier.as_ns())
    }

    /// The moment so much later; the last there is, where that is none.
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Self {
        Self::from_ns(self.as_ns().saturating_add(ns))
    }

    /// Seconds since `earlier`, 0 if `earlier` is later.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "seconds are shown, not compared"
    )]
    pub fn since_seconds(self, earlier: Self) -> f64 {
        self.since_ns(earlier) as f64 / 1e9
    }
}

/// Where the wall clock stands against the monotonic clock; renewed by the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// Unix nanoseconds minus monotonic nanoseconds.
    pub offset_ns: i128,
}

impl WallClock {
    /// Unix time in nanoseconds of a moment, as this clock stands now.
    #[must_use]
    pub const fn unix_ns(self, moment: MonotonicTime) -> i128 {
        moment.as_ns() as i128 + self.offset_ns
    }

    /// RFC 3339 in UTC with milliseconds, for instance `2026-12-29T21:04:05.123Z`.
    #[must_use]
    pub fn rfc3339(self, moment: MonotonicTime) -> String {
        rfc3339(self.unix_ns(moment))
    }
}

#[cfg(test)]
mod tests {
    use super::MonotonicTime;

    #[test]
    fn moments_keep_their_nanoseconds_and_options_cost_nothing() {
        assert_eq!(size_of::<Option<MonotonicTime>>(), size_of::<u64>());
        assert_eq!(MonotonicTime::default().as_ns(), 0);
        assert_eq!(MonotonicTime::from_ns(7).as_ns(), 7);
        assert_eq!(MonotonicTime::from_ns(u64::MAX).as_ns(), u64::MAX - 1);
        assert!(MonotonicTime::from_ns(1) > MonotonicTime::default());
    }
}
