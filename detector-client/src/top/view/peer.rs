//! The page of one peer: its numbers, its connections, what happened, and a timeline of the
//! connection under the cursor.

use super::connection::{draw_timeline, owner_of};
use super::evidence;
use super::table::Listing;
use super::text::{Part, draw_parts, draw_text, grouped, take_line, take_lines};
use super::theme;
use crate::columns::Grouping;
use crate::layout::wrap;
use crate::top::state::State;
use detector_api::page::PeerPage;
use detector_api::snapshot::Peer;
use detector_api::{text, time, units};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Lines of a timeline where there is room for it.
const TIMELINE: u16 = 8;
/// Least lines of the table of connections.
const CONNECTIONS: u16 = 4;

/// Draws the page of the peer called `name`.
pub(super) fn draw(buffer: &mut Buffer, mut area: Rect, state: &State, name: &str) {
    let Some(page) = &state.opened.page else {
        let text = match (state.opened.is_gone, &state.past.shown) {
            (true, None) => "the agent does not track this peer any more; Esc goes back",
            (false, None) => "asking the agent",
            (true, Some(_)) => "the recorder has no card of this peer; Esc goes back",
            (false, Some(_)) => "reading the recorder",
        };
        let text = format!("{name}: {text}");
        return draw_text(buffer, area, &text, theme::heading());
    };
    draw_facts(buffer, &mut area, page, state);
    draw_reasons(buffer, &mut area, page);
    let events = events_height(area, page);
    let timeline = timeline_height(area.height.saturating_sub(events), page);
    let table = area.height - events - timeline;
    draw_connections(buffer, take_lines(&mut area, table), state, page);
    if timeline > 0
        && let Some(connection) = state.connection()
    {
        let samples = state.opened.timelines.of(connection);
        let below = take_lines(&mut area, timeline);
        draw_timeline(buffer, below, connection, &samples);
    }
    draw_events(buffer, take_lines(&mut area, events), page, &today(state));
}

fn draw_facts(buffer: &mut Buffer, area: &mut Rect, page: &PeerPage, state: &State) {
    let peer = &page.detail.peer;
    let severity = theme::severity(peer.severity);
    let verdict = peer.verdict.map_or("not judged", |verdict| verdict.label());
    let mut title = vec![
        Part::new(0, peer.peer.clone(), theme::heading()),
        Part::new(0, verdict, severity),
        Part::new(1, peer.severity.label(), severity),
    ];
    if let Some(confidence) = page.detail.assessment.confidence {
        title.push(Part::labelled(3, "confidence", confidence.label()));
    }
    let untold = page
        .detail
        .connections_total
        .saturating_sub(page.detail.connections.len() as u64);
    if untold > 0 {
        let text = format!("{} more connections are not shown", grouped(untold));
        title.push(Part::new(2, text, theme::caution()));
    }
    if state.opened.is_gone {
        title.push(Part::new(0, "gone", theme::alarm()));
    }
    let seen = seen([&peer.first_seen, &peer.last_seen], &today(state));
    let seen = vec![Part::labelled(2, "seen", seen)];
    draw_parts(buffer, take_line(area), title, seen);
    draw_parts(buffer, take_line(area), held(peer), Vec::new());
    draw_parts(buffer, take_line(area), totals(peer), Vec::new());
    let owners: Vec<String> = peer.processes.iter().map(owner_of).collect();
    if !owners.is_empty() {
        let owners = vec![Part::labelled(0, "owner", owners.join(", "))];
        draw_parts(buffer, take_line(area), owners, Vec::new());
    }
}

/// The day of what is shown.
fn today(state: &State) -> String {
    time::day(&time::rfc3339(state.taken.unix_ns)).to_owned()
}

/// `21:00:00-21:04:00 UTC`, with the day where it is not today.
fn seen([first, last]: [&str; 2], today: &str) -> String {
    if time::day(first) == time::day(last) {
        let first = time::clock_on(first, today);
        return format!("{first}-{} UTC", time::clock(last));
    }
    // One day alone would stand for both.
    let [first, last] = [first, last].map(|each| time::clock_on(each, ""));
    format!("{first} to {last} UTC")
}

fn held(peer: &Peer) -> Vec<Part> {
    let stalled = grouped(peer.stalled_connections);
    // Who was not asked for may have more than are tracked.
    let stalled = match peer.connections_all {
        Some(all) => format!("{stalled} of {}", grouped(all)),
        None => format!("{stalled} of {} tracked", grouped(peer.connections)),
    };
    vec![
        Part::labelled(0, "stalled", stalled),
        Part::labelled(0, "pinned", units::bytes(peer.pinned_bytes)),
        Part::labelled(1, "longest", units::seconds(peer.longest_stall_seconds)),
        Part::labelled(2, "zero window", units::seconds(peer.zero_window_seconds)),
        Part::labelled(3, "drains", units::pace(peer.bytes_acked_per_second)),
    ]
}

