//! The right-hand side of a term: read by the kind of its column, held against values.

use super::Operator;
use super::error::Problem;
use crate::columns::{Kind, Value};
use detector_api::address::endpoint_of;
use ipnet::IpNet;

/// The name for a value that is absent.
const NONE: &str = "none";

/// The right-hand side of a term.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    /// A number in the unit of the column.
    Number(f64),
    /// A name of the column, or that there is none.
    Name(Option<&'static str>),
    /// Text; for [`Operator::Contains`] in lower case.
    Text(String),
    /// An address or network, and a port if one was given.
    Network(IpNet, Option<u16>),
}

impl Operand {
    /// Reads the right-hand side for a column of this kind.
    pub(super) fn parse(kind: Kind, operator: Operator, text: &str) -> Result<Self, Problem> {
        if operator == Operator::Contains {
            return match kind {
                Kind::Text | Kind::Address | Kind::Name(_) | Kind::Level(_) => {
                    Ok(Self::Text(text.to_lowercase()))
                }
                _ => Err(wrong("= != > >= < <=")),
            };
        }
        let is_ordering = !matches!(operator, Operator::Equal | Operator::NotEqual);
        match kind {
            Kind::Text | Kind::Address | Kind::Name(_) if is_ordering => Err(wrong("= != ~")),
            Kind::YesNo if is_ordering => Err(wrong("= !=")),
            Kind::Text => Ok(Self::Text(text.to_owned())),
            Kind::Address => address(text),
            Kind::Name(names) => name(text, names, true),
            Kind::Level(names) if is_ordering => level(text, names),
            Kind::Level(names) => name(text, names, false),
            Kind::YesNo => match text {
                "yes" | "true" | "1" => Ok(Self::Number(1.0)),
                "no" | "false" | "0" => Ok(Self::Number(0.0)),
                _ => Err(Problem::not_a(text, "yes or no")),
            },
            Kind::Count => number(text, &[], "a whole number such as 20").and_then(whole(text)),
            Kind::Size => number(text, SIZES, "a size such as 512, 10M, 64MiB or 1.5G"),
            Kind::Rate => {
                let size = text.strip_suffix("/s").unwrap_or(text);
                number(size, SIZES, "a rate such as 500B/s, 10k or 2MiB/s")
            }
            Kind::Duration => duration(text),
            Kind::Share => {
                let percent = text.strip_suffix('%').unwrap_or(text);
                match number(percent, &[], "a percentage such as 5%")? {
                    Self::Number(percent) => Ok(Self::Number(percent / 100.0)),
                    other => Ok(other),
                }
            }
        }
    }

    /// Whether `value operator self` holds.
    pub(super) fn accepts(&self, operator: Operator, value: &Value<'_>) -> bool {
        match operator {
            Operator::NotEqual => !self.is_equal(value),
            Operator::Equal => self.is_equal(value),
            Operator::Contains => self.is_part_of(value),
            _ => match self {
                Self::Number(limit) => compares(operator, value, *limit),
                _ => false,
            },
        }
    }

    fn is_equal(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Number(_) | Self::Text(_) | Self::Network(..), Value::Absent) => false,
            (Self::Number(wanted), Value::Counts(numbers)) => {
                numbers.iter().any(|each| f64::from(*each) == *wanted)
            }
            (Self::Number(wanted), value) => value.number() == Some(*wanted),
            (Self::Name(None), value) => *value == Value::Absent,
            (Self::Name(Some(wanted)), value) => {
                matches!(value, Value::Name(name, _) | Value::Level(name, _) if name == wanted)
            }
            (Self::Text(wanted), Value::Texts(texts)) => {
                texts.iter().any(|text| is_name_of(wanted, text))
            }
            (Self::Text(wanted), Value::Text(text)) => is_name_of(wanted, text),
            (Self::Text(wanted), value) => value.to_string() == *wanted,
            (Self::Network(wanted, port), Value::Address(text)) => {
                endpoint_of(text).is_some_and(|(network, its_port)| {
                    port.is_none_or(|port| port == its_port)
                        && (wanted.contains(&network) || network.contains(wanted))
                })
            }
            (Self::Network(..), _) => false,
        }
    }

    fn is_part_of(&self, value: &Value<'_>) -> bool {
        let Self::Text(part) = self else {
            return false;
        };
        match value {
            Value::Absent => false,
            Value::Texts(texts) => texts.iter().any(|text| text.to_lowercase().contains(part)),
            other => other.to_string().to_lowercase().contains(part),
        }
    }
}

