//! When a line was written, as far as it says.

use detector_api::time::{rfc3339, rfc3339_unix_ns};

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

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A date with a time from the front of `text`, and what follows it.
pub(super) fn date(text: &str) -> Option<(Stamp, &str)> {
    let start = WEEKDAYS.iter().find_map(|day| text.strip_prefix(day));
    let body = start.map_or(text, |rest| rest.trim_start_matches(',').trim_start());
    iso(body)
        .or_else(|| month_first(body, text))
        .or_else(|| year_first(body))
        .or_else(|| slashes(body))
        .or_else(|| epoch(body))
}

/// `2026-10-08T08:40:00.123456+00:00`, with a blank, a comma, no colon, no zone, or its name.
fn iso(text: &str) -> Option<(Stamp, &str)> {
    let day = text.get(..10)?;
    let is_day = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-' || byte == b'/',
        _ => byte.is_ascii_digit(),
    });
    let rest = text.get(10..)?.strip_prefix(['T', ' ', 't', '_'])?;
    let (clock, rest) = clock(rest).filter(|_| is_day)?;
    let written = &text[..text.len() - rest.len()];
    let (zone, after) = zone(rest);
    let day = day.replace('/', "-");
    let zone = match zone {
        Some(zone) => zone,
        None => {
            let order = rfc3339_unix_ns(&format!("{day}T{}Z", clock.replace(',', ".")));
            return Some((
                Stamp::Local(written.to_owned(), order),
                without_zone_name(rest),
            ));
        }
    };
    let ns = rfc3339_unix_ns(&format!("{day}T{}{zone}", clock.replace(',', ".")))?;
    Some((Stamp::Utc(ns), after))
}

/// `CEST` and its like are told, but not what they mean.
fn without_zone_name(text: &str) -> &str {
    let Some((word, rest)) = text.strip_prefix(' ').and_then(|text| text.split_once(' ')) else {
        return text;
    };
    let is_name =
        (2..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_name { rest } else { text }
}

/// `08:40:00`, with or without a fraction.
fn clock(text: &str) -> Option<(&str, &str)> {
    let bytes = text.get(..8)?.as_bytes();
    let is_clock = bytes.iter().enumerate().all(|(at, byte)| match at {
        2 | 5 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !is_clock {
        return None;
    }
    let mut end = 8;
    if let Some(fraction) = text[8..].strip_prefix(['.', ',']) {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            end += 1 + digits;
        }
    }
    Some(text.split_at(end))
}

/// `Z`, ` UTC`, `+00:00`, `+0000`, in RFC 3339's form.
fn zone(text: &str) -> (Option<String>, &str) {
    for name in ["Z", "z", " UTC", " GMT", " Z"] {
        if let Some(rest) = text.strip_prefix(name)
            && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return (Some("Z".to_owned()), rest);
        }
    }
    let Some(sign) = text
        .trim_start_matches(' ')
        .get(..1)
        .filter(|sign| ["+", "-"].contains(sign))
    else {
        return (None, text);
    };
    let digits = &text.trim_start_matches(' ')[1..];
    let numbers = |hours: usize, minutes: usize| {
        let numbers = [digits.get(..hours)?, digits.get(minutes..minutes + 2)?];
        let are_digits = numbers
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        are_digits.then(|| format!("{sign}{}:{}", numbers[0], numbers[1]))
    };
    let found = if digits.get(2..3) == Some(":") {
        numbers(2, 3).map(|zone| (zone, 5))
    } else {
        numbers(2, 2).map(|zone| (zone, 4))
    };
    match found {
        Some((zone, length)) => (Some(zone), &digits[length..]),
        None => (None, text),
    }
}

/// `Mar  4 10:11:12`, `Mar 4 2013 10:11:12`, `Mon Mar  4 10:11:12 2013`, `Oct 8, 2026 @ 08:40:05.000`.
fn month_first<'a>(body: &'a str, text: &'a str) -> Option<(Stamp, &'a str)> {
    let month = MONTHS.iter().position(|month| body.starts_with(month))?;
    let rest = body[3..].strip_prefix(' ')?.trim_start();
    let (day, rest) = number(rest, 2)?;
    let mut rest = rest.trim_start_matches(',').strip_prefix(' ')?.trim_start();
    let mut year = None;
    if let Some((number, after)) = number(rest, 4).filter(|(number, _)| *number > 1000) {
        year = Some(number);
        rest = after.trim_start_matches([' ', '@', ',']);
    }
    let (clock, mut rest) = clock(rest)?;
    if year.is_none()
        && let Some((number, after)) = rest.strip_prefix(' ').and_then(|rest| number(rest, 4))
        && number > 1000
        && !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':')
    {
        year = Some(number);
        rest = after;
    }
    let written = text[..text.len() - rest.len()].to_owned();
    let part = |at: usize| {
        clock
            .get(at..at + 2)
            .and_then(|part| part.parse::<i128>().ok())
            .unwrap_or(0)
    };
    let seconds = part(0) * 3600 + part(3) * 60 + part(6);
    let fraction = clock
        .get(8..)
        .and_then(|text| text.get(1..10))
        .or(clock.get(9..))
        .unwrap_or("");
    let fraction = format!("{fraction:0<9}").parse::<i128>().unwrap_or(0);
    let month = i128::try_from(month).unwrap_or(0);
    let days = (i128::from(year.unwrap_or(0)) * 12 + month) * 31 + i128::from(day);
    let order = (days * 86_400 + seconds) * 1_000_000_000 + fraction;
    Some((Stamp::Local(written, Some(order)), rest))
}

/// `2013 Mar  4 10:11:12`.
fn year_first(text: &str) -> Option<(Stamp, &str)> {
    let (_, rest) = number(text, 4).filter(|(year, _)| *year > 1000)?;
    let rest = rest.strip_prefix(' ')?;
    month_first(rest, text)
}

/// `10/8/26 8:40:05.000 AM`: which part is the day is not told.
fn slashes(text: &str) -> Option<(Stamp, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '/')?;
    let is_day = text[..end].matches('/').count() == 2 && text[..end].len() >= 6;
    let rest = text[end..].trim_start_matches([' ', ',', ':']);
    let clock_end = rest
        .find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
        .unwrap_or(rest.len());
    if !is_day || rest[..clock_end].matches(':').count() != 2 {
        return None;
    }
    let rest = &rest[clock_end..];
    let rest = rest
        .strip_prefix(" AM")
        .or_else(|| rest.strip_prefix(" PM"))
        .unwrap_or(rest);
    Some((
        Stamp::Local(text[..text.len() - rest.len()].to_owned(), None),
        rest,
    ))
}

/// Unix time: seconds with a fraction, or whole milli-, micro- or nanoseconds.
fn epoch(text: &str) -> Option<(Stamp, &str)> {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(10..=19).contains(&whole) {
        return None;
    }
    let (digits, rest) = text.split_at(whole);
    let mut ns = unix_ns(digits.parse().ok()?);
    let mut rest = rest;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let shown = &fraction[..length.min(9)];
        ns += format!("{shown:0<9}").parse::<i128>().unwrap_or(0);
        rest = &fraction[length..];
    }
    (!rest.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((Stamp::Utc(ns), rest))
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
    // `+0.000003` and `< 0.000003>` are since the line before.
    if is_writer || content.starts_with('+') || content.starts_with('<') && content.ends_with('>') {
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

fn number(text: &str, most_digits: usize) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > most_digits {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    Some((digits.parse().ok()?, rest))
}
