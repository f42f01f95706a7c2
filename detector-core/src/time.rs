//! Moments: the kernel's monotonic clock for judging, wall-clock only for showing.

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
///
/// All judging uses this; a step of the wall clock changes no judgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// One second in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;

impl Moment {
    /// The moment at `ns` nanoseconds of the monotonic clock.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds of the monotonic clock.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Nanoseconds since `earlier`, 0 if `earlier` is later.
    #[must_use]
    pub const fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
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
    pub const fn unix_ns(self, moment: Moment) -> i128 {
        moment.0 as i128 + self.offset_ns
    }

    /// RFC 3339 in UTC with milliseconds, for instance `2026-12-29T21:04:05.123Z`.
    #[must_use]
    pub fn rfc3339(self, moment: Moment) -> String {
        rfc3339(self.unix_ns(moment))
    }
}

/// Formats Unix nanoseconds as RFC 3339 in UTC with milliseconds. Years 1970 to 9999; what lies
/// outside is clamped.
#[must_use]
pub fn rfc3339(unix_ns: i128) -> String {
    const LAST_SECOND_OF_9999: i128 = 253_402_300_799;
    let seconds = (unix_ns.div_euclid(1_000_000_000)).clamp(0, LAST_SECOND_OF_9999);
    let milliseconds = unix_ns.rem_euclid(1_000_000_000) / 1_000_000;
    let days = seconds / 86_400;
    let (year, month, day) = civil_from_days(days);
    let second_of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{milliseconds:03}Z",
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    )
}

/// Proleptic Gregorian date of a day number since 1970-01-01 (days at or after it).
const fn civil_from_days(days: i128) -> (i128, i128, i128) {
    // Years counted from 1 March 0000, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn known_dates_are_formatted() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000_000_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(
            rfc3339(1_798_578_245_123_000_000),
            "2026-12-29T21:04:05.123Z"
        );
        assert_eq!(rfc3339(-1), "1970-01-01T00:00:00.999Z");
    }
}
