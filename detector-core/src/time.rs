//! Moments: the kernel's monotonic clock for judging, wall-clock only for showing.

use std::fmt;
use std::num::NonZeroU64;

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
///
/// All judging uses this; a step of the wall clock changes no judgement.
///
/// Kept as one more than the nanoseconds, so that `Option<Moment>` needs no more room than a
/// number: tables hold many of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(NonZeroU64);

/// One second in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The start of the monotonic clock.
impl Default for Moment {
    fn default() -> Self {
        Self::from_ns(0)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Moment({} ns)", self.as_ns())
    }
}

impl Moment {
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
        moment.as_ns() as i128 + self.offset_ns
    }

    /// RFC 3339 in UTC with milliseconds, for instance `2026-12-29T21:04:05.123Z`.
    #[must_use]
    pub fn rfc3339(self, moment: Moment) -> String {
        rfc3339(self.unix_ns(moment))
    }
}

/// Formats Unix nanoseconds as RFC 3339 in UTC with milliseconds. Years 1970 to 9999; what lies
/// outside is clamped.
///
/// Written digit by digit: a listing of all peers formats two moments for each.
#[must_use]
pub fn rfc3339(unix_ns: i128) -> String {
    const LAST_MS_OF_9999: i128 = 253_402_300_799_999;
    let clamped = unix_ns.div_euclid(1_000_000).clamp(0, LAST_MS_OF_9999);
    let unix_ms = u64::try_from(clamped).unwrap_or(0);
    let (seconds, milliseconds) = (unix_ms / 1_000, unix_ms % 1_000);
    let (year, month, day) = civil_from_days(seconds / 86_400);
    let second_of_day = seconds % 86_400;
    let mut text = String::with_capacity("1970-01-01T00:00:00.000Z".len());
    push_digits(&mut text, year, 1_000);
    text.push('-');
    push_digits(&mut text, month, 10);
    text.push('-');
    push_digits(&mut text, day, 10);
    text.push('T');
    push_digits(&mut text, second_of_day / 3_600, 10);
    text.push(':');
    push_digits(&mut text, second_of_day / 60 % 60, 10);
    text.push(':');
    push_digits(&mut text, second_of_day % 60, 10);
    text.push('.');
    push_digits(&mut text, milliseconds, 100);
    text.push('Z');
    text
}

/// Appends a number, zero-padded to as many digits as `highest_place` (a power of ten) has.
fn push_digits(text: &mut String, number: u64, highest_place: u64) {
    let mut place = highest_place;
    while place > 0 {
        let digit = u32::try_from(number / place % 10).unwrap_or(0);
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
        place /= 10;
    }
}

/// Proleptic Gregorian date of a day number since 1970-01-01 (days at or after it).
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
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
    use super::{Moment, rfc3339};

    #[test]
    fn known_dates_are_formatted() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000_000_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(
            rfc3339(1_798_578_245_123_000_000),
            "2026-12-29T21:04:05.123Z"
        );
        assert_eq!(rfc3339(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i128::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn moments_keep_their_nanoseconds_and_options_cost_nothing() {
        assert_eq!(size_of::<Option<Moment>>(), size_of::<u64>());
        assert_eq!(Moment::default().as_ns(), 0);
        assert_eq!(Moment::from_ns(7).as_ns(), 7);
        assert_eq!(Moment::from_ns(u64::MAX).as_ns(), u64::MAX - 1);
        assert!(Moment::from_ns(1) > Moment::default());
    }
}
