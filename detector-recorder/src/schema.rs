//! The schema and how it grows: each step of [`MIGRATIONS`] makes the next version of the one before.
//! A step that has been released never changes.
//!
//! `docs/recorder.md` describes it for people; `PRAGMA application_id` and `user_version` for programs.

use crate::error::RecorderError;
use rusqlite::{Connection, Transaction};
use std::path::Path;

/// `dtct`, in the header of the file.
pub(crate) const APPLICATION_ID: i64 = 0x6474_6374;
/// The newest version.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// Columns that came with a later version than the first; a reader finds none in an older file.
const LATER: [(i64, &str, &str); 13] = [
    (2, "notes", "json"),
    (2, "peer_seconds", "held_workers"),
    (2, "host_seconds", "orphan_limit"),
    (2, "host_seconds", "aborted_on_memory"),
    (3, "host_seconds", "held_stalled_send_bytes"),
    (3, "host_seconds", "held_send_bytes"),
    (3, "host_seconds", "held_receive_bytes"),
    (3, "host_seconds", "held_orphans_bytes"),
    (3, "host_seconds", "held_unlisted_bytes"),
    (3, "events", "boot_ms"),
    (3, "incidents", "began_boot_ms"),
    (3, "incidents", "ended_boot_ms"),
    (4, "cards", "thresholds"),
];

/// How a query asks for that column of a file of this version: by its name, or `NULL` where it has none.
pub(crate) fn column(version: i64, table: &str, name: &'static str) -> &'static str {
    let is_it = |(since, of_table, column): &(i64, &str, &str)| {
        version < *since && (*of_table, *column) == (table, name)
    };
    if LATER.iter().any(is_it) {
        "NULL"
    } else {
        name
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing is in it yet.
    Empty,
    /// A recorder of this version.
    Version(i64),
}

/// Says what the file is; refuses what is not ours or newer.
pub(crate) fn find(connection: &Connection, path: &Path) -> Result<Found, RecorderError> {
    let failed = |error| RecorderError::of(path, error);
    let number = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(failed)
    };
    // Not how many: counting is one step of SQLite's, however long it takes.
    let has_tables: bool = connection
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| {
            row.get(0)
        })
        .map_err(failed)?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == 0 && version == 0 && !has_tables {
        return Ok(Found::Empty);
    }
    if application != APPLICATION_ID || version < 1 {
        return Err(RecorderError::Foreign {
            path: path.to_owned(),
        });
    }
    if version > VERSION {
        return Err(RecorderError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    Ok(Found::Version(version))
}

/// Whether each table and index of this version is there as we make it. Somebody may have prepared the
/// file: a view in place of a table, or a column that is computed, makes as many rows of as many bytes as
/// it likes of a few.
fn is_ours(connection: &Connection, version: i64) -> rusqlite::Result<bool> {
    let ours = Connection::open_in_memory()?;
    for step in MIGRATIONS
        .iter()
        .take(usize::try_from(version).unwrap_or(0))
    {
        ours.execute_batch(step)?;
    }
    let query =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2 AND sql = ?3)";
    let mut statement = connection.prepare(query)?;
    for each in definitions(&ours)? {
        if !statement.query_row(each, |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses a file whose tables are not those of its version.
pub(crate) fn refuse_others(
    connection: &Connection,
    version: i64,
    path: &Path,
) -> Result<(), RecorderError> {
    if is_ours(connection, version).map_err(|error| RecorderError::of(path, error))? {
        return Ok(());
    }
    Err(RecorderError::Damaged {
        path: path.to_owned(),
        reason: format!("its tables are not those of schema {version}"),
    })
}

/// Kind, name and text of everything that was made by a statement.
fn definitions(ours: &Connection) -> rusqlite::Result<Vec<(String, String, String)>> {
    let query = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL";
    let mut statement = ours.prepare(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// Brings the file to the newest version, in the one transaction. Reads none of its rows, however many there are.
pub(crate) fn migrate(transaction: &Transaction<'_>, found: Found) -> rusqlite::Result<()> {
    let done = match found {
        Found::Empty => 0,
        Found::Version(VERSION) => return Ok(()),
        Found::Version(version) => usize::try_from(version).unwrap_or(0),
    };
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    // Readers that have the file open are to see the columns that came without a statement of their own.
    let texts: i64 = transaction.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    transaction.pragma_update(None, "schema_version", texts.wrapping_add(1))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}
