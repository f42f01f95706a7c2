//! When a line was written, as far as it says.

use super::date::{clock, date};
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

/// What stands in square brackets before a message: seconds since boot in several forms, a date, or
/// who wrote it (`T123`, `C0`). `None`: something else.
pub(super) fn bracket(content: &str) -> Option<Option<Stamp>> {
    let content = content.trim();
    let is_writer = content.strip_prefix(['T', 'C']).is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    // Who asked for debug messages; `+0.000003` and `< 0.000003>` are since the line before.
    let is_task = content.len() <= 7
        && !content.is_empty()
        && content.bytes().all(|byte| byte.is_ascii_digit());
    if is_writer
        || is_task
        || content.starts_with('+')
        || content.starts_with('<') && content.ends_with('>')
    {
        return Some(None);
    }
    let first = content.split_whitespace().next()?;
    if let Some((seconds, fraction)) = first.split_once('.')
        && !seconds.is_empty()
        && seconds.len() < 12
        && fraction.len() <= 9
        && [seconds, fraction]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let us = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction))
            .parse()
            .unwrap_or(0);
        let seconds: u64 = seconds.parse().ok()?;
        return Some(Some(Stamp::Boot(seconds * 1_000_000 + us)));
    }
    if let Some((stamp, rest)) = date(content)
        && rest.trim().len() < 8
    {
        return Some(Some(stamp));
    }
    // A date in another language, or without seconds, as `dmesg --human` has it.
    let is_clock = |word: &str| {
        clock(word).is_some() || (word.len() == 5 && clock(&format!("{word}:00")).is_some())
    };
    let has_clock = content.split_whitespace().any(is_clock);
    has_clock.then(|| Some(Stamp::Local(content.to_owned(), None)))
}
