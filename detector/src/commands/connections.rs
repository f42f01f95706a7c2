//! `detector connections`: the misbehaving connections of the running agent.

use crate::cli::SnapshotArgs;
use crate::failure::Failure;
use crate::table::{Align, Column};
use crate::{humane, wording};
use detector_core::snapshot::Connection;

const COLUMNS: [Column<Connection>; 15] = [
    left("REMOTE", 0, |connection| connection.remote.clone()),
    left("LOCAL", 1, |connection| connection.local.clone()),
    left("STATE", 2, |connection| connection.state.clone()),
    left("STALL", 0, |connection| {
        connection
            .stall
            .map_or("-", |cause| cause.label())
            .to_owned()
    }),
    right("FOR", 0, |connection| {
        humane::seconds(connection.stalled_seconds)
    }),
    right("PINNED", 0, |connection| {
        humane::bytes(connection.pinned_bytes)
    }),
    right("QUEUED", 3, |connection| {
        humane::bytes(connection.queued_bytes)
    }),
    right("WINDOW", 4, |connection| {
        humane::bytes(connection.window_bytes)
    }),
    right("LARGEST", 5, |connection| {
        humane::bytes(connection.max_window_bytes)
    }),
    right("TAKEN BACK", 9, |connection| {
        humane::bytes(connection.retracted_bytes)
    }),
    right("EPISODES", 6, |connection| {
        connection.zero_window_episodes.to_string()
    }),
    right("SHRINKS", 7, |connection| {
        let shrinks = connection.window_shrinks;
        (shrinks.polite + shrinks.below_flight + shrinks.treason).to_string()
    }),
    left("TIMER", 8, |connection| connection.timer.clone()),
    right("NETNS", 11, |connection| connection.netns.to_string()),
    left("SEEN BY", 10, |connection| {
        wording::source_label(connection.source).to_owned()
    }),
];

const fn left(
    title: &'static str,
    dispensable: u8,
    cell: fn(&Connection) -> String,
) -> Column<Connection> {
    Column {
        title,
        align: Align::Left,
        dispensable,
        cell,
    }
}

const fn right(
    title: &'static str,
    dispensable: u8,
    cell: fn(&Connection) -> String,
) -> Column<Connection> {
    Column {
        title,
        align: Align::Right,
        dispensable,
        cell,
    }
}

pub(super) fn run(args: &SnapshotArgs) -> Result<(), Failure> {
    super::print_list(args, "/v1/connections", &COLUMNS)
}
