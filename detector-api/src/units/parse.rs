//! Numbers with units, as users write them: `5s`, `256MiB`, `500B/s`, `0.4%`.

use super::quantity::{has_unit, read_bytes, read_seconds};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZE_UNITS: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads numbers with units of time, to whole milliseconds: `250ms`, `5s`, `10m`, `1h30m`, `1.5h`, `7d`.
///
/// # Errors
///
/// What is expected, if `text` is anything else or too large.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    with_unit(text, |text| Some(read_seconds(text)? * 1e3))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is not a duration such as 250ms, 5s, 10m, 1h30m or 7d"))
}

/// Reads a number and a unit of size, to whole bytes: `512B`, `10M`, `64MiB`, `1.5GiB`.
///
/// # Errors
///
/// What is expected, if `text` is anything else or too large.
pub fn parse_size(text: &str) -> Result<u64, String> {
    with_unit(text, read_bytes)
        .ok_or_else(|| format!("`{text}` is no size such as 512B, 10M, 64MiB or 1.5GiB"))
}

/// Reads a size per second: `500B/s`, `2KiB/s`.
///
/// # Errors
///
/// What is expected, if `text` is anything else or too large.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    text.strip_suffix("/s")
        .and_then(|size| with_unit(size, read_bytes))
        .ok_or_else(|| format!("`{text}` is no rate such as 500B/s, 10k/s or 2KiB/s"))
}

/// Reads a percentage with at most two decimals, into hundredths of a percent: `5%`, `0.4%`.
///
/// # Errors
///
/// What is expected, if `text` is anything else or too large.
pub fn parse_part(text: &str) -> Result<u32, String> {
    hundredths(text).ok_or_else(|| format!("`{text}` is no percentage such as 5% or 0.4%"))
}

fn hundredths(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let decimals: u32 = match decimals.len() {
        1 => decimals.parse::<u32>().ok()? * 10,
        2 => decimals.parse().ok()?,
        _ => return None,
    };
    whole
        .parse::<u32>()
        .ok()?
        .checked_mul(100)?
        .checked_add(decimals)
}

/// The nearest whole number to what is read, if a unit is written and it is not too large for that.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number that is read has no sign, and is below what a float tells apart"
)]
fn with_unit(text: &str, read: fn(&str) -> Option<f64>) -> Option<u64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    let number = read(text)?;
    let rounded = number.round();
    // What is above zero and rounds to it is not meant to be none.
    let is_told = rounded > 0.0 || number <= 0.0;
    (has_unit(text) && number <= MOST && is_told).then_some(rounded as u64)
}

fn written(number: u64, units: &[(&str, u64)]) -> String {
    let exact = units
        .iter()
        .rev()
        .find(|(_, factor)| number >= *factor && number.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => format!("0{}", units[0].0),
    }
}

/// A span of time in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A number of bytes per second in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// A part of a whole in the configuration, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part(pub u32);

impl Part {
    /// 1 for all of it.
    #[must_use]
    pub fn as_ratio(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl Span {
    /// Nanoseconds, at most what fits.
    #[must_use]
    pub fn as_ns(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        f.write_str(&written(milliseconds, &DURATION_UNITS))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0, &SIZE_UNITS))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", written(self.0, &SIZE_UNITS))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / 100, self.0 % 100);
        match (decimals, decimals % 10) {
            (0, _) => write!(f, "{whole}%"),
            (_, 0) => write!(f, "{whole}.{}%", decimals / 10),
            _ => write!(f, "{whole}.{decimals:02}%"),
        }
    }
}

struct Text<T> {
    expected: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            expected: "a duration such as \"5s\"",
            parse: |text| parse_duration(text).map(Self),
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            expected: "a size such as \"256MiB\"",
            parse: |text| parse_size(text).map(Self),
        })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            expected: "a rate such as \"500B/s\"",
            parse: |text| parse_rate(text).map(Self),
        })
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            expected: "a percentage such as \"5%\"",
            parse: |text| parse_part(text).map(Self),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Rate, Size, Span, parse_duration, parse_part, parse_rate, parse_size};
    use std::time::Duration;

    #[test]
    fn units_are_read() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("1.005s"), Ok(Duration::from_millis(1_005)));
        assert!(parse_duration("0.4ms").is_err() && parse_size("0.4B").is_err());
        assert_eq!(parse_size("256MiB"), Ok(256 << 20));
        assert_eq!(parse_size("10M"), Ok(10_000_000));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_rate("500B/s"), Ok(500));
        assert_eq!(parse_rate("1.5k/s"), Ok(1_500));
        assert_eq!(parse_part("5%"), Ok(500));
        assert_eq!(parse_part("0.4%"), Ok(40));
        assert_eq!(parse_part("12.05%"), Ok(1_205));
    }

    #[test]
    fn what_is_no_number_with_a_unit_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5 s",
            "5S",
            "1h30",
            "99999999999999999999s",
            "5µs",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["1", "1.5", "1M1", "1Mbit", "18446744073709551615KiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        for text in ["500", "500B", "500/s", "B/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        for text in [
            "5",
            "%",
            "-1%",
            "+1%",
            "1.%",
            ".5%",
            "1.005%",
            "5 %",
            "1.+5%",
            "99999999%",
        ] {
            assert!(parse_part(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for seconds in [0, 1, 59, 60, 3600, 86_400, 90_061] {
            let span = Span(Duration::from_secs(seconds));
            assert_eq!(parse_duration(&span.to_string()), Ok(span.0));
        }
        for bytes in [0, 1, 1023, 1024, 64 << 20, (1 << 30) + 1] {
            assert_eq!(parse_size(&Size(bytes).to_string()), Ok(bytes));
            assert_eq!(parse_rate(&Rate(bytes).to_string()), Ok(bytes));
        }
        for hundredths in [0, 1, 40, 99, 100, 505, 10_000] {
            assert_eq!(parse_part(&Part(hundredths).to_string()), Ok(hundredths));
        }
    }
}
