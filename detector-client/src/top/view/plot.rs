//! Bars over time: as one line of a header, or as a plot with an axis.

use super::text::draw_text;
use super::theme::{self, BARS};
use detector_api::units;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

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

/// A plot of bytes over time, the newest at the right.
pub(super) struct Plot<'a> {
    /// What stands above it.
    pub(super) title: &'a str,
    /// The oldest first.
    pub(super) bars: &'a [Bar],
    /// This much is in sight in any case.
    pub(super) at_least: f64,
    /// Of the bars.
    pub(super) style: Style,
}

impl Plot<'_> {
    pub(super) fn draw(&self, buffer: &mut Buffer, area: Rect) {
        if area.height < 2 || area.width <= AXIS + 1 {
            return;
        }
        draw_text(
            buffer,
            Rect { height: 1, ..area },
            self.title,
            theme::quiet(),
        );
        let plot = Rect {
            x: area.x + AXIS,
            y: area.y + 1,
            width: area.width - AXIS,
            height: area.height - 1,
        };
        let tops = self.bars.iter();
        let tops = tops.map(|bar| bar.value.max(bar.line.unwrap_or(0.0)));
        let highest = tops.fold(self.at_least, f64::max);
        draw_axis(buffer, area, plot, highest);
        let cells = usize::from(plot.height);
        let newest_first = self.bars.iter().rev().take(usize::from(plot.width));
        let heights = newest_first.clone().map(|bar| {
            // What is not nothing shows.
            let least = usize::from(bar.value > 0.0);
            eighths(bar.value, highest, cells).max(least) as u64
        });
        Sparkline::default()
            .data(heights)
            .max(cells as u64 * 8)
            .direction(RenderDirection::RightToLeft)
            .style(self.style)
            .render(plot, buffer);
        for (x, bar) in (plot.x..plot.right()).rev().zip(newest_first) {
            let Some(line) = bar.line else { continue };
            let at = eighths(line, highest, cells).div_ceil(8).max(1) - 1;
            let cell = &mut buffer[(x, plot.bottom() - 1 - u16::try_from(at).unwrap_or(0))];
            // Where the bar reaches the line there is no gap to show.
            if cell.symbol() == " " {
                cell.set_char('─').set_style(theme::line());
            }
        }
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
