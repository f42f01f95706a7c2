//! Draws the state. Pure: a state in, a frame out.
//!
//! All text in the state was sanitized where it came in, but for reasons why something failed: they are here.
//! All is cut to its cell.

mod confirmation;
mod connection;
mod evidence;
mod header;
mod overlay;
mod past;
mod peer;
mod peers;
mod plot;
mod table;
mod text;
mod theme;
mod window;

use super::state::{Link, Location, Overlay, State};
use crate::layout::width_of;
use crate::terminal::Capabilities;
use detector_api::sanitize;
use ratatui::Frame;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use text::{Part, draw_parts, draw_text};

/// Below this nothing useful can be shown.
const LEAST: (u16, u16) = (20, 5);

/// Draws everything; gives how far what is open can be scrolled down.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State, terminal: Capabilities) -> usize {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let scrolls = draw_buffer(buffer, area, state);
    theme::adapt(buffer, terminal);
    scrolls
}

/// The table with all its rows as text of lines of at most `width` cells, without keys.
pub(crate) fn page(state: &State, width: usize) -> String {
    let width = u16::try_from(width).unwrap_or(u16::MAX).max(LEAST.0);
    let lines = u16::try_from(state.table.rows.len()).unwrap_or(u16::MAX);
    // A buffer has at most 2^16 lines and, of these, far fewer cells than it may have.
    let screen = Rect::new(0, 0, width, lines.saturating_add(header::LINES + 3));
    let mut buffer = Buffer::empty(screen);
    let mut area = screen;
    header::draw(&mut buffer, &mut area, state);
    draw_banner(&mut buffer, text::take_line(&mut area), state);
    peers::draw(&mut buffer, area, state, false);
    let mut text = String::new();
    for line in buffer.content.chunks(usize::from(width)) {
        text += line_of(line).trim_end();
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// Text of the cells of a line; the cell behind a wide character has none.
fn line_of(cells: &[Cell]) -> String {
    let mut line = String::new();
    let mut covered = 0;
    for cell in cells {
        if covered > 0 {
            covered -= 1;
            continue;
        }
        covered = width_of(cell.symbol()).saturating_sub(1);
        line.push_str(cell.symbol());
    }
    line
}

fn draw_buffer(buffer: &mut Buffer, screen: Rect, state: &State) -> usize {
    if screen.width < LEAST.0 || screen.height < LEAST.1 {
        draw_text(buffer, screen, "too small", Style::new());
        return 0;
    }
    let mut area = screen;
    area.height -= 1;
    let footer = Rect {
        y: screen.bottom() - 1,
        height: 1,
        ..screen
    };
    header::draw(buffer, &mut area, state);
    if state.location == Location::Table || has_banner(state) {
        draw_banner(buffer, text::take_line(&mut area), state);
    }
    let scrolls = match &state.location {
        Location::Table => {
            peers::draw(buffer, area, state, true);
            0
        }
        Location::Peer(name) => {
            peer::draw(buffer, area, state, name);
            0
        }
        Location::Connection(..) => connection::draw(buffer, area, state),
    };
    draw_keys(buffer, footer, state);
    overlay::draw(buffer, screen, state).unwrap_or(scrolls)
}

/// Whether there is something to say whatever is open.
fn has_banner(state: &State) -> bool {
    state.note.is_some()
        || state.past.shown.is_some()
        || matches!(state.link, Link::Lost { .. })
        || state.facts.unready_reason.is_some()
}

/// What is shown in which order, or what is wrong.
fn draw_banner(buffer: &mut Buffer, area: Rect, state: &State) {
    if let Some(note) = &state.note {
        return draw_text(buffer, area, &sanitize::text(note), theme::caution());
    }
    if let Link::Lost { since, why } = &state.link {
        let time = header::time_of_day(since.unix_ns);
        let text = format!("no answer since {time} UTC: {}", sanitize::text(why));
        let left = vec![Part::new(0, text, theme::alarm())];
        let right = vec![Part::new(1, "retrying", theme::quiet())];
        return draw_parts(buffer, area, left, right);
    }
    if let Some(reason) = &state.facts.unready_reason {
        let text = format!("the agent is not ready: {}", sanitize::text(reason));
        return draw_text(buffer, area, &text, theme::alarm());
    }
    if let Some(text) = past::banner(state) {
        return draw_text(buffer, area, &text, theme::caution());
    }
    if state.location == Location::Table {
        let (left, right) = peers::summary(state);
        draw_parts(buffer, area, left, right);
    }
}

/// Keys of what can be done, where that is allowed.
const ACTION_KEYS: [KeyHint; 2] = [(1, "x", "reset"), (1, "b", "block")];

/// A key, what it does, and how soon it gives way where there is no room.
type KeyHint = (u8, &'static str, &'static str);

/// The keys that matter here.
fn draw_keys(buffer: &mut Buffer, area: Rect, state: &State) {
    let pause = if state.refresh.is_paused {
        "resume"
    } else {
        "pause"
    };
    let keys: &[KeyHint] = match (&state.overlay, &state.location) {
        (Overlay::Prompt(_), _) => &[
            (0, "Enter", "apply"),
            (0, "Esc", "cancel"),
            (1, "^U", "clear"),
        ],
        (Overlay::Confirmation(_), _) => &[(0, "yes Enter", "do it"), (0, "Esc", "cancel")],
        (Overlay::Menu(_), _) => &[
            (0, "Enter", "sort"),
            (1, "r", "reverse"),
            (0, "Esc", "close"),
        ],
        (Overlay::Help(_), _) => &[(0, "jk", "scroll"), (0, "Esc", "close")],
        (Overlay::None, location) if state.past.shown.is_some() => past::keys(location),
        (Overlay::None, Location::Table) => &[
            (0, "?", "help"),
            (1, "Enter", "open"),
            (1, "/", "filter"),
            (2, "s", "sort"),
            (3, "r", "reverse"),
            (2, "Tab", "group"),
            (3, "Space", pause),
            (4, "p", "past"),
            (0, "q", "quit"),
        ],
        (Overlay::None, Location::Peer(_)) => &[
            (0, "?", "help"),
            (1, "Enter", "connection"),
            (0, "Esc", "back"),
            (2, "s", "sort"),
            (3, "r", "reverse"),
            (3, "Space", pause),
            (0, "q", "quit"),
        ],
        (Overlay::None, Location::Connection(..)) => &[
            (0, "?", "help"),
            (0, "Esc", "back"),
            (2, "jk", "scroll"),
            (3, "Space", pause),
            (0, "q", "quit"),
        ],
    };
    let acts = state.actions.are_allowed
        && state.past.shown.is_none()
        && matches!(state.overlay, Overlay::None);
    let actions: &[KeyHint] = if acts { &ACTION_KEYS } else { &[] };
    let (last, first) = keys
        .split_last()
        .map_or((keys, keys), |(_, first)| (&keys[first.len()..], first));
    let parts = first
        .iter()
        .chain(actions)
        .chain(last)
        .map(|(rank, key, what)| {
            Part::new(*rank, *key, theme::heading()).and(format!(" {what}"), theme::quiet())
        });
    draw_parts(buffer, area, parts.collect(), Vec::new());
}

#[cfg(test)]
mod tests;
