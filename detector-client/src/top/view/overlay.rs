//! What lies over the screen: help, the orders to choose from, the line for a filter.

use super::text::draw_text;
use super::theme;
use super::window::{line_at, window};
use crate::columns::{Column, Row};
use crate::layout::{width_of, wrap};
use crate::top::state::{Overlay, Prompt, State};
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Keys and what they do, and the beginning of a filter; then every column.
const HELP: [(&str, &str); 27] = [
    ("q, ^C", "quit"),
    ("?, h, F1", "this help"),
    ("Enter", "open the peer, the connection or the group"),
    ("Esc", "back; in the table: clear the filter"),
    ("j k, arrows", "move"),
    ("g G", "first and last row"),
    ("PgUp PgDn", "a page up, a page down; ^U ^D: half a page"),
    ("/", "filter; all its terms must match"),
    ("", "  verdict=slow-read-attack pinned>10M"),
    ("", "  net=203.0.113.0/24 unit=httpd"),
    ("", "  = != > >= < <=, and ~ for \"contains\""),
    ("s", "choose what to sort by"),
    ("< >", "sort by the next column to the left, to the right"),
    ("r", "reverse the order"),
    ("Tab", "group by peer, /24 and /48, process, unit"),
    ("Space", "pause or resume refreshing"),
    ("^L", "redraw the screen"),
    ("p", "the past: the recorder's newest second; p again: live"),
    ("T t", "a recorded second back, a second on"),
    ("M m, O o", "a minute, an hour back and on"),
    ("[ ]", "to the incident before, to the next one"),
    ("x", "with --allow-actions: reset what has stalled for 30 s"),
    ("b", "with --allow-actions: block the peer for 10 minutes"),
    ("# !", "critical and warning, from what a peer costs"),
    ("stalled", "data is queued and the peer does not take it"),
    ("pinned", "kernel memory that stalled connections hold"),
    ("", ""),
];

/// Draws what lies over the screen; gives how far it can be scrolled.
pub(super) fn draw(buffer: &mut Buffer, screen: Rect, state: &State) -> Option<usize> {
    match &state.overlay {
        Overlay::None => None,
        Overlay::Prompt(prompt) => {
            draw_prompt(buffer, screen, prompt);
            None
        }
        Overlay::Menu(index) => {
            if state.sorts_connections() {
                draw_menu::<Connection>(buffer, screen, *index);
            } else {
                draw_menu::<PeerRow>(buffer, screen, *index);
            }
            None
        }
        Overlay::Confirmation(confirmation) => {
            super::confirmation::draw(buffer, screen, state, confirmation);
            None
        }
        Overlay::Help(scroll) => Some(draw_help(buffer, screen, *scroll)),
    }
}

fn draw_help(buffer: &mut Buffer, screen: Rect, scroll: usize) -> usize {
    let width = screen.width.min(78);
    let mut lines: Vec<(String, Style)> = HELP
        .iter()
        .map(|(key, what)| (format!("{key:<12} {what}"), Style::new()))
        .collect();
    lines.push((
        "columns; filters and sorting use these names too".to_owned(),
        theme::heading(),
    ));
    for column in PeerRow::COLUMNS {
        let text = format!("{:<14} {}", column.key, column.help);
        lines.push((text, Style::new()));
    }
    let inner = window(buffer, screen, "help", width, lines.len());
    let hidden = lines.len().saturating_sub(usize::from(inner.height));
    let shown = lines.iter().skip(scroll.min(hidden));
    for ((line, style), y) in shown.zip(inner.y..inner.bottom()) {
        draw_text(buffer, line_at(inner, y), line, *style);
    }
    hidden
}

fn draw_menu<R: Row>(buffer: &mut Buffer, screen: Rect, index: usize) {
    let first = (
        "cost",
        "pinned memory, then stalled connections, as the agent ranks",
    );
    let each = |column: &'static Column<R>| (column.key, column.help);
    let choices: Vec<_> = std::iter::once(first)
        .chain(R::COLUMNS.iter().map(each))
        .collect();
    let inner = window(buffer, screen, "sort by", 72, choices.len());
    let height = usize::from(inner.height);
    let offset = index
        .saturating_sub(height / 2)
        .min(choices.len().saturating_sub(height));
    let shown = choices.iter().enumerate().skip(offset);
    for ((row, (key, help)), y) in shown.zip(inner.y..inner.bottom()) {
        let at = line_at(inner, y);
        draw_text(buffer, at, &format!(" {key:<14} {help}"), Style::new());
        if row == index {
            buffer.set_style(at, theme::selected());
        }
    }
}

fn draw_prompt(buffer: &mut Buffer, screen: Rect, prompt: &Prompt) {
    let width = screen.width.min(78);
    let error = prompt.error.as_ref().map(ToString::to_string);
    let told = error.as_deref().unwrap_or(
        "for example: verdict=slow-read-attack pinned>10M net=203.0.113.0/24 unit=httpd",
    );
    let told = wrap(told, usize::from(width.saturating_sub(2)));
    let inner = window(buffer, screen, "filter", width, told.len() + 1);
    draw_typed(buffer, line_at(inner, inner.y), prompt);
    let style = if error.is_some() {
        theme::alarm()
    } else {
        theme::quiet()
    };
    for (line, y) in told.iter().zip(inner.y + 1..inner.bottom()) {
        draw_text(buffer, line_at(inner, y), line, style);
    }
}

/// What was typed, moved to the left so far that the cursor is in sight.
fn draw_typed(buffer: &mut Buffer, area: Rect, prompt: &Prompt) {
    let (before, after) = prompt.halves();
    let before = detector_api::sanitize::text(&before);
    let mut after = detector_api::sanitize::text(&after);
    after.push(' ');
    let room = usize::from(area.width).saturating_sub(3);
    let mut start = 0;
    while width_of(&before[start..]) > room {
        start += before[start..].chars().next().map_or(1, char::len_utf8);
    }
    let (x, y) = buffer.set_stringn(
        area.x,
        area.y,
        &before[start..],
        usize::from(area.width),
        Style::new(),
    );
    let rest = usize::from(area.right().saturating_sub(x));
    buffer.set_stringn(x, y, &after, rest, Style::new());
    if x < area.right() {
        buffer[(x, y)].set_style(theme::selected());
    }
}
