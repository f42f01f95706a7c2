//! The table of peers or groups.

use super::past;
use super::table::Listing;
use super::text::{Part, draw_text, grouped};
use super::theme;
use crate::columns::Grouping;
use crate::prometheus;
use crate::top::state::{Link, State};
use detector_api::units;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// What is shown, in which order, and how many of how many.
pub(super) fn summary(state: &State) -> (Vec<Part>, Vec<Part>) {
    let sort = state.settings.sort;
    let order = if sort.is_reversed { ", reversed" } else { "" };
    let mut left = Vec::new();
    match &state.table.within {
        Some(within) => {
            let what = format!("peers in {} {}", within.grouping.label(), within.name);
            left.push(Part::new(0, what, theme::heading()));
        }
        None => left.push(Part::labelled(1, "by", state.grouping().label())),
    }
    left.push(Part::labelled(2, "order", format!("{}{order}", sort.key())));
    if !state.table.filter.is_empty() {
        left.push(
            Part::new(0, "filter ", theme::quiet())
                .and(state.table.filter.to_string(), theme::caution()),
        );
    }
    let shown = grouped(state.table.rows.len() as u64);
    let is_whole = state.table.filter.is_empty() && state.table.within.is_none();
    let count = if state.grouping() != Grouping::Peer {
        format!(
            "{shown} groups of {} peers",
            grouped(state.table.total as u64)
        )
    } else if is_whole {
        let noun = if state.table.total == 1 {
            "peer"
        } else {
            "peers"
        };
        format!("{} {noun}", grouped(state.table.total as u64))
    } else {
        format!("{shown} of {} peers", grouped(state.table.total as u64))
    };
    (left, vec![Part::new(1, count, theme::quiet())])
}

/// Draws the table, with or without a cursor.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, state: &State, has_cursor: bool) {
    let height = usize::from(area.height.saturating_sub(1));
    let listing = Listing {
        rows: &state.table.rows,
        grouping: state.grouping(),
        offset: state.table.cursor.offset(state.table.rows.len(), height),
        selected: (has_cursor && !state.table.rows.is_empty()).then_some(state.table.cursor.index),
        sort: state.settings.sort,
        context: state.context(),
        known: if state.is_of_fleet {
            Some(prometheus::COLUMNS)
        } else {
            state.past.shown.is_some().then_some(past::COLUMNS)
        },
    };
    listing.draw(buffer, area);
    if state.table.rows.is_empty() && area.height > 2 {
        let line = Rect {
            x: area.x + 2,
            y: area.y + 2,
            width: area.width - 2,
            height: 1,
        };
        draw_text(buffer, line, &nothing(state), Style::new());
    }
}

/// Why there are no rows.
fn nothing(state: &State) -> String {
    if state.past.shown.is_some() && state.table.filter.is_empty() {
        return "no peer was held up in this second".to_owned();
    }
    if state.link == Link::Waiting {
        return "waiting for the agent".to_owned();
    }
    if !state.table.filter.is_empty() {
        return "no peer matches the filter; Esc clears it".to_owned();
    }
    if state.table.within.is_some() {
        return "no peer of this group is left; Esc goes back".to_owned();
    }
    if state.is_of_fleet {
        return "no peer of these hosts has misbehaved".to_owned();
    }
    let watched = units::seconds(state.facts.uptime_seconds);
    format!("no peer has misbehaved; watched for {watched}")
}
