//! What is wrong with an expression, and where.

use detector_api::nearest::nearest;
use detector_api::sanitize;
use std::fmt;

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Byte in the expression where the offending term begins.
    pub start: usize,
    /// The offending term, sanitized.
    pub term: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The expression is too long to be meant.
    TooLong,
    /// It begins with something that is no key.
    NoKey,
    /// No operator follows the key.
    NoOperator,
    /// No value follows the operator.
    NoValue,
    /// A quote is not closed.
    NoClosingQuote,
    /// No column has this key.
    UnknownKey {
        /// As it was typed.
        key: String,
        /// The known key that may have been meant.
        nearest: Option<&'static str>,
        /// All keys.
        known: Vec<&'static str>,
    },
    /// The column has no such value.
    UnknownName {
        /// Key of the column.
        key: &'static str,
        /// As it was typed.
        name: String,
        /// The known name that may have been meant.
        nearest: Option<&'static str>,
        /// All names.
        known: Vec<&'static str>,
    },
    /// The value cannot be read.
    NotA {
        /// As it was typed.
        value: String,
        /// What was expected, with examples.
        expected: &'static str,
    },
    /// The operator makes no sense for the column.
    WrongOperator {
        /// Key of the column.
        key: &'static str,
        /// Those that do.
        usable: &'static str,
    },
}

impl Problem {
    pub(super) fn at(self, start: usize, term: &str) -> FilterError {
        /// Longer ones would fill the screen.
        const SHOWN: usize = 60;
        FilterError {
            start,
            term: sanitize::text(&term.chars().take(SHOWN).collect::<String>()),
            problem: self,
        }
    }

    pub(super) fn unknown_key(key: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let known: Vec<_> = known.collect();
        Self::UnknownKey {
            key: sanitize::text(key),
            nearest: nearest(key, known.iter().copied()),
            known,
        }
    }

    pub(super) fn unknown_name(name: &str, known: Vec<&'static str>) -> Self {
        Self::UnknownName {
            key: "",
            name: sanitize::text(name),
            nearest: nearest(name, known.iter().copied()),
            known,
        }
    }

    pub(super) fn not_a(value: &str, expected: &'static str) -> Self {
        Self::NotA {
            value: sanitize::text(value),
            expected,
        }
    }

    /// The same, about this column.
    pub(super) fn of_key(mut self, of: &'static str) -> Self {
        if let Self::UnknownName { key, .. } | Self::WrongOperator { key, .. } = &mut self {
            *key = of;
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {} bytes", super::MAX_BYTES),
            Self::NoKey => f.write_str("a term begins with a key, as in `pinned>10M`"),
            Self::NoOperator => {
                f.write_str("after the key comes one of = != > >= < <= ~, as in `pinned>10M`")
            }
            Self::NoValue => f.write_str("after the operator comes a value, as in `pinned>10M`"),
            Self::NoClosingQuote => f.write_str("the quote is not closed"),
            Self::UnknownKey {
                key,
                nearest,
                known,
            } => {
                write!(f, "unknown key `{key}`")?;
                choices(f, *nearest, known, "keys")
            }
            Self::UnknownName {
                key,
                name,
                nearest,
                known,
            } => {
                write!(f, "`{key}` is never `{name}`")?;
                choices(f, *nearest, known, "values")
            }
            Self::NotA { value, expected } => write!(f, "`{value}` is not {expected}"),
            Self::WrongOperator { key, usable } => {
                write!(f, "`{key}` can only be compared with {usable}")
            }
        }
    }
}

fn choices(
    f: &mut fmt::Formatter<'_>,
    nearest: Option<&str>,
    known: &[&str],
    what: &str,
) -> fmt::Result {
    if let Some(nearest) = nearest {
        write!(f, ", did you mean `{nearest}`?")?;
    }
    write!(f, " ({what}: {})", known.join(", "))
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in `{}`: {}", self.term, self.problem)
    }
}

impl std::error::Error for FilterError {}
