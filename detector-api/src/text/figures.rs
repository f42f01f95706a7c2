//! Numbers as they stand in a sentence.

use crate::snapshot::Numbers;
use crate::units;

/// Stands for a number that is not known.
pub(super) const UNKNOWN: &str = "?";

/// `1 connection`, `31 connections`.
pub fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The most common thing to count.
pub(super) fn connections(number: u64) -> String {
    counted(number, "connection", "connections")
}

/// `a second`, `2.0 s`.
pub(super) fn span(seconds: f64) -> String {
    if seconds.to_bits() == 1.0_f64.to_bits() {
        return "a second".to_owned();
    }
    units::seconds(seconds)
}

/// What may not be known, in words.
pub(super) fn known<N>(number: Option<N>, words: impl FnOnce(N) -> String) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), words)
}

/// A code of an agent of another version, with its numbers: `stalls-at-noon (stalled 3.0 s)`.
pub(super) fn unknown_code(code: &str, numbers: &Numbers) -> String {
    if numbers.is_empty() {
        return code.to_owned();
    }
    format!("{code} ({})", each_number(numbers).join(", "))
}

/// Each number with its name, in the unit that the name ends in.
pub fn each_number(numbers: &Numbers) -> Vec<String> {
    let each = numbers.iter().map(|(name, number)| {
        let number = number.as_f64().unwrap_or_default();
        format!("{name} {}", units::measure(name, number))
    });
    each.collect()
}
/// `a`, `a and b`, `a, b and c`
#[must_use]
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
