//! Numbers by name, as they stand in a sentence.

use crate::snapshot::Numbers;
use crate::units;

/// Stands for a number that an agent of another version did not send.
const UNKNOWN: &str = "?";

/// Reads numbers by name.
#[derive(Clone, Copy)]
pub(super) struct Figures<'a>(pub(super) &'a Numbers);

impl Figures<'_> {
    pub(super) fn number(self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Whether the number is there and above zero.
    pub(super) fn has(self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number > 0.0)
    }

    /// The number in the unit that its name ends in.
    pub(super) fn show(self, name: &str) -> String {
        match self.number(name) {
            Some(number) => units::measure(name, number),
            None => UNKNOWN.to_owned(),
        }
    }

    /// `1 connection`, `31 connections`.
    pub(super) fn many(self, name: &str, one: &str, more: &str) -> String {
        match self.number(name) {
            Some(number) => counted(number, one, more),
            None => format!("{UNKNOWN} {more}"),
        }
    }

    /// The most common thing to count.
    pub(super) fn connections(self, name: &str) -> String {
        self.many(name, "connection", "connections")
    }
}

/// `1 connection`, `31 connections`.
#[allow(clippy::float_cmp, reason = "counts are whole numbers")]
pub fn counted(number: f64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1.0 { one } else { more })
}
