//! Rows under headings: peers, groups or connections.

use super::theme;
use crate::columns::{Align, Column, Context, Measure, Row, Sort, fit, truncate_cell, width_of};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Cells between two columns, as [`fit`] reckons.
const GAP: u16 = 2;
/// Cells before the first column, for the mark.
const GUTTER: u16 = 2;

/// What a table shows.
pub(super) struct Table<'a, R: 'static> {
    /// All rows.
    pub(super) rows: &'a [R],
    /// First row shown.
    pub(super) offset: usize,
    /// Row under the cursor; `None` for no cursor.
    pub(super) selected: Option<usize>,
    /// Present order; its column is marked.
    pub(super) sort: Sort<R>,
    /// Whether columns that are shown on request only are wanted.
    pub(super) is_wanted: &'a dyn Fn(&Column<R>) -> bool,
    /// Heading instead of a column's own.
    pub(super) heading: &'a dyn Fn(&Column<R>) -> &'static str,
    /// One character before the row, and how it and the telling cells look.
    pub(super) mark: &'a dyn Fn(&R) -> (&'static str, Style),
    /// Whether a column's cells look as the mark.
    pub(super) is_telling: &'a dyn Fn(&Column<R>) -> bool,
    /// What rows do not know by themselves.
    pub(super) context: Context,
}

/// A column as it is drawn.
struct Shown<R: 'static> {
    column: &'static Column<R>,
    heading: String,
    cells: Vec<String>,
}

impl<R: Row> Table<'_, R> {
    /// Draws headings and as many rows as fit.
    pub(super) fn draw(&self, buffer: &mut Buffer, area: Rect) {
        if area.height == 0 || area.width <= GUTTER {
            return;
        }
        let height = usize::from(area.height - 1);
        let rows = self.rows.iter().skip(self.offset).take(height);
        let rows: Vec<&R> = rows.collect();
        let columns: Vec<Shown<R>> = self.columns(&rows);
        let measures: Vec<Measure> = columns.iter().map(|shown| self.measure(shown)).collect();
        let fitted = fit(&measures, Some(usize::from(area.width - GUTTER)));
        let mut x = area.x + GUTTER;
        for (place, width) in fitted {
            let room = area.right().saturating_sub(x);
            let width = u16::try_from(width).unwrap_or(u16::MAX).min(room);
            if width == 0 {
                break;
            }
            let column = Rect { x, width, ..area };
            self.draw_column(buffer, column, &columns[place], &rows);
            x = x.saturating_add(width + GAP);
        }
        self.draw_marks(buffer, area, &rows);
    }

    fn columns(&self, rows: &[&R]) -> Vec<Shown<R>> {
        let wanted = R::COLUMNS.iter().filter(|column| {
            column.is_default || self.is_sorted_by(column) || (self.is_wanted)(column)
        });
        wanted
            .map(|column| {
                let mut heading = (self.heading)(column).to_owned();
                if self.is_sorted_by(column) {
                    heading.push(if self.sort.is_reversed { '↑' } else { '↓' });
                }
                let cells = rows.iter().map(|row| column.cell(row, &self.context));
                Shown {
                    column,
                    heading,
                    cells: cells.collect(),
                }
            })
            .collect()
    }

    fn is_sorted_by(&self, column: &Column<R>) -> bool {
        self.sort.column.is_some_and(|by| by.key == column.key)
    }

    fn measure(&self, shown: &Shown<R>) -> Measure {
        let widest = shown.cells.iter().map(|cell| width_of(cell)).max();
        let mut measure = Measure::of(shown.column, widest.unwrap_or(0));
        let heading = width_of(&shown.heading);
        measure.content = measure.content.max(heading);
        measure.ideal = measure.ideal.max(heading);
        measure.min = measure.min.max(heading);
        if (self.is_telling)(shown.column) {
            measure.min = measure.ideal;
        }
        if self.is_sorted_by(shown.column) || (self.is_wanted)(shown.column) {
            measure.dispensable = 0;
        }
        measure
    }

    fn draw_column(&self, buffer: &mut Buffer, area: Rect, shown: &Shown<R>, rows: &[&R]) {
        let align = shown.column.align;
        let heading = aligned(&shown.heading, area.width, align);
        let style = if self.is_sorted_by(shown.column) {
            theme::heading().patch(theme::line())
        } else {
            theme::heading()
        };
        put(buffer, area, 0, &heading, style);
        let is_telling = (self.is_telling)(shown.column);
        for (line, (cell, row)) in (1..).zip(shown.cells.iter().zip(rows)) {
            let style = if is_telling {
                (self.mark)(row).1
            } else {
                Style::new()
            };
            put(buffer, area, line, &aligned(cell, area.width, align), style);
        }
    }

    fn draw_marks(&self, buffer: &mut Buffer, area: Rect, rows: &[&R]) {
        for (line, row) in (0..area.height - 1).zip(rows) {
            let (mark, style) = (self.mark)(row);
            put(buffer, area, line + 1, mark, style);
            if self.selected == Some(self.offset + usize::from(line)) {
                let row = Rect {
                    y: area.y + line + 1,
                    height: 1,
                    ..area
                };
                // In its own colours: reversed ones may not be readable.
                buffer.set_style(row, Style::reset().patch(theme::selected()));
            }
        }
    }
}

fn put(buffer: &mut Buffer, area: Rect, line: u16, text: &str, style: Style) {
    let width = usize::from(area.width);
    buffer.set_stringn(area.x, area.y + line, text, width, style);
}

/// The text cut or filled up to `width` cells.
fn aligned(text: &str, width: u16, align: Align) -> String {
    let width = usize::from(width);
    let text = truncate_cell(text, width, theme::ELLIPSIS);
    let filling = " ".repeat(width.saturating_sub(width_of(&text)));
    match align {
        Align::Left => text + &filling,
        Align::Right => filling + &text,
    }
}
