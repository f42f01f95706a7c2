//! `detector peers --prometheus`: peers over all hosts.

use super::converse;
use super::list::ListQuery;
use crate::clock;
use crate::columns::{Choice, Column, Context, Grouping, Row as _, group};
use crate::output::print;
use crate::prometheus::{self, Prometheus};
use detector_api::failure::Failure;
use detector_api::row::PeerRow;
use std::path::Path;

/// Prints what a Prometheus knows of the peers of all its hosts.
pub fn fleet_peers(
    query: &ListQuery<'_, PeerRow>,
    by: Grouping,
    prometheus: &Prometheus,
) -> Result<(), Failure> {
    refuse_unknown(query, by)?;
    let fleet = converse(prometheus::ask_all(prometheus))?;
    let fleet = fleet.map_err(|error| error.into_failure(Path::new("")))?;
    let context = Context {
        now_unix_ns: clock::unix_ns(),
        tcp_memory_limit_bytes: fleet.tcp_memory_bytes.map(|(_, limit)| limit),
    };
    let mut rows = fleet.peers;
    rows.retain(|row| query.filter.wants(row, &context));
    let mut rows = group(rows, by);
    query.sort.apply(&mut rows, &context);
    let total = rows.len();
    if query.limit != 0 {
        rows.truncate(query.limit);
    }
    if query.json {
        let known = rows.iter().map(prometheus::known_json);
        let known = known.collect::<Result<Vec<_>, _>>();
        let known =
            known.map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        print(&super::list::json_lines(&known)?)?;
    } else {
        let columns = default_columns(by);
        let shown = ListQuery {
            columns: query.columns.or(Some(&columns)),
            ..*query
        };
        shown.print_table(&rows, &context, by)?;
    }
    query.note_rest(rows.len(), total);
    Ok(())
}

fn is_known(column: &Column<PeerRow>) -> bool {
    prometheus::COLUMNS.contains(&column.key)
}

fn default_columns(by: Grouping) -> Choice<PeerRow> {
    let is_shown = |column: &&Column<PeerRow>| match column.key {
        "members" => by != Grouping::Peer,
        "hosts" => by == Grouping::Peer,
        _ => is_known(column) && column.is_default,
    };
    Choice(PeerRow::COLUMNS.iter().filter(is_shown).collect())
}

/// A column of which nothing is known would be empty, and a filter on it would lie.
fn refuse_unknown(query: &ListQuery<'_, PeerRow>, by: Grouping) -> Result<(), Failure> {
    let is_chosen = |column: &Column<PeerRow>| {
        let columns = query.columns.map(|Choice(columns)| columns.as_slice());
        let is_shown = |chosen: &&Column<PeerRow>| chosen.key == column.key;
        columns.unwrap_or_default().iter().any(is_shown)
    };
    let is_asked_for = |column: &Column<PeerRow>| {
        query.filter.uses(column.key) || query.sort.key() == column.key || is_chosen(column)
    };
    let unknown = PeerRow::COLUMNS
        .iter()
        .find(|column| !is_known(column) && is_asked_for(column));
    let what = match (unknown, by) {
        (Some(column), _) => format!("column `{}`", column.key),
        (None, Grouping::Process | Grouping::Unit) => format!("grouping `{}`", by.label()),
        (None, Grouping::Peer | Grouping::Net) => return Ok(()),
    };
    Err(
        Failure::usage(format!("a Prometheus knows nothing of {what}")).hint(format!(
            "it knows {}; ask the agent of one host for the rest",
            prometheus::COLUMNS.join(", ")
        )),
    )
}
