//! Rows of a table of which a file may hold any number: no more are read at once than an agent writes within
//! the age that it keeps, and those are the newest.

use super::Reader;
use crate::error::RecorderError;
use rusqlite::{Params, Row};

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

impl Reader {
    /// Whether there was more so far than is read at once: what is oldest, or of peers what cost least, was left
    /// out then.
    #[must_use]
    pub const fn lacks_rows(&self) -> bool {
        self.lacks_rows.get()
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
        if rows.len() > most {
            rows.truncate(most);
            self.lacks_rows.set(true);
        }
        Ok(rows)
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
