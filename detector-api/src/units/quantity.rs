//! The one reader of numbers with units: of the configuration, the command line and filters.
//!
//! A number may have a fraction, and has no sign and no exponent. Sizes have decimal prefixes, as tables
//! show them (`10M`), or binary ones with an `i` (`64MiB`).

const SIZES: &[(&str, f64)] = &[
    ("b", 1.0),
    ("k", 1e3),
    ("kb", 1e3),
    ("ki", 1024.0),
    ("kib", 1024.0),
    ("m", 1e6),
    ("mb", 1e6),
    ("mi", 1_048_576.0),
    ("mib", 1_048_576.0),
    ("g", 1e9),
    ("gb", 1e9),
    ("gi", 1_073_741_824.0),
    ("gib", 1_073_741_824.0),
    ("t", 1e12),
    ("tb", 1e12),
    ("ti", 1_099_511_627_776.0),
    ("tib", 1_099_511_627_776.0),
];
const TIMES: &[(&str, f64)] = &[
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];

/// A number without a unit.
#[must_use]
pub fn read_number(text: &str) -> Option<f64> {
    let (number, rest) = leading_number(text)?;
    rest.is_empty().then_some(number)
}

/// Bytes: `512`, `10M`, `64MiB`, `1.5G`; the case of the unit says nothing.
#[must_use]
pub fn read_bytes(text: &str) -> Option<f64> {
    let (number, unit) = leading_number(text)?;
    if unit.is_empty() {
        return Some(number);
    }
    let (_, factor) = SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(number * factor)
}

/// Seconds: `250ms`, `10m`, `1h30m`, `1.5h`, or a number of them without a unit.
#[must_use]
pub fn read_seconds(text: &str) -> Option<f64> {
    if let Some(seconds) = read_number(text) {
        return Some(seconds);
    }
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit)?;
        seconds += number * factor;
        rest = after;
    }
    (!text.is_empty()).then_some(seconds)
}

/// Whether a unit ends it. Where a number could be of anything, one must be written.
pub(super) fn has_unit(text: &str) -> bool {
    text.ends_with(|last: char| last.is_ascii_alphabetic())
}

/// Digits with an optional fraction, and what follows.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    /// More say nothing that a comparison could use.
    const MAX_DIGITS: usize = 40;
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.len() <= MAX_DIGITS
        && !digits.ends_with('.');
    let number = is_number.then(|| digits.parse().ok()).flatten()?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::{read_bytes, read_number, read_seconds};

    #[test]
    fn numbers_are_read_with_their_units() {
        assert_eq!(read_number("1.5"), Some(1.5));
        for (text, bytes) in [
            ("512", 512.0),
            ("10M", 1e7),
            ("10mb", 1e7),
            ("64MiB", 67_108_864.0),
            ("1.5Gi", 1_610_612_736.0),
            ("0.5TB", 5e11),
        ] {
            assert_eq!(read_bytes(text), Some(bytes), "{text}");
        }
        for (text, seconds) in [
            ("2", 2.0),
            ("250ms", 0.25),
            ("1h30m", 5_400.0),
            ("1.5h", 5_400.0),
            ("1d2h3m4s", 93_784.0),
        ] {
            assert_eq!(read_seconds(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_with_a_unit_is_none() {
        for text in [
            "", ".5", "5.", "1.2.3", "-1", "+1", "1e3", "nan", "inf", "5%",
        ] {
            assert_eq!(read_number(text), None, "{text}");
            assert_eq!(read_bytes(text), None, "{text}");
            assert_eq!(read_seconds(text), None, "{text}");
        }
        for text in ["B", "1 B", "1iB", "1MiBs", "1K1", "1M1k"] {
            assert_eq!(read_bytes(text), None, "{text}");
        }
        for text in ["s", "5 s", "5S", "5µs", "1h30", "1hh", "h1"] {
            assert_eq!(read_seconds(text), None, "{text}");
        }
    }
}
