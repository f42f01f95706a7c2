//! A window over the screen, and lines within an area.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget};

/// A frame in the middle of the screen with `lines` lines in it, as far as they fit.
pub(super) fn window(
    buffer: &mut Buffer,
    screen: Rect,
    title: &str,
    width: u16,
    lines: usize,
) -> Rect {
    let width = width.min(screen.width);
    let lines = u16::try_from(lines).unwrap_or(u16::MAX);
    // The last line of the screen shows the keys.
    let height = lines.saturating_add(2).min(screen.height - 1);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - 1 - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    let block = Block::bordered().title(format!(" {title} "));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// The line `y` of the screen, as wide as `area`.
pub(super) const fn line_at(area: Rect, y: u16) -> Rect {
    Rect {
        x: area.x,
        y,
        width: area.width,
        height: 1,
    }
}
