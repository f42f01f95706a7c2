//! Points in time as text: RFC 3339 both ways, or a duration ago.

use crate::units;
use std::num::NonZero;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, UtcDateTime};

/// `2026-12-29T21:04:05.123Z`: always as long, so that the order of texts is the order of times.
const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZero::new(3),
    })
    .encode();

/// Formats Unix nanoseconds as RFC 3339 in UTC with milliseconds. Years 1970 to 9999; what lies
/// outside is clamped.
#[must_use]
pub fn rfc3339(unix_ns: i128) -> String {
    const LAST_NS_OF_9999: i128 = 253_402_300_799_999_999_999;
    UtcDateTime::from_unix_timestamp_nanos(unix_ns.clamp(0, LAST_NS_OF_9999))
        .unwrap_or(UtcDateTime::UNIX_EPOCH)
        .format(&Iso8601::<MILLISECONDS>)
        .unwrap_or_default()
}

/// Unix nanoseconds of `text`: RFC 3339, or a duration before `now_unix_ns` (`10m`).
pub fn parse(text: &str, now_unix_ns: i128) -> Result<i128, String> {
    if let Ok(ago) = units::parse_duration(text) {
        let ago_ns = i128::try_from(ago.as_nanos()).unwrap_or(i128::MAX);
        return Ok(now_unix_ns.saturating_sub(ago_ns).max(0));
    }
    rfc3339_unix_ns(text).ok_or_else(|| {
        format!("`{text}` is neither RFC 3339 (2026-12-29T21:04:05Z) nor a duration (10m)")
    })
}

/// Unix nanoseconds of an RFC 3339 time from 1970 to 9999, with `Z` or a numeric offset. A leap
/// second is the last nanosecond before it.
#[must_use]
pub fn rfc3339_unix_ns(text: &str) -> Option<i128> {
    // The library takes whatever stands between date and time.
    if !b"Tt ".contains(text.as_bytes().get(10)?) {
        return None;
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    (time.year() >= 1970).then(|| time.unix_timestamp_nanos())
}

/// `2026-12-29` of an RFC 3339 time; nothing of what is none.
#[must_use]
pub fn day(rfc3339: &str) -> &str {
    rfc3339.get(..10).unwrap_or_default()
}

/// `21:04:05` of an RFC 3339 time; what is none is shown as it is.
#[must_use]
pub fn clock(rfc3339: &str) -> &str {
    rfc3339.get(11..19).unwrap_or(rfc3339)
}

/// `21:04:05` of an RFC 3339 time of this day, `2026-12-29 21:04:05` of one of another day; what is none is shown as
/// it is.
#[must_use]
pub fn clock_on(rfc3339: &str, today: &str) -> String {
    match day(rfc3339) {
        of if of.is_empty() || of == today => clock(rfc3339).to_owned(),
        of => format!("{of} {}", clock(rfc3339)),
    }
}

/// `2026-12-29 21:04:05 UTC` of an RFC 3339 time in UTC; what is none is shown as it is.
#[must_use]
pub fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => rfc3339.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{clock, clock_on, day, moment, parse, rfc3339};

    #[test]
    fn a_time_has_a_day_and_a_clock() {
        let time = "2026-12-29T21:04:05.123Z";
        assert_eq!((day(time), clock(time)), ("2026-12-29", "21:04:05"));
        assert_eq!(moment(time), "2026-12-29 21:04:05 UTC");
        assert_eq!(clock_on(time, "2026-12-29"), "21:04:05");
        assert_eq!(clock_on(time, "2026-12-30"), "2026-12-29 21:04:05");
        for strange in ["", "soon", "2026-1é"] {
            assert_eq!((day(strange), clock(strange)), ("", strange));
            assert_eq!(clock_on(strange, "2026-12-29"), strange);
            assert_eq!(moment(strange), strange);
        }
    }

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
    fn what_the_agent_writes_is_read_back() {
        for seconds in (0..253_402_300_800_i128).step_by(9_876_543) {
            let unix_ns = seconds * 1_000_000_000 + 123_000_000;
            assert_eq!(parse(&rfc3339(unix_ns), 0), Ok(unix_ns));
        }
    }

    #[test]
    fn offsets_and_fractions_are_honoured() {
        let utc = parse("2026-12-29T21:04:05.5Z", 0);
        assert!(utc.is_ok());
        assert_eq!(parse("2026-12-29T22:04:05.500000+01:00", 0), utc);
        assert_eq!(parse("2026-12-29 16:34:05.5-04:30", 0), utc);
    }

    #[test]
    fn a_leap_second_is_read_where_there_can_be_one() {
        let last = parse("2016-12-31T23:59:59.999999999Z", 0);
        assert!(last.is_ok());
        assert_eq!(parse("2016-12-31T23:59:60Z", 0), last);
        assert_eq!(parse("2017-01-01T00:59:60+01:00", 0), last);
        assert!(parse("2016-12-30T23:59:60Z", 0).is_err());
    }

    #[test]
    fn a_duration_is_a_time_ago() {
        assert_eq!(parse("10m", 601_000_000_000), Ok(1_000_000_000));
        assert_eq!(parse("1h", 5), Ok(0));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "now",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Ü",
            "+026-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01_00:00:00Z",
        ] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }
}
