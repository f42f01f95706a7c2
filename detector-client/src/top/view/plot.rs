//! Bars over time: as one line of a header, or as a plot with an axis.

use super::text::draw_text;
use super::theme::{self, BARS};
use detector_api::units;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Cells of the axis to the left of a plot.
const AXIS: u16 = 8;

/// The last values as bars in one line, `width` of them, between 0 and the highest or `at_least`.
pub(super) fn spark<'a>(
    values: impl DoubleEndedIterator<Item = &'a f64>,
    width: usize,
    at_least: f64,
) -> String {
    let mut last: Vec<f64> = values.rev().take(width).copied().collect();
    last.reverse();
    let highest = last.iter().copied().fold(at_least, f64::max);
    let bars: String = last
        .iter()
        .map(|value| {
            // What is not nothing shows.
            let least = usize::from(*value > 0.0);
            BARS[eighths(*value, highest, 1).max(least)]
        })
        .collect();
    format!("{bars:>width$}")
}

/// Eighths of a cell that `value` fills in `cells` cells that stand for `highest`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few cells of eight steps; a float cast saturates"
)]
fn eighths(value: f64, highest: f64, cells: usize) -> usize {
    if highest <= 0.0 {
        return 0;
    }
    let steps = cells * 8;
    ((value / highest * steps as f64).round() as usize).min(steps)
}

/// One column of a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bar {
    /// How high the bar is.
    pub(super) value: f64,
    /// Where the line above it is, if there is one.
    pub(super) line: Option<f64>,
}

/// A plot of bytes over time, the newest at the right, `title` above it, `at_least` in sight.
pub(super) fn draw(
    buffer: &mut Buffer,
    area: Rect,
    title: &str,
    bars: &[Bar],
    at_least: f64,
    bar_style: Style,
) {
    if area.height < 2 || area.width <= AXIS + 1 {
        return;
    }
    draw_text(buffer, Rect { height: 1, ..area }, title, theme::quiet());
    let plot = Rect {
        x: area.x + AXIS,
        y: area.y + 1,
        width: area.width - AXIS,
        height: area.height - 1,
    };
    let tops = bars
        .iter()
        .map(|bar| bar.value.max(bar.line.unwrap_or(0.0)));
    let highest = tops.fold(at_least, f64::max);
    draw_axis(buffer, area, plot, highest);
    let shown = &bars[bars.len().saturating_sub(usize::from(plot.width))..];
    let first = plot.right() - u16::try_from(shown.len()).unwrap_or(plot.width);
    for (x, bar) in (first..).zip(shown) {
        draw_bar(buffer, plot, x, *bar, highest, bar_style);
    }
}

fn draw_axis(buffer: &mut Buffer, area: Rect, plot: Rect, highest: f64) {
    let label = |text: String| format!("{text:>width$}", width = usize::from(AXIS) - 1);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes below 2^53"
    )]
    let top = label(units::bytes(highest as u64));
    buffer.set_stringn(area.x, plot.y, top, usize::from(AXIS), theme::quiet());
    if plot.height > 1 {
        let bottom = plot.bottom() - 1;
        let zero = label("0".to_owned());
        buffer.set_stringn(area.x, bottom, zero, usize::from(AXIS), theme::quiet());
    }
}

fn draw_bar(buffer: &mut Buffer, plot: Rect, x: u16, bar: Bar, highest: f64, style: Style) {
    let cells = usize::from(plot.height);
    let mut filled = eighths(bar.value, highest, cells);
    if bar.value > 0.0 {
        filled = filled.max(1);
    }
    for (cell, y) in (plot.y..plot.bottom()).rev().enumerate() {
        let here = filled.saturating_sub(cell * 8).min(8);
        if here > 0 {
            buffer[(x, y)].set_char(BARS[here]).set_style(style);
        }
    }
    if let Some(line) = bar.line {
        let at = eighths(line, highest, cells).div_ceil(8).max(1) - 1;
        let y = plot.bottom() - 1 - u16::try_from(at).unwrap_or(0);
        let cell = &mut buffer[(x, y)];
        // The bar reaches the line: there is no gap to show.
        if cell.symbol() == " " {
            cell.set_char('─').set_style(theme::line());
        }
    }
}
