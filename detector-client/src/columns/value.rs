//! The value of one cell: how it reads, how it sorts.

use detector_api::address::endpoint_of;
use detector_api::units;
use ipnet::IpNet;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// The value of one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is none, or it is not known.
    Absent,
    /// Text, sanitized.
    Text(Cow<'a, str>),
    /// Several texts; a filter looks at each.
    Texts(Vec<Cow<'a, str>>),
    /// An address or network, with or without a port.
    Address(&'a str),
    /// A name of a [`Name`](super::Kind::Name) and its place there.
    Name(&'static str, usize),
    /// A name of a [`Level`](super::Kind::Level) and its place there.
    Level(&'static str, usize),
    /// A whole number.
    Count(u64),
    /// Numbers that belong together, the rest zero; they sort and filter by their sum.
    Parts([u64; 3], usize),
    /// Several numbers; a filter looks at each.
    Counts(&'a [u16]),
    /// Bytes.
    Bytes(u64),
    /// Bytes per second.
    Rate(u64),
    /// Seconds.
    Seconds(f64),
    /// A part of a whole, 1 for all of it.
    Share(f64),
    /// Yes or no.
    YesNo(bool),
}

impl Value<'_> {
    /// The number to compare, if it is one.
    #[allow(
        clippy::cast_precision_loss,
        reason = "compared with what people type, and far below 2^53"
    )]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Count(number) | Self::Bytes(number) | Self::Rate(number) => Some(*number as f64),
            Self::Parts(parts, _) => Some(sum(parts) as f64),
            Self::Seconds(number) | Self::Share(number) => Some(*number),
            Self::Name(_, place) | Self::Level(_, place) => Some(*place as f64),
            Self::YesNo(is) => Some(f64::from(u8::from(*is))),
            _ => None,
        }
    }

    /// What rows are sorted by.
    pub(super) fn sort_key(&self) -> SortKey {
        if let Some(number) = self.number() {
            return SortKey::Number(number);
        }
        match self {
            Self::Address(text) => match endpoint_of(text) {
                Some((network, port)) => SortKey::Address(network, port),
                None => SortKey::Text((*text).to_owned()),
            },
            Self::Counts(numbers) => numbers
                .first()
                .map_or(SortKey::Absent, |first| SortKey::Number(f64::from(*first))),
            Self::Absent => SortKey::Absent,
            Self::Texts(texts) if texts.is_empty() => SortKey::Absent,
            other => SortKey::Text(other.to_string()),
        }
    }
}

fn sum(parts: &[u64; 3]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

/// As in a cell.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("-"),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => joined(f, texts, ","),
            Self::Address(text) => f.write_str(text),
            Self::Name(name, _) | Self::Level(name, _) => f.write_str(name),
            Self::Count(number) => write!(f, "{number}"),
            Self::Parts(parts, count) => joined(f, parts.iter().take(*count), "/"),
            Self::Counts(numbers) => joined(f, *numbers, ","),
            Self::Bytes(bytes) => f.write_str(&units::bytes(*bytes)),
            Self::Rate(rate) => f.write_str(&units::pace(*rate)),
            Self::Seconds(seconds) => f.write_str(&units::seconds(*seconds)),
            Self::Share(share) => f.write_str(&units::percent(*share)),
            Self::YesNo(is) => f.write_str(if *is { "yes" } else { "no" }),
        }
    }
}

fn joined<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    separator: &str,
) -> fmt::Result {
    let mut is_first = true;
    for item in items {
        if !is_first {
            f.write_str(separator)?;
        }
        is_first = false;
        write!(f, "{item}")?;
    }
    if is_first { f.write_str("-") } else { Ok(()) }
}

/// What rows are sorted by. What is absent sorts last in either direction.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SortKey {
    Number(f64),
    Address(IpNet, u16),
    Text(String),
    Absent,
}

impl SortKey {
    /// In ascending order, `is_reversed` in descending.
    pub(super) fn compare(&self, other: &Self, is_reversed: bool) -> Ordering {
        let ordering = match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Address(a, a_port), Self::Address(b, b_port)) => {
                a.cmp(b).then(a_port.cmp(b_port))
            }
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => return self.rank().cmp(&other.rank()),
        };
        if is_reversed {
            ordering.reverse()
        } else {
            ordering
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Address(..) => 1,
            Self::Text(_) => 2,
            Self::Absent => 3,
        }
    }
}
