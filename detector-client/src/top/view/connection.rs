//! The page of one connection: its numbers, its timeline, the flags that were raised on it.

use super::evidence;
use super::plot::{Bar, Plot};
use super::text::{draw_text, take_line, take_lines};
use super::theme;
use crate::layout::{GAP, truncate_cell, width_of, wrap};
use crate::top::state::{Sample, State};
use detector_api::page::PeerPage;
use detector_api::snapshot::{Connection, Event, Process};
use detector_api::text;
use detector_api::units;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Cells of a column of facts.
const COLUMN: usize = 39;
/// Lines of the timeline on a screen of common height.
const TIMELINE: u16 = 8;

/// `httpd.service: apache2[1234] thread 1240`
pub(super) fn owner_of(process: &Process) -> String {
    let mut text = String::new();
    if let Some(unit) = &process.unit {
        text += &format!("{unit}: ");
    }
    text += &format!("{}[{}]", process.comm, process.pid);
    if let Some(thread) = process.thread.filter(|thread| *thread != process.pid) {
        text += &format!(" thread {thread}");
    }
    text
}

/// Draws the page of the connection that is open; gives how far it can be scrolled.
pub(super) fn draw(buffer: &mut Buffer, mut area: Rect, state: &State) -> usize {
    let (Some(page), Some(connection)) = (&state.opened.page, state.connection()) else {
        let text = "the connection is gone; Esc goes back";
        draw_text(buffer, area, text, theme::heading());
        return 0;
    };
    let title = format!("{} from {}", connection.remote, connection.local);
    let height = usize::from(area.height);
    for line in wrap(&title, usize::from(area.width)).iter().take(height) {
        draw_text(buffer, take_line(&mut area), line, theme::heading());
    }
    let timeline = timeline_height(area.height);
    let samples = state.opened.timelines.of(connection);
    let room = area.height - timeline;
    let text = take_lines(&mut area, room);
    draw_timeline(buffer, area, connection, &samples);
    let lines = lines(connection, page, text.width);
    let hidden = lines.len().saturating_sub(usize::from(text.height));
    let shown = lines.iter().skip(state.opened.scroll.min(hidden));
    for ((line, style), y) in shown.zip(text.y..text.bottom()) {
        let at = Rect {
            y,
            height: 1,
            ..text
        };
        draw_text(buffer, at, line, *style);
    }
    hidden
}

const fn timeline_height(room: u16) -> u16 {
    match room {
        0..12 => 0,
        12..20 => 5,
        20..30 => TIMELINE,
        room => room / 3,
    }
}

/// Window and edge above, queue below, over time.
#[allow(clippy::cast_precision_loss, reason = "drawn in eighths of a cell")]
pub(super) fn draw_timeline(
    buffer: &mut Buffer,
    mut area: Rect,
    connection: &Connection,
    samples: &[Sample],
) {
    let half = area.height.div_ceil(2);
    let window = take_lines(&mut area, half);
    let span = samples.first().zip(samples.last());
    let span = span.map_or(0.0, |(first, last)| last.at_seconds - first.at_seconds);
    let legend = format!("  window █  highest edge ─  last {}", units::seconds(span));
    let room = usize::from(area.width).saturating_sub(width_of(&legend));
    let title = truncate_cell(&connection.remote, room, theme::ELLIPSIS) + &legend;
    let bars: Vec<Bar> = samples
        .iter()
        .map(|sample| Bar {
            value: sample.window_bytes as f64,
            line: Some(sample.window_bytes.saturating_add(sample.retracted_bytes) as f64),
        })
        .collect();
    // The largest window ever offered is the measure, so that none at all shows as none.
    let windows = Plot {
        title: &title,
        bars: &bars,
        at_least: connection.max_window_bytes as f64,
        style: Style::new(),
    };
    windows.draw(buffer, window);
    let queued: Vec<Bar> = samples
        .iter()
        .map(|sample| Bar {
            value: sample.queued_bytes as f64,
            line: None,
        })
        .collect();
    let queue = Plot {
        title: "queued █",
        bars: &queued,
        at_least: 0.0,
        style: theme::caution(),
    };
    queue.draw(buffer, area);
}

