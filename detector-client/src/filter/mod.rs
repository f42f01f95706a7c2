//! Filter expressions: `verdict=slow-read-attack pinned>10M net=203.0.113.0/24 unit=httpd`.
//!
//! In: text as a user typed it, rows. Out: which rows are wanted, or what is wrong with the text
//! and where. Never: I/O.
//!
//! Our own: the kind of a column decides how its value is read, which a parser library does not know,
//! and cutting the text into terms is a hundred lines.
//!
//! Terms `key op value` joined by spaces must all hold. Keys are those of the columns. A value with
//! spaces stands in double quotes, `\` before a quote or backslash in it.

mod error;
mod operand;
mod scan;

pub use error::FilterError;

use crate::columns::{Column, Context, Row};
use error::Problem;
use operand::Operand;
use std::fmt;

/// Bytes of an expression.
const MAX_BYTES: usize = 4_096;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`; of several values one is enough.
    Equal,
    /// `!=`; none of several values.
    NotEqual,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `~`: the text contains it, in whatever case.
    Contains,
}

impl Operator {
    /// Those of two characters first, as they are looked for.
    const ALL: [Self; 7] = [
        Self::NotEqual,
        Self::AtLeast,
        Self::AtMost,
        Self::Equal,
        Self::Above,
        Self::Below,
        Self::Contains,
    ];

    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::Contains => "~",
        }
    }
}

/// One condition.
struct Term<R: 'static> {
    column: &'static Column<R>,
    operator: Operator,
    /// As it was typed, without quotes.
    text: String,
    operand: Operand,
}

/// Conditions that must all hold; none wants every row.
pub struct Filter<R: 'static> {
    terms: Vec<Term<R>>,
}

impl<R: Row> Filter<R> {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_BYTES {
            return Err(Problem::TooLong.at(0, text));
        }
        let mut terms = Vec::new();
        for raw in scan::terms(text)? {
            let whole = &text[raw.start..raw.end];
            let column = R::column(raw.key).ok_or_else(|| {
                let keys = R::COLUMNS.iter().map(|column| column.key);
                Problem::unknown_key(raw.key, keys).at(raw.start, whole)
            })?;
            let operand = Operand::parse(column.kind, raw.operator, &raw.value)
                .map_err(|problem| problem.of_key(column.key).at(raw.start, whole))?;
            terms.push(Term {
                column,
                operator: raw.operator,
                text: raw.value,
                operand,
            });
        }
        Ok(Self { terms })
    }

    /// Whether all conditions hold for a row.
    pub fn wants(&self, row: &R, context: &Context) -> bool {
        self.terms.iter().all(|term| {
            let value = (term.column.value)(row, context);
            term.operand.accepts(term.operator, &value)
        })
    }
}

impl<R> Filter<R> {
    /// Whether a condition is about this column.
    pub fn uses(&self, key: &str) -> bool {
        self.terms.iter().any(|term| term.column.key == key)
    }

    /// Whether it has no conditions.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

impl<R> Default for Filter<R> {
    fn default() -> Self {
        Self { terms: Vec::new() }
    }
}

impl<R> Clone for Filter<R> {
    fn clone(&self) -> Self {
        let copy = |term: &Term<R>| Term {
            column: term.column,
            operator: term.operator,
            text: term.text.clone(),
            operand: term.operand.clone(),
        };
        Self {
            terms: self.terms.iter().map(copy).collect(),
        }
    }
}

/// Same conditions in the same order.
impl<R> PartialEq for Filter<R> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Term<R>, &Term<R>)| {
            a.column.key == b.column.key && a.operator == b.operator && a.operand == b.operand
        };
        self.terms.len() == other.terms.len() && self.terms.iter().zip(&other.terms).all(same)
    }
}

/// As [`Filter::parse`] reads it.
impl<R> fmt::Display for Filter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            let (key, sign) = (term.column.key, term.operator.sign());
            write!(f, "{gap}{key}{sign}{}", scan::quoted(&term.text))?;
        }
        Ok(())
    }
}

impl<R> fmt::Debug for Filter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

#[cfg(test)]
mod tests;