fn compares(operator: Operator, value: &Value<'_>, limit: f64) -> bool {
    let holds = |number: f64| match operator {
        Operator::Above => number > limit,
        Operator::AtLeast => number >= limit,
        Operator::Below => number < limit,
        Operator::AtMost => number <= limit,
        Operator::Equal | Operator::NotEqual | Operator::Contains => false,
    };
    match value {
        Value::Counts(numbers) => numbers.iter().any(|number| holds(f64::from(*number))),
        value => value.number().is_some_and(holds),
    }
}

/// Whether `text` is this name, or the name of a unit with its suffix (`httpd.service`).
fn is_name_of(wanted: &str, text: &str) -> bool {
    const SUFFIXES: [&str; 3] = ["service", "scope", "slice"];
    let rest = text.strip_prefix(wanted);
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('.')
                .is_some_and(|suffix| SUFFIXES.contains(&suffix))
    })
}

const fn wrong(usable: &'static str) -> Problem {
    Problem::WrongOperator { key: "", usable }
}

fn address(text: &str) -> Result<Operand, Problem> {
    let (network, port) = endpoint_of(text).ok_or_else(|| {
        Problem::not_a(
            text,
            "an address or network such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/48 (~ takes \
             a part of the text)",
        )
    })?;
    Ok(Operand::Network(network, (port != 0).then_some(port)))
}

fn name(text: &str, names: &[&'static str], may_be_none: bool) -> Result<Operand, Problem> {
    if may_be_none && matches!(text, NONE | "-") {
        return Ok(Operand::Name(None));
    }
    match find(text, names) {
        Some(place) => Ok(Operand::Name(Some(names[place]))),
        None => {
            let mut known = names.to_vec();
            if may_be_none {
                known.push(NONE);
            }
            Err(Problem::unknown_name(text, known))
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "there are a few levels")]
fn level(text: &str, names: &[&'static str]) -> Result<Operand, Problem> {
    match find(text, names) {
        Some(place) => Ok(Operand::Number(place as f64)),
        None => Err(Problem::unknown_name(text, names.to_vec())),
    }
}

/// `slow_read_attack` and `Slow-Read-Attack` are the same.
fn find(text: &str, names: &[&str]) -> Option<usize> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let wanted = plain(text);
    names.iter().position(|name| plain(name) == wanted)
}

/// Decimal prefixes as the tables show them, binary ones with an `i`.
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

/// A number, with one of these units or none.
fn number(text: &str, units: &[(&str, f64)], expected: &'static str) -> Result<Operand, Problem> {
    let problem = || Problem::not_a(text, expected);
    let (number, unit) = leading_number(text).ok_or_else(problem)?;
    if unit.is_empty() {
        return Ok(Operand::Number(number));
    }
    let unit = unit.to_ascii_lowercase();
    let found = units.iter().find(|(name, _)| *name == unit);
    let (_, factor) = found.ok_or_else(problem)?;
    Ok(Operand::Number(number * factor))
}

fn whole(text: &str) -> impl Fn(Operand) -> Result<Operand, Problem> {
    move |operand| match operand {
        Operand::Number(number) if number.fract() == 0.0 => Ok(operand),
        _ => Err(Problem::not_a(text, "a whole number such as 20")),
    }
}

/// `10m`, `1h30m`, `1.5h`; seconds without a unit.
fn duration(text: &str) -> Result<Operand, Problem> {
    let problem = || Problem::not_a(text, "a duration such as 250ms, 5s, 10m, 1h30m or 2d");
    let mut seconds = 0.0;
    let mut rest = text;
    let mut is_first = true;
    while is_first || !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(problem)?;
        let length = after
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if unit.is_empty() && is_first && after.is_empty() {
            return Ok(Operand::Number(number));
        }
        let found = TIMES.iter().find(|(name, _)| *name == unit);
        seconds += number * found.ok_or_else(problem)?.1;
        rest = after;
        is_first = false;
    }
    Ok(Operand::Number(seconds))
}

/// Digits with an optional fraction, and what follows; no sign, no exponent.
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
