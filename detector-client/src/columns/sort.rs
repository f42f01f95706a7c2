//! The order of rows: by cost, or by one column.

use super::{Column, Order, Row};
use crate::columns::Context;
use detector_api::nearest::nearest;
use std::cmp::Ordering;
use std::fmt;

/// Name of the order by cost.
const COST: &str = "cost";

/// The order of rows. Equal rows stay as they are.
pub struct Sort<R: 'static> {
    /// `None`: by cost, as the agent ranks.
    pub column: Option<&'static Column<R>>,
    /// Against the natural order.
    pub is_reversed: bool,
}

// Derived, they would ask the same of `R`.
impl<R> Clone for Sort<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Sort<R> {}

impl<R> PartialEq for Sort<R> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.is_reversed == other.is_reversed
    }
}

impl<R> Default for Sort<R> {
    fn default() -> Self {
        Self {
            column: None,
            is_reversed: false,
        }
    }
}

/// No column has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortError {
    name: String,
    nearest: Option<&'static str>,
    known: Vec<&'static str>,
}

impl fmt::Display for SortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a column",
            detector_api::sanitize::text(&self.name)
        )?;
        if let Some(nearest) = self.nearest {
            write!(f, ", did you mean `{nearest}`?")?;
        }
        write!(f, " (known are {})", self.known.join(", "))
    }
}

impl std::error::Error for SortError {}

impl<R: Row> Sort<R> {
    /// Reads `KEY` (natural order), `-KEY` (the reverse) or `cost`.
    pub fn parse(text: &str) -> Result<Self, SortError> {
        let (name, is_reversed) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name == COST {
            return Ok(Self {
                column: None,
                is_reversed,
            });
        }
        match R::column(name) {
            Some(column) => Ok(Self {
                column: Some(column),
                is_reversed,
            }),
            None => Err(unknown::<R>(name, &[COST])),
        }
    }

    /// Puts rows in this order.
    pub fn apply(&self, rows: &mut [R], context: &Context) {
        let order = self.order(rows.iter(), context);
        permute(rows, order);
    }

    /// Places of rows in this order.
    pub fn order<'a>(&self, rows: impl Iterator<Item = &'a R>, context: &Context) -> Vec<usize> {
        match self.column {
            None => places(rows.map(R::cost), |a, b| self.direct(by_cost(a, b))),
            Some(column) => {
                let is_descending = (column.order == Order::Descending) != self.is_reversed;
                let keys = rows.map(|row| (column.value)(row, context).sort_key());
                places(keys, |a, b| a.compare(b, is_descending))
            }
        }
    }

    const fn direct(&self, ordering: Ordering) -> Ordering {
        if self.is_reversed {
            ordering.reverse()
        } else {
            ordering
        }
    }
}

impl<R> Sort<R> {
    /// Key of the column, or `cost`.
    pub fn key(&self) -> &'static str {
        self.column.map_or(COST, |column| column.key)
    }
}

impl<R> fmt::Debug for Sort<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sort({self})")
    }
}

/// As [`Sort::parse`] reads it.
impl<R> fmt::Display for Sort<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_reversed { "-" } else { "" };
        write!(f, "{sign}{}", self.key())
    }
}

/// Columns that were asked for, in their order.
pub struct Choice<R: 'static>(pub Vec<&'static Column<R>>);

impl<R: Row> Choice<R> {
    /// Reads names separated by commas.
    pub fn parse(list: &str) -> Result<Self, SortError> {
        let names = list.split(',').map(str::trim);
        let columns: Result<Vec<_>, _> = names
            .filter(|name| !name.is_empty())
            .map(|name| R::column(name).ok_or_else(|| unknown::<R>(name, &[])))
            .collect();
        match columns {
            Ok(columns) if columns.is_empty() => Err(unknown::<R>(list, &[])),
            columns => columns.map(Self),
        }
    }
}

impl<R> Clone for Choice<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> fmt::Debug for Choice<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|column| column.key))
            .finish()
    }
}

fn unknown<R: Row>(name: &str, others: &[&'static str]) -> SortError {
    let keys = R::COLUMNS.iter().map(|column| column.key);
    let known: Vec<_> = others.iter().copied().chain(keys).collect();
    SortError {
        name: name.to_owned(),
        nearest: nearest(name, known.iter().copied()),
        known,
    }
}

fn by_cost(a: &[f64; 3], b: &[f64; 3]) -> Ordering {
    let pairs = a.iter().zip(b);
    pairs
        .map(|(a, b)| b.total_cmp(a))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn places<K>(keys: impl Iterator<Item = K>, compare: impl Fn(&K, &K) -> Ordering) -> Vec<usize> {
    let mut keys: Vec<_> = keys.enumerate().collect();
    keys.sort_by(|(_, a), (_, b)| compare(a, b));
    keys.into_iter().map(|(place, _)| place).collect()
}

/// Moves each row to its place: `from[i]` is where row `i` comes from.
fn permute<R>(rows: &mut [R], mut from: Vec<usize>) {
    for start in 0..rows.len() {
        let mut place = start;
        while from[place] != start {
            let source = from[place];
            rows.swap(place, source);
            from[place] = place;
            place = source;
        }
        from[place] = place;
    }
}
