//! When a line was written, as far as it says.

use detector_api::time::rfc3339;

/// What one or more clocks said. Times of different clocks do not compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// Unix nanoseconds.
    pub(crate) utc_ns: Option<i128>,
    /// As written by a clock whose zone or year is not told, and an order, nanoseconds.
    pub(crate) local: Option<(String, Option<i128>)>,
    /// Microseconds since boot.
    pub(crate) boot_us: Option<u64>,
}

impl Stamps {
    /// What is missing here and told there.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            utc_ns: self.utc_ns.or(other.utc_ns),
            local: self.local.or_else(|| other.local.clone()),
            boot_us: self.boot_us.or(other.boot_us),
        }
    }

    /// Takes what one stamp says; the first of each clock stands.
    pub(super) fn add(&mut self, stamp: Stamp) {
        match stamp {
            Stamp::Utc(ns) => self.utc_ns = self.utc_ns.or(Some(ns)),
            Stamp::Local(text, order) => self.local = self.local.take().or(Some((text, order))),
            Stamp::Boot(us) => self.boot_us = self.boot_us.or(Some(us)),
        }
    }

    /// How the best of them is written.
    pub(crate) fn text(&self) -> Option<(String, crate::Clock)> {
        if let Some(ns) = self.utc_ns {
            return Some((rfc3339(ns), crate::Clock::Utc));
        }
        if let Some((text, _)) = &self.local {
            return Some((detector_api::sanitize::text(text), crate::Clock::Local));
        }
        let us = self.boot_us?;
        Some((
            format!("{}.{:06}", us / 1_000_000, us % 1_000_000),
            crate::Clock::Boot,
        ))
    }
}

/// One stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Utc(i128),
    Local(String, Option<i128>),
    Boot(u64),
}

/// Unix nanoseconds of a number in seconds, milli-, micro- or nanoseconds: by its size.
pub(super) fn unix_ns(number: i128) -> i128 {
    const UNITS_NS: [i128; 3] = [1_000_000_000, 1_000_000, 1_000];
    // Year 5138 in seconds, and the same in smaller units.
    let mut limit = 100_000_000_000;
    for unit in UNITS_NS {
        if number < limit {
            return number * unit;
        }
        limit *= 1_000;
    }
    number
}