/// What there is to say, in two columns where the terminal is wide enough.
fn lines(connection: &Connection, page: &PeerPage, width: u16) -> Vec<(String, Style)> {
    let facts = facts(connection);
    let mut lines: Vec<(String, Style)> = Vec::new();
    if let Some(verdict) = page.detail.peer.verdict {
        let style = theme::severity(page.detail.peer.severity).patch(theme::heading());
        lines.push((format!("verdict       {}", verdict.label()), style));
    }
    let cells = usize::from(width);
    if cells >= 2 * COLUMN {
        let half = facts.len().div_ceil(2);
        for (index, left) in facts[..half].iter().enumerate() {
            let right = facts.get(half + index).map_or("", String::as_str);
            let row = beside(left, right, cells);
            lines.extend(row.into_iter().map(|line| (line, Style::new())));
        }
    } else {
        lines.extend(facts.into_iter().map(|fact| (fact, Style::new())));
    }
    let owners = connection.processes.iter().map(owner_of);
    lines.extend(evidence::labelled("owner", owners, width));
    lines.extend(evidence::weighed(&page.detail.assessment, width));
    lines.extend(evidence::considered(page, width));
    let is_of = |event: &&Event| event.remote.as_deref() == Some(connection.remote.as_str());
    for event in page.events.iter().rev().filter(is_of) {
        let text = format!("{} {}", event.time, text::event_line(event));
        let wrapped = wrap(&text, usize::from(width));
        let style = theme::severity(event.severity);
        lines.extend(wrapped.into_iter().map(|line| (line, style)));
        let numbers = text::each_number(&event.flag.numbers());
        lines.extend(
            numbers
                .iter()
                .map(|number| (format!("  {number}"), theme::quiet())),
        );
    }
    lines
}

/// Two facts beside each other, or one below the other where they do not fit.
fn beside(left: &str, right: &str, width: usize) -> Vec<String> {
    if right.is_empty() {
        return vec![left.to_owned()];
    }
    let column = COLUMN.max(width_of(left) + GAP);
    if column + width_of(right) > width {
        return vec![left.to_owned(), right.to_owned()];
    }
    let filling = " ".repeat(column - width_of(left));
    vec![format!("{left}{filling}{right}")]
}

fn facts(connection: &Connection) -> Vec<String> {
    let fact = |label: &str, value: String| format!("{label:<13} {value}");
    let bytes = |label, number| fact(label, units::bytes(number));
    let stall = match connection.stall {
        Some(cause) => format!(
            "{} for {}",
            cause.label().replace('_', " "),
            units::seconds(connection.stalled_seconds)
        ),
        None => "none".to_owned(),
    };
    let window = format!(
        "{}, {} at most",
        units::bytes(connection.window_bytes),
        units::bytes(connection.max_window_bytes)
    );
    let taken = format!(
        "{} now, {} at most",
        units::bytes(connection.retracted_bytes),
        units::bytes(connection.retracted_max_bytes)
    );
    let episodes = match connection.zero_window_episodes {
        1 => "1 episode".to_owned(),
        number => format!("{number} episodes"),
    };
    let mut state = connection.state.clone();
    if connection.is_orphan {
        state += ", orphan";
    }
    let sequence = connection.sequence;
    let shrinks = connection.window_shrinks;
    let again = connection.retransmits;
    vec![
        fact("state", state),
        fact("stall", stall),
        fact("window", window),
        fact("taken back", taken),
        bytes("queued", connection.queued_bytes),
        bytes("in flight", connection.in_flight_bytes),
        fact(
            "una:nxt",
            format!("{}:{}", sequence.snd_una, sequence.snd_nxt),
        ),
        fact("edge", sequence.edge.to_string()),
        bytes("pinned", connection.pinned_bytes),
        fact("window shift", connection.window_shift.to_string()),
        fact("drains", units::pace(connection.bytes_acked_per_second)),
        fact(
            "zero window",
            format!(
                "{} in {episodes}",
                units::seconds(connection.zero_window_seconds)
            ),
        ),
        fact(
            "shrinks",
            format!(
                "{}/{}/{} polite/below/treason",
                shrinks.polite, shrinks.below_flight, shrinks.treason
            ),
        ),
        fact(
            "sent again",
            format!(
                "{} loss, {} tail, {} window",
                again.loss, again.tail_probe, again.window_probe
            ),
        ),
        fact("timer", connection.timer.replace('_', " ")),
        fact(
            "round trip",
            format!("{:.1} ms", connection.rtt_seconds * 1e3),
        ),
        fact("segment size", units::bytes(connection.mss_bytes)),
        fact("acknowledged", units::bytes(connection.bytes_acked)),
        fact(
            "seen by",
            format!("{}, netns {}", connection.source.label(), connection.netns),
        ),
    ]
}
