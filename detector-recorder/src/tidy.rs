//! Keeps the recorder within its bounds: detail is thinned with age, what is too old goes, and where
//! room runs short the oldest detail goes first and the newest incidents last.
//!
//! A little at a time, so that no commit takes long, and so that a clock which jumps ahead for a while
//! does not cost the whole past.

use rusqlite::{Connection, Transaction, params};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file, its log aside.
    pub bytes: u64,
    /// Age of the oldest row, in milliseconds.
    pub age_ms: i64,
}

/// A second each, then one of ten, then one of sixty: span before, span after, from which age on.
const THINNING: [(i64, i64, i64); 2] = [(1, 10, HOUR_MS), (10, 60, 24 * HOUR_MS)];
const HOUR_MS: i64 = 3_600_000;
/// Rows of one table that one call deletes at most.
const ROWS: i64 = 2_000;
/// A table, and the column that orders its rows: the order of writing, for the clock may have been set.
type Table = (&'static str, &'static str);
const WINDOWS: Table = ("windows", "id");
const CARDS: Table = ("cards", "time_ms");
const SECONDS: Table = ("host_seconds", "id");
const EVENTS: Table = ("events", "id");
const NOTES: Table = ("notes", "id");
/// About how many bytes a second takes with its peers, and an event.
const SECOND_BYTES: i64 = 2_000;
const EVENT_BYTES: i64 = 1_000;
/// Spans around the newest twenty incidents, from ten minutes before to two after: they are not
/// thinned, and where room runs short they go last. One within which the clock was set back ends
/// before it began.
const WHOLE: &str = "whole AS (SELECT min(began_ms, coalesce(ended_ms, began_ms)) - 600000 AS from_ms, \
                     max(began_ms, coalesce(ended_ms, began_ms + 86400000)) + 120000 AS until_ms \
                     FROM incidents ORDER BY began_ms DESC LIMIT 20)";
const NOT_WHOLE: &str =
    "NOT EXISTS (SELECT 1 FROM whole WHERE time_ms BETWEEN from_ms AND until_ms)";

/// Thins and bounds; returns how many rows were deleted.
pub(crate) fn tidy(
    transaction: &Transaction<'_>,
    now_ms: i64,
    limits: Limits,
) -> rusqlite::Result<usize> {
    let mut deleted = 0;
    for (fine, coarse, age_ms) in THINNING {
        deleted += thin(transaction, fine, coarse, now_ms.saturating_sub(age_ms))?;
    }
    let oldest_ms = now_ms.saturating_sub(limits.age_ms);
    for (table, _) in [WINDOWS, CARDS, SECONDS, EVENTS, NOTES] {
        deleted += delete_older(transaction, table, "time_ms", oldest_ms)?;
    }
    deleted += delete_older(transaction, "incidents", "began_ms", oldest_ms)?;
    deleted += delete_older(transaction, "gaps", "until_ms", oldest_ms)?;
    transaction.execute(
        "DELETE FROM runs WHERE last_ms < ?1 AND id < (SELECT max(id) FROM runs)",
        [oldest_ms],
    )?;
    Ok(deleted + make_room(transaction, limits)?)
}

/// Of each `coarse` seconds of a run that are older than `before_ms`, only the one in which the host
/// was pressed hardest is kept. A second takes part also after it was kept: the others of its bucket may
/// come of age after it.
fn thin(
    transaction: &Transaction<'_>,
    fine: i64,
    coarse: i64,
    before_ms: i64,
) -> rusqlite::Result<usize> {
    // As many as one call may touch; the same for both statements.
    let (oldest, newest): (Option<i64>, Option<i64>) = transaction.query_row(
        &format!(
            "WITH {WHOLE} SELECT min(time_ms), max(time_ms) FROM (SELECT time_ms FROM host_seconds \
             WHERE span = ?1 AND time_ms < ?2 AND {NOT_WHOLE} ORDER BY time_ms LIMIT ?3)"
        ),
        params![fine, before_ms, ROWS],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let ranked = format!(
        "WITH {WHOLE}, ranked AS (SELECT id, row_number() OVER (\
         PARTITION BY run, boot_ms / (1000 * ?2) ORDER BY \
         pinned_bytes DESC, tcp_memory_bytes DESC, memory_available_bytes, id) AS rank \
         FROM host_seconds WHERE (span = ?1 AND time_ms BETWEEN ?3 AND ?4 \
         OR span = ?2 AND time_ms BETWEEN ?3 - 1000 * ?2 AND ?4 + 1000 * ?2) AND {NOT_WHOLE})"
    );
    let values = params![fine, coarse, oldest, newest];
    // The others first: of those with the new span one may be outranked.
    let delete = "DELETE FROM host_seconds WHERE id IN (SELECT id FROM ranked WHERE rank > 1)";
    let deleted = transaction.execute(&format!("{ranked} {delete}"), values)?;
    let keep = "UPDATE host_seconds SET span = ?2 \
                WHERE span = ?1 AND id IN (SELECT id FROM ranked WHERE rank = 1)";
    transaction.execute(&format!("{ranked} {keep}"), values)?;
    Ok(deleted)
}

fn delete_older(
    transaction: &Transaction<'_>,
    table: &str,
    column: &str,
    before_ms: i64,
) -> rusqlite::Result<usize> {
    let delete = format!(
        "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
         WHERE {column} < ?1 ORDER BY {column} LIMIT ?2)"
    );
    transaction.execute(&delete, params![before_ms, ROWS])
}

/// Deletes the oldest rows while more than nine tenths of the bound are in use.
fn make_room(transaction: &Transaction<'_>, limits: Limits) -> rusqlite::Result<usize> {
    let mut deleted = 0;
    if !is_crowded(transaction, limits)? {
        return Ok(deleted);
    }
    let tables = in_order(transaction)?;
    for condition in [NOT_WHOLE, "true"] {
        for (table, order) in tables {
            if !is_crowded(transaction, limits)? {
                return Ok(deleted);
            }
            let delete = format!(
                "WITH {WHOLE} DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
                 WHERE {condition} ORDER BY {order} LIMIT ?1)"
            );
            deleted += transaction.execute(&delete, [ROWS])?;
        }
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    // Nothing but incidents is left to give: all but the newest go, the oldest first.
    let delete = "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents ORDER BY began_ms \
                  LIMIT max(0, min(10, (SELECT count(*) - 1 FROM incidents))))";
    transaction.execute(delete, [])
}

/// The order in which rows go. Of seconds and events those that take more go first: neither a flood of
/// events may cost the whole timeline, nor the other way round.
fn in_order(connection: &Connection) -> rusqlite::Result<[Table; 5]> {
    let number = |query| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let seconds = number("SELECT count(*) FROM host_seconds")?;
    let events = number("SELECT coalesce(max(id) - min(id) + 1, 0) FROM events")?;
    let (seconds, events) = (
        seconds.saturating_mul(SECOND_BYTES),
        events.saturating_mul(EVENT_BYTES),
    );
    let [first, second] = if seconds > events {
        [SECONDS, EVENTS]
    } else {
        [EVENTS, SECONDS]
    };
    Ok([WINDOWS, CARDS, first, second, NOTES])
}

fn is_crowded(connection: &Connection, limits: Limits) -> rusqlite::Result<bool> {
    let number =
        |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let used = number("page_count")?.saturating_sub(number("freelist_count")?);
    let used_bytes = used.saturating_mul(number("page_size")?);
    Ok(u64::try_from(used_bytes).unwrap_or(0) > limits.bytes / 10 * 9)
}

#[cfg(test)]
mod tests;
