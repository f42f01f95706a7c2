//! Lines put together from parts, the least important left out where they do not fit.

use super::theme;
use crate::layout::truncate;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Cells between two parts.
const GAP: &str = "  ";

/// A part of a line.
pub(super) struct Part {
    /// Parts with higher numbers are left out first.
    rank: u8,
    spans: Vec<Span<'static>>,
}

impl Part {
    /// Just this.
    pub(super) fn new(rank: u8, text: impl Into<String>, style: Style) -> Self {
        Self {
            rank,
            spans: vec![Span::styled(text.into(), style)],
        }
    }

    /// `label value`.
    pub(super) fn labelled(rank: u8, label: &'static str, value: impl Into<String>) -> Self {
        Self::new(rank, format!("{label} "), theme::quiet()).and(value, Style::new())
    }

    /// The same with more behind it.
    pub(super) fn and(mut self, text: impl Into<String>, style: Style) -> Self {
        self.spans.push(Span::styled(text.into(), style));
        self
    }

    fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }
}

/// Draws as many parts as fit: `left` from the left, `right` at the right end.
pub(super) fn draw_parts(
    buffer: &mut Buffer,
    area: Rect,
    mut left: Vec<Part>,
    mut right: Vec<Part>,
) {
    let room = usize::from(area.width);
    while width_of(&left) + width_of(&right) + GAP.len() > room {
        let highest = left.iter().chain(&right).map(|part| part.rank).max();
        let Some(highest) = highest.filter(|rank| *rank > 0) else {
            break;
        };
        let is_left_out = |part: &Part| part.rank == highest;
        // The last of those that matter least goes.
        if let Some(place) = right.iter().rposition(is_left_out) {
            right.remove(place);
        } else if let Some(place) = left.iter().rposition(is_left_out) {
            left.remove(place);
        }
    }
    let right_width = u16::try_from(width_of(&right)).unwrap_or(u16::MAX);
    let start = area.right().saturating_sub(right_width).max(area.x);
    let left_room = if right.is_empty() {
        area.width
    } else {
        start.saturating_sub(area.x)
    };
    buffer.set_line(area.x, area.y, &joined(left), left_room);
    buffer.set_line(start, area.y, &joined(right), area.right() - start);
}

fn width_of(parts: &[Part]) -> usize {
    let gaps = GAP.len() * parts.len().saturating_sub(1);
    parts.iter().map(Part::width).sum::<usize>() + gaps
}

fn joined(parts: Vec<Part>) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            spans.push(Span::raw(GAP));
        }
        spans.extend(part.spans);
    }
    Line::from(spans)
}

/// Draws one line of text, cut where it does not fit.
pub(super) fn draw_text(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let text = truncate(text, usize::from(area.width), theme::ELLIPSIS);
    buffer.set_stringn(area.x, area.y, text, usize::from(area.width), style);
}

/// The first line of an area, which loses it.
pub(super) fn take_line(area: &mut Rect) -> Rect {
    take_lines(area, 1)
}

/// The first lines of an area, which loses them.
pub(super) fn take_lines(area: &mut Rect, lines: u16) -> Rect {
    let lines = lines.min(area.height);
    let taken = Rect {
        height: lines,
        ..*area
    };
    area.y += lines;
    area.height -= lines;
    taken
}

/// A number with thousands set apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
