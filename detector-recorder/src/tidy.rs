//! Keeps the recorder within its bounds: detail is thinned with age, what is too old goes, and where
//! room runs short the oldest detail goes first and the newest incidents last.
//!
//! A little at a time, so that no commit takes long, and so that a clock which jumps ahead for a while
//! does not cost the whole past.

use crate::rows::ClockReading;
use rusqlite::{Connection, Transaction, params};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file, its log aside.
    pub bytes: u64,
    /// Age of the oldest row, in milliseconds.
    pub age_ms: i64,
}

impl Limits {
    /// Pages that the file may have.
    pub(crate) fn pages(self, connection: &Connection) -> rusqlite::Result<i64> {
        let page_bytes =
            connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?;
        Ok(i64::try_from(self.bytes).unwrap_or(i64::MAX) / page_bytes.max(1))
    }
}

/// A second each, then one of ten, then one of sixty: span before, span after, from which age on.
const THINNING: [(i64, i64, i64); 2] = [(1, 10, HOUR_MS), (10, 60, 24 * HOUR_MS)];
const HOUR_MS: i64 = 3_600_000;
/// Rows of one table that one call deletes at most.
const ROWS: i64 = 2_000;
/// Pages that one call gives back at most: 4 MiB.
const PAGES: i64 = 1_000;
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
/// The wall clock may have been set by less than this, or slewed, without being taken for another.
const STEP_MS: i64 = 60_000;
/// Incidents of which not all may go in one call for their age.
const NEWEST: i64 = 20;
/// Spans around the newest twenty incidents, from ten minutes before to two after: they are not
/// thinned, and where room runs short they go last. Ids grow whatever the clock did; an incident within
/// which it was set back ends before it began.
const WHOLE: &str = "whole AS (SELECT min(began_ms, coalesce(ended_ms, began_ms)) - 600000 AS from_ms, \
                     max(began_ms, coalesce(ended_ms, began_ms + 86400000)) + 120000 AS until_ms \
                     FROM incidents ORDER BY id DESC LIMIT 20)";
const NOT_WHOLE: &str =
    "NOT EXISTS (SELECT 1 FROM whole WHERE time_ms BETWEEN from_ms AND until_ms)";

/// Before when a row is too old: by the wall clock and, if it was written since the host started, also by
/// the clock that never steps. The wall clock may have been wrong when it was written.
#[derive(Clone, Copy)]
struct Age {
    before: ClockReading,
    /// The first run since the host started.
    first_run: i64,
}

impl Age {
    /// What is older than this.
    const fn of(age_ms: i64, now: ClockReading, first_run: i64) -> Self {
        let before = ClockReading {
            unix_ms: now.unix_ms.saturating_sub(age_ms),
            boot_ms: now.boot_ms.saturating_sub(age_ms),
        };
        Self { before, first_run }
    }
}

/// Is true, of `Age` as ?1 to ?3, of a row that is too old; one of an older version of which only the run is
/// known is as old as the host's start at most.
const OLD: &str = "time_ms < ?1 AND (run < ?2 OR coalesce(boot_ms, 0) < ?3)";
/// The same where no run is known: when the host started, by both its clocks, tells which start it was.
const OLD_OF_START: &str = "time_ms < ?1 AND (boot_ms < ?3 OR NOT EXISTS (SELECT 1 FROM runs \
                            WHERE id >= ?2 AND min(abs(began_ms - began_boot_ms - time_ms + boot_ms), \
                            abs(last_ms - last_boot_ms - time_ms + boot_ms)) < 60000))";

/// Thins and bounds; returns how many rows were deleted.
pub(crate) fn tidy(
    transaction: &Transaction<'_>,
    now: ClockReading,
    limits: Limits,
) -> rusqlite::Result<usize> {
    let first_run = transaction.query_row(
        "SELECT coalesce(min(id), 0) FROM runs \
         WHERE boot_id = (SELECT boot_id FROM runs ORDER BY id DESC LIMIT 1)",
        [],
        |row| row.get(0),
    )?;
    let mut deleted = 0;
    if is_steady(transaction, now, first_run)? {
        for (fine, coarse, age_ms) in THINNING {
            deleted += thin(transaction, fine, coarse, Age::of(age_ms, now, first_run))?;
        }
        deleted += delete_older(transaction, Age::of(limits.age_ms, now, first_run))?;
    }
    deleted += make_room(transaction, limits)?;
    shrink(transaction, limits)?;
    Ok(deleted)
}

/// Whether the wall clock says what it said an hour ago, before which nothing is judged by it.
fn is_steady(connection: &Connection, now: ClockReading, first_run: i64) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM host_seconds WHERE time_ms BETWEEN ?1 - 2 * ?2 AND ?1 - ?2 \
         AND run >= ?3 AND abs(time_ms - boot_ms - ?4) < ?5)",
        params![
            now.unix_ms,
            HOUR_MS,
            first_run,
            now.unix_ms.saturating_sub(now.boot_ms),
            STEP_MS
        ],
        |row| row.get(0),
    )
}

