//! Dates, in the forms in which they are written before messages.

use super::stamp::{Stamp, unix_ns};
use detector_api::time::rfc3339_unix_ns;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Zones that are told by name, and do not tell what they are.
const ZONES: [&str; 20] = [
    "UTC", "GMT", "CET", "CEST", "WET", "WEST", "EET", "EEST", "BST", "IST", "MSK", "JST", "EST",
    "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT",
];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A date with a time from the front of `text`, and what follows it.
pub(super) fn date(text: &str) -> Option<(Stamp, &str)> {
    let start = WEEKDAYS.iter().find_map(|day| text.strip_prefix(day));
    let body = start.map_or(text, |rest| rest.trim_start_matches(',').trim_start());
    iso(body)
        .or_else(|| iso(without_word(body)?))
        .or_else(|| month_first(body, text))
        .or_else(|| month_of_others(body))
        .or_else(|| year_first(body))
        .or_else(|| day_first(body))
        .or_else(|| slashes(body))
        .or_else(|| compact(body))
        .or_else(|| epoch(body))
        .or_else(|| tai64(body))
        .or_else(|| clock_alone(body))
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
pub(super) fn clock(text: &str) -> Option<(&str, &str)> {
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
        let hours = || {
            let hours = digits.get(..2)?;
            let is_alone = digits
                .get(2..)
                .is_none_or(|rest| rest.is_empty() || rest.starts_with(' '));
            let are_digits = hours.bytes().all(|byte| byte.is_ascii_digit());
            (is_alone && are_digits).then(|| (format!("{sign}{hours}:00"), 2))
        };
        numbers(2, 2).map(|zone| (zone, 4)).or_else(hours)
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
    for name in ZONES {
        if let Some(after) = rest
            .strip_prefix(' ')
            .and_then(|rest| rest.strip_prefix(name))
            && after.starts_with(' ')
        {
            rest = after;
        }
    }
    let written = text[..text.len() - rest.len()].to_owned();
    let order = order(
        year.unwrap_or(0),
        u32::try_from(month).unwrap_or(0),
        day,
        clock,
    );
    Some((Stamp::Local(written, Some(order)), rest))
}

/// What follows a weekday in another language: `Do 2026-10-08`, `jeu. 2026-10-08`, `木 2026-10-08`.
fn without_word(text: &str) -> Option<&str> {
    Some(word(text)?.trim_start_matches(['.', ',']).trim_start())
}

/// What follows a word that can be short for a day or a month in some language.
fn word(text: &str) -> Option<&str> {
    const LONGEST: usize = 6;
    let end = text.find(|c: char| !c.is_alphabetic())?;
    (1..=LONGEST)
        .contains(&text[..end].chars().count())
        .then(|| &text[end..])
}

/// `Okt 08 10:11:12`, `févr. 01 10:11:12`, `3月 04 10:11:12`: which month it is, another language says.
fn month_of_others(text: &str) -> Option<(Stamp, &str)> {
    let of_number = || number(text, 2)?.1.strip_prefix('月');
    let rest = word(text).or_else(of_number)?;
    // Or a log begins within an English one.
    let name = &text[..text.len() - rest.len()];
    if MONTHS.iter().any(|month| month.ends_with(name)) {
        return None;
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest).strip_prefix(' ')?;
    let (_, rest) = number(rest.trim_start(), 2)?;
    let (_, rest) = clock(rest.strip_prefix(' ')?)?;
    let written = text[..text.len() - rest.len()].to_owned();
    rest.starts_with(' ')
        .then_some((Stamp::Local(written, None), rest))
}

/// Puts days and times of the same form in order, nanoseconds.
fn order(year: u32, month: u32, day: u32, clock: &str) -> i128 {
    let mut parts = clock.split([':', '.', ',']);
    let mut part = || {
        parts
            .next()
            .and_then(|part| part.parse::<i128>().ok())
            .unwrap_or(0)
    };
    let seconds = part() * 3600 + part() * 60 + part();
    let fraction = clock
        .split_once(['.', ','])
        .map_or("", |(_, fraction)| fraction);
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let fraction = format!("{fraction:0<9}").parse::<i128>().unwrap_or(0);
    let days = (i128::from(year) * 12 + i128::from(month)) * 31 + i128::from(day);
    (days * 86_400 + seconds) * 1_000_000_000 + fraction
}

/// `2013 Mar  4 10:11:12`.
fn year_first(text: &str) -> Option<(Stamp, &str)> {
    let (_, rest) = number(text, 4).filter(|(year, _)| *year > 1000)?;
    let rest = rest.strip_prefix(' ')?;
    month_first(rest, text)
}

/// `04 Mar 2013 10:11:12`, `04-Mar-2013 10:11:12`, `04.03.2013 10:11:12`. With slashes it is a web
/// server's, whose lines quote strangers.
fn day_first(text: &str) -> Option<(Stamp, &str)> {
    let (day, rest) = number(text, 2)?;
    let rest = rest.strip_prefix([' ', '-', '.'])?;
    let (month, rest) = match MONTHS.iter().position(|month| rest.starts_with(month)) {
        Some(month) => (u32::try_from(month).ok()? + 1, rest.get(3..)?),
        None => number(rest, 2)?,
    };
    let (year, rest) = number(rest.strip_prefix([' ', '-', '.'])?, 4)?;
    let rest = rest.strip_prefix(',').unwrap_or(rest);
    let (clock, rest) = clock(rest.strip_prefix([' ', '\t', 'T'])?)?;
    if let (Some(zone), after) = zone(rest) {
        let ns = rfc3339_unix_ns(&format!("{year:04}-{month:02}-{day:02}T{clock}{zone}"))?;
        return Some((Stamp::Utc(ns), after));
    }
    let written = text[..text.len() - rest.len()].to_owned();
    (year > 1000).then(|| {
        (
            Stamp::Local(written, Some(order(year, month, day, clock))),
            rest,
        )
    })
}

/// `10/8/26 8:40:05.000 AM`: which part is the day is not told; in the order of time it is taken for the
/// second.
fn slashes(text: &str) -> Option<(Stamp, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '/')?;
    let is_day = text[..end].matches('/').count() == 2 && text[..end].len() >= 6;
    let rest = text[end..].trim_start_matches([' ', ',', ':']);
    let clock_end = rest
        .find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
        .unwrap_or(rest.len());
    let clock = &rest[..clock_end];
    if !is_day || clock.matches(':').count() != 2 {
        return None;
    }
    let mut numbers = text[..end]
        .split('/')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || numbers.next().unwrap_or(0).min(9999);
    let (month, day, year) = (part(), part(), part());
    let mut order = order(year, month, day, clock);
    let mut rest = &rest[clock_end..];
    if let Some(after) = rest
        .strip_prefix(" AM")
        .or_else(|| rest.strip_prefix(" PM"))
    {
        // Half a day; twelve is nought.
        let halves = i128::from(rest.starts_with(" PM")) - i128::from(clock.starts_with("12:"));
        order += halves * 43_200 * 1_000_000_000;
        rest = after;
    }
    let written = text[..text.len() - rest.len()].to_owned();
    Some((Stamp::Local(written, Some(order)), rest))
}

