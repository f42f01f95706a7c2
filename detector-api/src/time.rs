//! Points in time as text: RFC 3339 both ways, or a duration ago.

use crate::units;

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

/// Unix nanoseconds of an RFC 3339 time from 1970 to 9999, with `Z` or a numeric offset.
pub fn rfc3339_unix_ns(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| bytes[at] != byte) || !b"Tt ".contains(&bytes[10]) {
        return None;
    }
    let year = number(&text[0..4])?;
    let month = number(&text[5..7])?;
    let day = number(&text[8..10])?;
    let (hour, minute, second) = (
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
    );
    // 60 is a leap second; it counts as the first second of the next minute.
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ns, zone) = split_fraction(&text[19..])?;
    let days = days_since_1970(year, month, day)?;
    let local_seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some((local_seconds - offset_seconds(zone)?) * 1_000_000_000 + fraction_ns)
}

/// Nanoseconds of a leading `.digits`, and the rest.
fn split_fraction(rest: &str) -> Option<(i128, &str)> {
    let Some(fraction) = rest.strip_prefix('.') else {
        return Some((0, rest));
    };
    let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let digits = &fraction[..length.min(9)];
    let scale = 10_i128.pow(9 - u32::try_from(digits.len()).ok()?);
    Some((number(digits)? * scale, &fraction[length..]))
}

fn offset_seconds(zone: &str) -> Option<i128> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &str) -> Option<i128> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, `None` if there is no such date.
fn days_since_1970(year: i128, month: i128, day: i128) -> Option<i128> {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years counted from 1 March 0000, so that a leap day is the last of its year.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let month_index = (month + 9) % 12;
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    Some(shifted_year * 365 + leap_days + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::{parse, rfc3339};

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
        ] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }
}
