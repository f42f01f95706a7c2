//! The right-hand side of a term: read by the kind of its column, held against values.

use super::Operator;
use super::error::Problem;
use crate::columns::{Kind, Value};
use detector_api::address::endpoint_of;
use detector_api::units::{read_bytes, read_number, read_seconds};
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
            Kind::Count => {
                let whole = read_number(text).filter(|number| number.fract() == 0.0);
                number(text, whole, "a whole number such as 20")
            }
            Kind::Size => number(
                text,
                read_bytes(text),
                "a size such as 512, 10M, 64MiB or 1.5G",
            ),
            Kind::Rate => {
                let size = text.strip_suffix("/s").unwrap_or(text);
                number(
                    size,
                    read_bytes(size),
                    "a rate such as 500B/s, 10k or 2MiB/s",
                )
            }
            Kind::Duration => number(
                text,
                read_seconds(text),
                "a duration such as 250ms, 5s, 10m, 1h30m or 2d",
            ),
            Kind::Share => {
                let percent = text.strip_suffix('%').unwrap_or(text);
                let share = read_number(percent).map(|percent| percent / 100.0);
                number(percent, share, "a percentage such as 5%")
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

/// A number as it was read.
fn number(text: &str, read: Option<f64>, expected: &'static str) -> Result<Operand, Problem> {
    read.map(Operand::Number)
        .ok_or_else(|| Problem::not_a(text, expected))
}