/// `20130304 10:11:12`, `20130304T101112Z`.
fn compact(text: &str) -> Option<(Stamp, &str)> {
    let (day, rest) = digits(text, 8)?;
    let rest = rest.strip_prefix(['T', ' ', '-', '_'])?;
    let (clock, rest) = match clock(rest) {
        Some((clock, rest)) => (clock.to_owned(), rest),
        None => {
            let (clock, rest) = digits(rest, 6)?;
            (
                format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..]),
                rest,
            )
        }
    };
    let day = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
    let written = &text[..text.len() - rest.len()];
    let (zone, after) = zone(rest);
    let ns = rfc3339_unix_ns(&format!("{day}T{clock}{}", zone.as_deref().unwrap_or("Z")))?;
    Some(match zone {
        Some(_) => (Stamp::Utc(ns), after),
        None => (Stamp::Local(written.to_owned(), Some(ns)), rest),
    })
}

/// `@400000005f5714ac37545434` of multilog and svlogd.
fn tai64(text: &str) -> Option<(Stamp, &str)> {
    const START: i128 = (1 << 62) + 10;
    let (label, rest) = text.strip_prefix('@')?.split_at_checked(24)?;
    let part = |from: usize, to: usize| i128::from_str_radix(label.get(from..to)?, 16).ok();
    let (seconds, ns) = (part(0, 16)? - START, part(16, 24)?);
    (seconds > 0 && seconds < 1 << 40).then_some((Stamp::Utc(seconds * 1_000_000_000 + ns), rest))
}

/// `10:11:12`, the day not told.
fn clock_alone(text: &str) -> Option<(Stamp, &str)> {
    let (clock, rest) = clock(text)?;
    let stamp = Stamp::Local(clock.to_owned(), Some(order(0, 0, 0, clock)));
    rest.starts_with([' ', '\t', ',']).then_some((stamp, rest))
}

/// Unix time: seconds with a fraction, or whole milli-, micro- or nanoseconds. What would be beyond this century is a
/// number of something else.
fn epoch(text: &str) -> Option<(Stamp, &str)> {
    const LAST_NS: i128 = 4_102_444_800 * 1_000_000_000;
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
    let is_time = ns < LAST_NS && !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    is_time.then_some((Stamp::Utc(ns), rest))
}

fn number(text: &str, most_digits: usize) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > most_digits {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    Some((digits.parse().ok()?, rest))
}

/// Exactly so many digits.
fn digits(text: &str, count: usize) -> Option<(&str, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some((digits, rest))
}
