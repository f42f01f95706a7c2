//! What an action would do, exactly, and the line in which it is confirmed.

use super::text::draw_text;
use super::theme;
use super::window::{line_at, window};
use crate::layout::wrap;
use crate::top::state::{ActionResult, Confirmation, State};
use detector_api::actions::{BlockAnswer, ResetAnswer, ResetOutcome, ResetSocket};
use detector_api::text::owner;
use detector_api::units;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Lines that are no socket: the frame, the keys, the line to type in.
const OTHER_LINES: usize = 6;

pub(super) fn draw(buffer: &mut Buffer, screen: Rect, state: &State, confirmation: &Confirmation) {
    let width = screen.width.min(100);
    let room = usize::from(width.saturating_sub(2));
    let rehearsal = &confirmation.rehearsal;
    let mut lines: Vec<(String, Style)> = Vec::new();
    let mut say = |text: &str, style: Style| {
        lines.extend(wrap(text, room).into_iter().map(|line| (line, style)));
    };
    say(&rehearsal.summary(), theme::heading());
    for text in consequences(rehearsal, state.own_agent.is_some()) {
        say(&text, Style::new());
    }
    let title = match rehearsal {
        ActionResult::Reset(answer) => {
            let used = lines.len() + OTHER_LINES;
            let free = usize::from(screen.height).saturating_sub(used);
            let sockets = sockets(answer, free.max(1));
            lines.extend(sockets.into_iter().map(|line| (line, theme::quiet())));
            "reset"
        }
        ActionResult::Block(_) => "block",
    };
    let (ask, style) = if confirmation.is_misread {
        (
            "not done: type the word yes, then Enter; Esc cancels",
            theme::caution(),
        )
    } else {
        ("type yes, then Enter, to do it; Esc cancels", Style::new())
    };
    lines.push((ask.to_owned(), style));
    let inner = window(buffer, screen, title, width, lines.len() + 1);
    // The question stays in sight, whatever has to go.
    let hidden = (lines.len() + 1).saturating_sub(usize::from(inner.height));
    let first = lines.iter().take(1);
    let rest = lines.iter().skip(1 + hidden);
    let mut y = inner.y;
    for (line, style) in first.chain(rest) {
        if y + 1 >= inner.bottom() {
            break;
        }
        draw_text(buffer, line_at(inner, y), line, *style);
        y += 1;
    }
    let typed = detector_api::sanitize::text(&confirmation.typed);
    let (x, y) = buffer.set_stringn(
        inner.x,
        y,
        format!("> {typed}"),
        usize::from(inner.width),
        theme::heading(),
    );
    if x < inner.right() && y < inner.bottom() {
        buffer[(x, y)].set_style(theme::selected());
    }
}

fn consequences(rehearsal: &ActionResult, is_own_agent: bool) -> Vec<String> {
    match rehearsal {
        ActionResult::Reset(_) => {
            vec!["each peer gets a reset, each owner an error on its socket".to_owned()]
        }
        ActionResult::Block(BlockAnswer { network, .. }) => {
            let ends = if is_own_agent {
                "it ends by itself, or when this view is closed".to_owned()
            } else {
                format!("it ends by itself, with `detector unblock {network}`, or with the agent")
            };
            let holds = "what its connections hold stays held until they are reset or time out";
            vec![ends, holds.to_owned()]
        }
    }
}

/// A line for each socket, as many as fit: first those that go, the most costly first.
fn sockets(answer: &ResetAnswer, room: usize) -> Vec<String> {
    let mut sockets: Vec<&ResetSocket> = answer.sockets.iter().collect();
    sockets.sort_by_key(|socket| socket.outcome != ResetOutcome::WouldReset);
    let shown = if sockets.len() > room {
        room.saturating_sub(1)
    } else {
        sockets.len()
    };
    let (shown, rest) = sockets.split_at(shown);
    let widest = shown.iter().map(|socket| socket.remote.len()).max();
    let line = |socket: &&ResetSocket| {
        let what = match socket.outcome {
            ResetOutcome::WouldReset => owner(&socket.processes),
            other => format!("stays: {}", other.label()),
        };
        format!(
            "{:<width$} {:>7} {:>6}  {what}  {}",
            socket.remote,
            units::seconds(socket.stalled_seconds),
            units::bytes(socket.pinned_bytes),
            socket.local,
            width = widest.unwrap_or(0),
        )
    };
    let mut lines: Vec<String> = shown.iter().map(line).collect();
    if !rest.is_empty() {
        lines.push(format!(
            "and {} more; the peer's page lists them all",
            rest.len()
        ));
    }
    lines
}
