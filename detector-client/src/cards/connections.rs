//! The connections of a card: the worst few, and those that stand for a flag.

use super::page::Block;
use super::subject::Subject;
use crate::columns::{Context, Grouping, Row};
use crate::table::{Chosen, Table};
use detector_api::snapshot::{Connection, FlagKind, Shrinks, StallCause};
use std::net::SocketAddr;

/// Rows of the table.
const SHOWN: usize = 5;
/// Its columns.
const COLUMNS: [&str; 8] = [
    "remote",
    "local",
    "stall",
    "stalled-for",
    "pinned",
    "window",
    "queued",
    "state",
];

/// The most costly connections, the one that was asked for first.
pub(super) fn connections(subject: &Subject) -> Vec<Block> {
    let detail = &subject.page.detail;
    let is_asked = |connection: &&Connection| {
        let remote = connection.remote.parse::<SocketAddr>();
        subject.asked.is_some_and(|asked| {
            remote.is_ok_and(|remote| {
                remote.port() == asked.port()
                    && remote.ip().to_canonical() == asked.ip().to_canonical()
            })
        })
    };
    let asked = detail.connections.iter().find(is_asked);
    let others = detail
        .connections
        .iter()
        .filter(|each| asked.is_none_or(|asked| !std::ptr::eq(*each, asked)));
    let shown: Vec<&Connection> = asked.into_iter().chain(others).take(SHOWN).collect();
    let mut blocks = Vec::new();
    if subject.asked.is_some() && asked.is_none() {
        let text = "The connection that was asked for is not among them any more.";
        blocks.push(Block::Text(text.to_owned()));
    }
    if shown.is_empty() {
        blocks.push(Block::Text("None is left in the table.".to_owned()));
        return blocks;
    }
    let rows: Vec<Connection> = shown.into_iter().cloned().collect();
    let columns = COLUMNS.iter().filter_map(|key| Connection::column(key));
    let columns: Vec<_> = columns
        .map(|column| Chosen::new(column, Grouping::Peer))
        .collect();
    let context = Context {
        now_unix_ns: subject.now_unix_ns,
        ..Context::default()
    };
    blocks.push(Block::Table(
        Table::of_rows(&columns, &rows, &context).uncut(),
    ));
    let total = detail.connections_total;
    let rest = total.saturating_sub(rows.len() as u64);
    if rest > 0 {
        let peer = &detail.peer.peer;
        let mut more = format!("... and {rest} more");
        if subject.recorded.is_none() {
            more += &format!(": `detector connections --filter net={peer}`");
        }
        blocks.push(Block::Text(more));
    }
    blocks
}

/// The connection that shows a kind of flag best; none for a flag on the peer as a whole.
pub(super) fn example(subject: &Subject, kind: FlagKind) -> Option<&Connection> {
    let connections = subject.page.detail.connections.iter();
    let by_stall = |cause| {
        let stalled = connections
            .clone()
            .filter(move |each| each.stall == Some(cause));
        // The first of several, which is the most costly.
        stalled
            .rev()
            .max_by(|a, b| a.stalled_seconds.total_cmp(&b.stalled_seconds))
    };
    match kind {
        FlagKind::ZeroWindowStall => by_stall(StallCause::ZeroWindow),
        FlagKind::SmallWindowStall => by_stall(StallCause::SmallWindow),
        FlagKind::Dribble => by_stall(StallCause::Dribble),
        FlagKind::Unanswered => by_stall(StallCause::Unanswered),
        FlagKind::WindowShrink => connections
            .clone()
            .filter(|each| each.window_shrinks != Shrinks::default())
            .rev()
            .max_by_key(|each| (each.window_shrinks.treason, each.retracted_max_bytes)),
        FlagKind::TinyWindow => connections
            .clone()
            .filter(|each| each.max_window_bytes > 0)
            .min_by_key(|each| {
                (
                    each.mss_bytes.min(each.max_window_bytes),
                    each.max_window_bytes,
                )
            }),
        // A kind without a measure of its own: the one that was flagged last. A flag on the peer
        // names none.
        _ => {
            let mut events = subject.page.events.iter().rev();
            let remote = events.find(|event| event.kind() == kind)?.remote.as_ref();
            connections
                .clone()
                .find(|each| Some(&each.remote) == remote)
        }
    }
}
