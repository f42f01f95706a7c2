//! Rows of a table of which a file may hold any number, of any length: no more are read at once than an agent
//! writes within the age that it keeps, and those are the newest.
//!
//! The size of a file bounds nothing: rows of a prepared one may share the pages that hold their texts, and pages may
//! lead to the same ones again and again, so that a query which finds nothing never ends. So its steps are bounded, too.

use super::Reader;
use crate::error::RecorderError;
use crate::location::held_bytes;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gaps, runs and incidents: whoever reads them compares each with each second, and each kill with each incident.
pub(super) const SPANS: usize = 10_000;
/// Notes, cards and peers.
pub(super) const NAMES: usize = 50_000;
/// States of windows of one peer.
pub(super) const POINTS: usize = 100_000;
/// Seconds of which no more is wanted than when they were.
pub(super) const MOMENTS: usize = 200_000;
/// Peers in one second.
pub(super) const PEERS: usize = 1_000;

/// Bytes of one row at most: an agent's longest is an incident of some hundred thousand.
const ROW_BYTES: i32 = 4 << 20;
/// Bytes of a statement at most, of those in the file, too.
const STATEMENT_BYTES: i32 = 64 << 10;
/// Bytes of all rows of a list: as many as an agent keeps, unless it is told otherwise.
const ALL_BYTES: usize = 256 << 20;

/// What is longer is an error.
pub(super) fn limit(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES)?;
    Ok(())
}

/// Steps of SQLite that a query may take for each byte of the file, and of any file. The heaviest one, which ranks all
/// seconds of a file that has nothing but seconds in which little was told, takes 1.06 a byte (34.5 million of 300,000
/// rows in 32.6 MB): 285 million of a full file of 256 MiB, which may take 2.2 billion.
const STEPS_PER_BYTE: u64 = 8;
const STEPS_OF_ANY: u64 = 20_000_000;
/// Steps between two looks.
const STEPS_AT_ONCE: u16 = 10_000;

/// The steps that are left of a query.
#[derive(Debug)]
pub(super) struct Steps {
    file: PathBuf,
    left: Arc<AtomicU64>,
}

impl Steps {
    /// Bounds those of a connection to this file, from its first statement on.
    pub(super) fn bound(connection: &mut Connection, file: &Path) -> rusqlite::Result<Self> {
        let steps = Self {
            file: file.to_owned(),
            left: Arc::default(),
        };
        steps.begin();
        let left = Arc::clone(&steps.left);
        let is_over = move || {
            let less = |left: u64| left.checked_sub(STEPS_AT_ONCE.into());
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_err()
        };
        connection.progress_handler(STEPS_AT_ONCE.into(), Some(is_over))?;
        Ok(steps)
    }

    /// Another query begins. An agent may have written much since the last one.
    fn begin(&self) {
        let of_bytes = held_bytes(&self.file).saturating_mul(STEPS_PER_BYTE);
        let left = STEPS_OF_ANY.saturating_add(of_bytes);
        self.left.store(left, Ordering::Relaxed);
    }
}

/// What may still be read at once.
pub(super) struct Room {
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: ALL_BYTES }
    }
}

impl Room {
    /// Takes a row in; `false` if there is no room for it.
    fn take(&mut self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let mut bytes = 0;
        for column in 0..row.as_ref().column_count() {
            bytes += match row.get_ref(column)? {
                ValueRef::Text(text) | ValueRef::Blob(text) => text.len(),
                _ => 0,
            };
        }
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        Ok(left.is_some())
    }
}

impl Reader {
    /// Whether there was more so far than is read at once: what is oldest, or of peers what cost least, was left
    /// out then.
    #[must_use]
    pub const fn lacks_rows(&self) -> bool {
        self.lacks_rows.get()
    }

    /// The rows of a query, as far as there is room for them; what comes last is left out, which is told.
    pub(super) fn rows<T>(
        &self,
        query: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RecorderError> {
        self.rows_within(&mut Room::default(), query, values, read)
    }

    /// The same where other rows have been taken into the room.
    pub(super) fn rows_within<T>(
        &self,
        room: &mut Room,
        query: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RecorderError> {
        self.steps.begin();
        let all = || {
            let mut statement = self.connection.prepare_cached(query)?;
            let mut rows = statement.query(values)?;
            let mut taken = Vec::new();
            while let Some(row) = rows.next()? {
                if !room.take(row)? {
                    self.lacks_rows.set(true);
                    break;
                }
                taken.push(read(row)?);
            }
            Ok(taken)
        };
        all().map_err(|error| RecorderError::of(&self.file, error))
    }

    /// The first rows of a query, at most so many.
    pub(super) fn first<T>(
        &self,
        query: &str,
        most: usize,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RecorderError> {
        let query = format!("{query} LIMIT {}", most.saturating_add(1));
        let mut rows = self.rows(&query, values, read)?;
        self.cut(&mut rows, most);
        Ok(rows)
    }

    /// Leaves out what is more than so many.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>, most: usize) {
        if rows.len() > most {
            rows.truncate(most);
            self.lacks_rows.set(true);
        }
    }

    /// The same of a query that has the newest first: the oldest come first.
    pub(super) fn newest<T>(
        &self,
        query: &str,
        most: usize,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RecorderError> {
        let mut rows = self.first(query, most, values, read)?;
        rows.reverse();
        Ok(rows)
    }
}