/// Of each `coarse` seconds of a run that are too old, only the one in which the host was pressed hardest is
/// kept. A second takes part also after it was kept: the others of its bucket may come of age after it.
fn thin(
    transaction: &Transaction<'_>,
    fine: i64,
    coarse: i64,
    age: Age,
) -> rusqlite::Result<usize> {
    let Age { before, first_run } = age;
    // As many as one call may touch; the same for both statements.
    let (oldest, newest): (Option<i64>, Option<i64>) = transaction.query_row(
        &format!(
            "WITH {WHOLE} SELECT min(time_ms), max(time_ms) FROM (SELECT time_ms FROM host_seconds \
             WHERE {OLD} AND span = ?4 AND {NOT_WHOLE} ORDER BY time_ms LIMIT ?5)"
        ),
        params![before.unix_ms, first_run, before.boot_ms, fine, ROWS],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (Some(oldest), Some(newest)) = (oldest, newest) else {
        return Ok(0);
    };
    let ranked = format!(
        "WITH {WHOLE}, ranked AS (SELECT id, row_number() OVER (\
         PARTITION BY run, boot_ms / (1000 * ?5) ORDER BY \
         pinned_bytes DESC, tcp_memory_bytes DESC, memory_available_bytes, id) AS rank \
         FROM host_seconds WHERE {OLD} AND (span = ?4 AND time_ms BETWEEN ?6 AND ?7 \
         OR span = ?5 AND time_ms BETWEEN ?6 - 1000 * ?5 AND ?7 + 1000 * ?5) AND {NOT_WHOLE})"
    );
    let values = params![
        before.unix_ms,
        first_run,
        before.boot_ms,
        fine,
        coarse,
        oldest,
        newest
    ];
    // The others first: of those with the new span one may be outranked.
    let delete = "DELETE FROM host_seconds WHERE id IN (SELECT id FROM ranked WHERE rank > 1)";
    let deleted = transaction.execute(&format!("{ranked} {delete}"), values)?;
    let keep = "UPDATE host_seconds SET span = ?5 \
                WHERE span = ?4 AND id IN (SELECT id FROM ranked WHERE rank = 1)";
    transaction.execute(&format!("{ranked} {keep}"), values)?;
    Ok(deleted)
}

fn delete_older(transaction: &Transaction<'_>, age: Age) -> rusqlite::Result<usize> {
    let values = params![age.before.unix_ms, age.first_run, age.before.boot_ms, ROWS];
    let mut deleted = 0;
    for (table, old) in [
        (WINDOWS.0, OLD_OF_START),
        (CARDS.0, OLD_OF_START),
        (SECONDS.0, OLD),
        (EVENTS.0, OLD),
        (NOTES.0, OLD),
    ] {
        let delete = format!(
            "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
             WHERE {old} ORDER BY time_ms LIMIT ?4)"
        );
        deleted += transaction.execute(&delete, values)?;
    }
    let delete = format!(
        "DELETE FROM incidents WHERE id IN (SELECT id FROM \
         (SELECT *, began_ms AS time_ms, began_boot_ms AS boot_ms FROM incidents) WHERE {OLD} ORDER BY id \
         LIMIT max(1, min(?4, (SELECT count(*) FROM incidents) - {NEWEST})))"
    );
    deleted += transaction.execute(&delete, values)?;
    let (unix_ms, first_run) = (age.before.unix_ms, age.first_run);
    let delete = "DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE until_ms < ?1 LIMIT ?2)";
    deleted += transaction.execute(delete, [unix_ms, ROWS])?;
    let delete = "DELETE FROM runs WHERE last_ms < ?1 AND id < ?2";
    transaction.execute(delete, [unix_ms, first_run])?;
    Ok(deleted)
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
    let delete = "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents ORDER BY id \
                  LIMIT max(0, min(10, (SELECT count(*) - 1 FROM incidents))))";
    transaction.execute(delete, [])
}

/// Gives free pages beyond the bound back to the file system: the bound may have been larger before.
fn shrink(transaction: &Transaction<'_>, limits: Limits) -> rusqlite::Result<()> {
    let pages_max = limits.pages(transaction)?;
    let pages = transaction.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))?;
    let beyond = pages.saturating_sub(pages_max);
    if beyond <= 0 {
        return Ok(());
    }
    transaction.pragma(None, "incremental_vacuum", beyond.min(PAGES), |_| Ok(()))?;
    // It was no lower than what the file had.
    transaction.pragma_update(None, "max_page_count", pages_max)
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