fn totals(peer: &Peer) -> Vec<Part> {
    let shrinks = peer.window_shrinks;
    let again = peer.retransmits;
    let ports: Vec<String> = peer.services.iter().map(u16::to_string).collect();
    vec![
        Part::labelled(1, "shrinks", shrinks.polite.to_string())
            .and(" polite ", theme::quiet())
            .and(shrinks.below_flight.to_string(), Style::new())
            .and(" below flight ", theme::quiet())
            .and(shrinks.treason.to_string(), Style::new())
            .and(" treason", theme::quiet()),
        Part::labelled(2, "sent again", again.loss.to_string())
            .and(" loss ", theme::quiet())
            .and(again.tail_probe.to_string(), Style::new())
            .and(" tail ", theme::quiet())
            .and(again.window_probe.to_string(), Style::new())
            .and(" window", theme::quiet()),
        Part::labelled(3, "ports", ports.join(",")),
    ]
}

/// What the verdict rests on; where nothing was weighed yet, the newest event.
fn draw_reasons(buffer: &mut Buffer, area: &mut Rect, page: &PeerPage) {
    let mut reasons = evidence::reasons(&page.detail.assessment);
    if reasons.is_empty() {
        reasons.extend(page.events.last().map(text::event_line));
    }
    // Leaves the connections in sight.
    let room = area.height.saturating_sub(CONNECTIONS + 2);
    let room = usize::from(room.min(2 + area.height / 20));
    let lines = reasons.iter().flat_map(|reason| {
        let width = usize::from(area.width).saturating_sub(BECAUSE.len());
        wrap(reason, width)
    });
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > room {
        lines.truncate(room);
        if let Some(last) = lines.last_mut() {
            last.push(theme::ELLIPSIS);
        }
    }
    for (index, line) in lines.into_iter().enumerate() {
        let label = if index == 0 { BECAUSE } else { NOTHING };
        let part = Part::new(0, label, theme::quiet()).and(line, Style::new());
        draw_parts(buffer, take_line(area), vec![part], Vec::new());
    }
}

/// Before what a verdict rests on.
const BECAUSE: &str = "because ";
/// The same for its further lines.
const NOTHING: &str = "        ";

fn timeline_height(room: u16, page: &PeerPage) -> u16 {
    let rows = u16::try_from(page.detail.connections.len()).unwrap_or(u16::MAX);
    let most = (room / 2 + 1).max(CONNECTIONS);
    let table = rows.saturating_add(2).clamp(CONNECTIONS, most);
    match room.saturating_sub(table) {
        0..5 => 0,
        // A third of a tall screen is enough.
        left => left.min(TIMELINE.max(room / 3)),
    }
}

/// On tall screens the last events have a place.
fn events_height(area: Rect, page: &PeerPage) -> u16 {
    let wanted = u16::try_from(page.events.len())
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    let room = area.height.saturating_sub(24) / 3;
    if room < 3 || page.events.is_empty() {
        return 0;
    }
    wanted.min(room)
}

fn draw_connections(buffer: &mut Buffer, area: Rect, state: &State, page: &PeerPage) {
    let height = usize::from(area.height.saturating_sub(1));
    let rows = &page.detail.connections;
    let listing = Listing {
        rows,
        grouping: Grouping::Peer,
        offset: state.opened.cursor.offset(rows.len(), height),
        selected: (!rows.is_empty()).then_some(state.opened.cursor.index),
        sort: state.settings.connection_sort,
        context: state.context(),
        known: None,
    };
    listing.draw(buffer, area);
}

fn draw_events(buffer: &mut Buffer, mut area: Rect, page: &PeerPage, today: &str) {
    if area.height == 0 {
        return;
    }
    draw_text(buffer, take_line(&mut area), "last events", theme::quiet());
    let last = page.events.iter().rev().take(usize::from(area.height));
    for event in last {
        let at = time::clock_on(&event.time, today);
        let text = format!("{at} {}", text::event_line(event));
        draw_text(
            buffer,
            take_line(&mut area),
            &text,
            theme::severity(event.severity),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::seen;

    #[test]
    fn a_peer_that_was_seen_on_another_day_is_seen_with_that_day() {
        let (night, morning, later) = (
            "2026-12-28T23:58:00.000Z",
            "2026-12-29T00:02:00.000Z",
            "2026-12-29T21:04:00.000Z",
        );
        for (times, today, shown) in [
            ([morning, later], "2026-12-29", "00:02:00-21:04:00 UTC"),
            (
                [morning, later],
                "2026-12-30",
                "2026-12-29 00:02:00-21:04:00 UTC",
            ),
            (
                [night, later],
                "2026-12-29",
                "2026-12-28 23:58:00 to 2026-12-29 21:04:00 UTC",
            ),
        ] {
            assert_eq!(seen(times, today), shown);
        }
    }
}
