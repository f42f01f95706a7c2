//! Rows under headings: peers, groups or connections.

use super::theme;
use crate::columns::{Column, Context, Grouping, Row, Sort};
use crate::layout::{GAP, aligned};
use crate::table::{Chosen, Table};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Cells before the first column, for the mark.
const GUTTER: u16 = 2;

/// What is shown of some rows.
pub(super) struct Listing<'a, R: 'static> {
    /// All rows.
    pub(super) rows: &'a [R],
    /// What they were put together by.
    pub(super) grouping: Grouping,
    /// First row shown.
    pub(super) offset: usize,
    /// Row under the cursor; `None` for no cursor.
    pub(super) selected: Option<usize>,
    /// Present order; its column is marked.
    pub(super) sort: Sort<R>,
    /// What rows do not know by themselves.
    pub(super) context: Context,
    /// The only columns of which something is known; all unless they are given.
    pub(super) known: Option<&'static [&'static str]>,
}

impl<R: Row> Listing<'_, R> {
    /// Draws headings and as many rows as fit.
    pub(super) fn draw(&self, buffer: &mut Buffer, area: Rect) {
        if area.height == 0 || area.width <= GUTTER {
            return;
        }
        let rows = self.rows.get(self.offset..).unwrap_or_default();
        let rows = &rows[..rows.len().min(usize::from(area.height - 1))];
        let is_sorted_by =
            |column: &Column<R>| self.sort.column.is_some_and(|by| by.key == column.key);
        let is_of_hosts = |column: &Column<R>| {
            column.key == "hosts" && self.known.is_some_and(|known| known.contains(&"hosts"))
        };
        let mut chosen = Chosen::of(self.grouping, |column| {
            is_sorted_by(column) || (is_of_hosts(column) && self.grouping == Grouping::Peer)
        });
        if let Some(known) = self.known {
            chosen.retain(|each| known.contains(&each.column.key));
        }
        if let Some(sorted) = chosen.iter_mut().find(|each| is_sorted_by(each.column)) {
            let arrow = if self.sort.is_reversed { '↑' } else { '↓' };
            sorted.heading.push(arrow);
        }
        let table = Table::of_rows(&chosen, rows, &self.context);
        draw_cells(buffer, area, &table);
        for (row, y) in rows.iter().zip(area.y + 1..) {
            let tone = row.tone();
            buffer.set_string(area.x, y, theme::mark(tone), theme::style(tone));
        }
        let selected = self.selected.and_then(|row| row.checked_sub(self.offset));
        if let Some(row) = selected.filter(|row| *row < rows.len()) {
            let y = area.y + 1 + u16::try_from(row).unwrap_or(u16::MAX);
            // In its own colours: reversed ones may not be readable.
            let style = Style::reset().patch(theme::selected());
            buffer.set_style(
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                style,
            );
        }
    }
}

/// The columns that fit, behind the gutter. Their widths are known, so ratatui's own table would
/// solve its constraints for nothing, at each frame.
fn draw_cells(buffer: &mut Buffer, area: Rect, table: &Table) {
    let mut x = area.x + GUTTER;
    for (strip, width) in table.fitted(Some(usize::from(area.width - GUTTER))) {
        let room = usize::from(area.right().saturating_sub(x));
        let width = width.min(room);
        let mut put = |y: u16, text: &str, style: Style| {
            let text = aligned(text, width, strip.align, theme::ELLIPSIS);
            buffer.set_stringn(x, y, text, width, style);
        };
        if width == 0 {
            break;
        }
        put(area.y, &strip.heading, theme::heading());
        for (cell, y) in strip.cells.iter().zip(area.y + 1..) {
            put(y, &cell.text, theme::style(cell.tone));
        }
        x = x.saturating_add(u16::try_from(width + GAP).unwrap_or(u16::MAX));
    }
}
