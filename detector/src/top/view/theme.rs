//! Colours and glyphs.
//!
//! Only the sixteen colours of the terminal, never a background: what is readable in the user's
//! own colours stays so. Nothing is told by colour alone. Views draw with everything; what a
//! terminal cannot show is taken out at the end, in one place.

use detector_core::snapshot::Severity;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether colours are wanted.
    pub(crate) has_colours: bool,
    /// Whether it shows more than ASCII.
    pub(crate) has_unicode: bool,
}

/// Heights of a bar, from nothing to all.
pub(super) const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Where something was cut.
pub(super) const ELLIPSIS: char = '…';

/// Labels and whatever is not what one looks for.
pub(super) fn quiet() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Headings.
pub(super) fn heading() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// The row under the cursor.
pub(super) fn selected() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// What must not be overlooked.
pub(super) fn alarm() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// What deserves a look.
pub(super) fn caution() -> Style {
    Style::new().fg(Color::Magenta)
}

/// Lines of a plot.
pub(super) fn line() -> Style {
    Style::new().fg(Color::Cyan)
}

/// What matters this much.
pub(super) fn severity(severity: Severity) -> Style {
    match severity {
        Severity::Info => Style::new(),
        Severity::Warning => caution(),
        Severity::Critical => alarm(),
    }
}

/// The same without colours.
pub(super) const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => " ",
        Severity::Warning => "!",
        Severity::Critical => "#",
    }
}

/// Takes out what the terminal cannot show.
pub(super) fn adapt(buffer: &mut Buffer, look: Look) {
    for cell in &mut buffer.content {
        if !look.has_colours {
            cell.fg = Color::Reset;
            cell.bg = Color::Reset;
        }
        if !look.has_unicode && !cell.symbol().is_ascii() {
            let plain = plain(cell.symbol());
            cell.set_char(plain);
        }
    }
}

/// What stands for a character on a terminal that has ASCII only.
fn plain(symbol: &str) -> char {
    match symbol.chars().next() {
        Some('─' | '–' | '·') => '-',
        Some('│') => '|',
        Some('┌' | '┐' | '└' | '┘' | '├' | '┤' | '┼') => '+',
        Some('…') => '~',
        Some('↑') => '^',
        Some('↓') => 'v',
        Some('▁' | '▂') => '_',
        Some('▃' | '▄') => '-',
        Some('▅' | '▆') => '=',
        Some('▇' | '█') => '#',
        _ => '?',
    }
}
