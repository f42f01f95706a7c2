//! What benches print: tables for people, and the line of a bound, which `all` gathers.

use std::fmt;

use super::median;

/// Aligned columns; the first is words, the others are numbers.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headers: &[&str]) -> Self {
        let headers = headers.iter().map(|&header| header.to_owned()).collect();
        Self {
            rows: vec![headers],
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width_of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(out, "{cell:<width$}")?,
                    _ => write!(out, "  {cell:>width$}")?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The median of some rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    high: f64,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Self {
        Self {
            median: median(values),
            low: values.iter().copied().fold(f64::NAN, f64::min),
            high: values.iter().copied().fold(f64::NAN, f64::max),
        }
    }

    /// `1.58 (1.35–1.78)`, with so many digits.
    pub(super) fn shown(&self, digits: usize) -> String {
        let Self { median, low, high } = self;
        if median.is_nan() {
            return "–".to_owned();
        }
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

/// How the line of a bound begins.
pub(super) const BOUND: &str = "bound | ";

/// Tells whether a bound holds; returns it.
pub(super) fn tell_bound(what: &str, found: &str, limit: &str, is_within: bool) -> bool {
    let word = if is_within { "within" } else { "ABOVE" };
    println!("{BOUND}{what} | {found} | {limit} | {word}");
    is_within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["load", "ns"]);
        table.row(vec!["a".into(), "1000".into()]);
        assert_eq!(table.to_string(), "load    ns\na     1000\n");
    }

    #[test]
    fn the_spread_is_that_of_the_rounds() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!(spread.shown(1), "2.0 (1.0–3.0)");
        assert_eq!(Spread::of(&[]).shown(1), "–");
    }
}
