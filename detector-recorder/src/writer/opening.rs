//! How the file is opened, a run of an agent begun, and the run before it concluded.

use super::full::or_damage;
use super::statements::{end_incident, in_transaction, set_numbers, write_gap};
use super::{NUMBERS_AHEAD, Opened};
use crate::error::RecorderError;
use crate::location;
use crate::rows::{ClockReading, Gap};
use crate::schema::{self, Found};
use crate::tidy::Limits;
use detector_api::recorded::GapReason;
use detector_api::snapshot::{Incident, IncidentEnd};
use detector_api::time::rfc3339;
use rusqlite::{Connection, ErrorCode, Transaction, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reader that copies the file may hold up a commit.
const BUSY: Duration = Duration::from_millis(500);
/// Pages in the log after which they are moved into the file: 4 MiB.
const CHECKPOINT_PAGES: i64 = 1_000;
const LOG_BYTES: i64 = 8 << 20;
/// Pages are given back when they are asked for.
const INCREMENTAL: i64 = 2;

/// A run that has begun.
pub(super) struct Begun {
    pub(super) connection: Connection,
    pub(super) run: i64,
    /// The highest number that an event may have had before.
    pub(super) last_event_id: u64,
}

/// Begins a run in the file, or in a new one if it is damaged; the second value says where it is then.
pub(super) fn begin(
    file: &Path,
    limits: Limits,
    who: &Opened<'_>,
) -> Result<(Begun, Option<PathBuf>), RecorderError> {
    let begun = open_file(file, limits).and_then(|connection| begin_run(connection, file, who));
    match begun {
        Err(error) if error.is_damage() => {
            let aside = location::set_aside(file)?;
            Ok((begin_anew(file, limits, who)?, Some(aside)))
        }
        begun => Ok((begun?, None)),
    }
}

/// Begins a new file in place of a damaged one that was set aside.
pub(super) fn begin_anew(
    file: &Path,
    limits: Limits,
    who: &Opened<'_>,
) -> Result<Begun, RecorderError> {
    let mut begun = begin_run(open_file(file, limits)?, file, who)?;
    let gap = Gap {
        from_ms: who.at.unix_ms,
        until_ms: who.at.unix_ms,
        reason: GapReason::Damaged,
    };
    in_transaction(&mut begun.connection, |transaction| {
        write_gap(transaction, &gap)
    })
    .map_err(|error| RecorderError::of(file, error))?;
    Ok(begun)
}

fn open_file(file: &Path, limits: Limits) -> Result<Connection, RecorderError> {
    location::make_file(file)?;
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        // We may write it: then it is its header that forbids it.
        Some(ErrorCode::ReadOnly) => RecorderError::Damaged {
            path: file.to_owned(),
            reason: error.to_string(),
        },
        _ => RecorderError::of(file, error),
    };
    let connection = Connection::open(file).map_err(failed)?;
    // What it is comes first: nothing is written into a file that is not ours.
    let found = schema::find(&connection, file)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    if found == Found::Empty {
        // Before there is a page: a file can give pages back only if it was made so.
        let shrinks = connection.pragma_update(None, "auto_vacuum", INCREMENTAL);
        shrinks.map_err(failed)?;
    }
    if !has_log(&connection).map_err(failed)? {
        return Err(RecorderError::NoSharedMemory {
            path: file.to_owned(),
        });
    }
    let pages_max = limits.pages(&connection).map_err(failed)?;
    if can_be_made_anew(&connection, file, pages_max).map_err(failed)? {
        // It is as it was if this fails, and larger than its bound.
        drop(make_anew(&connection));
    }
    set_up(&connection, pages_max).map_err(failed)?;
    Ok(connection)
}

/// Whether the file is larger than its bound, is of a version whose files cannot give pages back, and has
/// room for a copy in its log and another beside it.
fn can_be_made_anew(
    connection: &Connection,
    file: &Path,
    pages_max: i64,
) -> rusqlite::Result<bool> {
    let number =
        |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (pages, page_bytes) = (number("page_count")?, number("page_size")?);
    let bytes = u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or(0);
    let free = file.parent().and_then(location::free_bytes).unwrap_or(0);
    Ok(pages > pages_max && number("auto_vacuum")? == 0 && free / 2 > bytes)
}

fn make_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    connection.execute_batch("VACUUM")
}

/// Has it write a log first. SQLite keeps another journal, without a word of it, where a file system
/// cannot do what that takes: a commit would wait for readers then, and readers for commits.
fn has_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    Ok(mode == "wal")
}

fn set_up(connection: &Connection, pages_max: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "max_page_count", pages_max)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Begins a run: brings the schema up to date, and says what happened since the run before.
fn begin_run(
    mut connection: Connection,
    file: &Path,
    who: &Opened<'_>,
) -> Result<Begun, RecorderError> {
    let found = schema::find(&connection, file)?;
    if let Found::Version(version) = found {
        schema::refuse_others(&connection, version, file)?;
    }
    let (run, last_event_id) = in_transaction(&mut connection, |transaction| {
        schema::migrate(transaction, found)?;
        close_run_before(transaction, who)?;
        transaction.execute(
            "INSERT INTO runs (host, boot_id, version, began_ms, began_boot_ms, last_ms, \
             last_boot_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?5)",
            params![
                who.host,
                who.boot_id,
                who.version,
                who.at.unix_ms,
                who.at.boot_ms
            ],
        )?;
        let run = transaction.last_insert_rowid();
        let numbers: Option<i64> = transaction.query_row(
            "SELECT max((SELECT coalesce(max(id), 0) FROM events), \
             coalesce((SELECT value FROM settings WHERE name = 'event_numbers_until'), 0))",
            [],
            |row| row.get(0),
        )?;
        let last_event_id = numbers.and_then(|number| u64::try_from(number).ok());
        let last_event_id = last_event_id.unwrap_or(0);
        // It may be killed before it has written anything.
        set_numbers(transaction, last_event_id.saturating_add(NUMBERS_AHEAD))?;
        Ok((run, last_event_id))
    })
    .map_err(|error| or_damage(RecorderError::of(file, error), &connection, file))?;
    Ok(Begun {
        connection,
        run,
        last_event_id,
    })
}

/// The gap since the run before, and the end of incidents that nobody saw end.
fn close_run_before(transaction: &Transaction<'_>, who: &Opened<'_>) -> rusqlite::Result<()> {
    let before = transaction.query_row(
        "SELECT last_ms, last_boot_ms, boot_id, end IS NOT NULL FROM runs ORDER BY id DESC LIMIT 1",
        [],
        |row| {
            let last = ClockReading {
                unix_ms: row.get(0)?,
                boot_ms: row.get(1)?,
            };
            let values: (ClockReading, String, bool) = (last, row.get(2)?, row.get(3)?);
            Ok(values)
        },
    );
    let (last, boot_id, was_stopped) = match before {
        Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(()),
        before => before?,
    };
    let last_ms = last.unix_ms;
    let reason = match (was_stopped, boot_id == who.boot_id) {
        (true, _) => GapReason::Stopped,
        (false, true) => GapReason::Killed,
        (false, false) => GapReason::HostDown,
    };
    let now_ms = who.at.unix_ms;
    // By a clock that says less than before nobody knows how long nothing was seen: what lies between
    // was, and comes twice.
    let gap = |from_ms, until_ms, reason| Gap {
        from_ms,
        until_ms,
        reason,
    };
    write_gap(transaction, &gap(last_ms.min(now_ms), now_ms, reason))?;
    if now_ms < last_ms {
        write_gap(transaction, &gap(now_ms, last_ms, GapReason::ClockStep))?;
    }
    let mut open =
        transaction.prepare("SELECT json, began_boot_ms FROM incidents WHERE ended_ms IS NULL")?;
    let open: Vec<(String, Option<i64>)> = open
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (json, began_boot_ms) in open {
        if let Ok(mut incident) = serde_json::from_str::<Incident>(&json) {
            end_unseen(&mut incident, last, began_boot_ms);
            end_incident(transaction, &incident)?;
        }
    }
    Ok(())
}

/// Ends an incident with the last that was seen of it. When it began since the host started tells how long it
/// lasted, and the wall clock only where that is not known: it may have been set meanwhile.
pub(crate) fn end_unseen(incident: &mut Incident, last: ClockReading, began_boot_ms: Option<i64>) {
    if incident.ended.is_none() {
        let by_wall = || {
            let began_ms = super::boot_time::milliseconds(&incident.began);
            last.unix_ms.saturating_sub(began_ms)
        };
        let lasted_ms = began_boot_ms.map_or_else(by_wall, |began_boot_ms| {
            last.boot_ms.saturating_sub(began_boot_ms)
        });
        #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
        let lasted = lasted_ms as f64 / 1_000.0;
        incident.duration_seconds = incident.duration_seconds.max(lasted);
    }
    incident.open = false;
    incident
        .ended
        .get_or_insert_with(|| rfc3339(i128::from(last.unix_ms) * 1_000_000));
    incident.end.get_or_insert(IncidentEnd::Unseen);
}

#[cfg(test)]
mod tests {
    use super::has_log;
    use rusqlite::{Connection, OpenFlags};

    /// `unix-none` and `unix-dotfile` are what SQLite has for file systems without locks: neither
    /// shares memory.
    #[test]
    fn a_file_system_without_shared_memory_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        for (vfs, expected) in [
            ("unix", true),
            ("unix-dotfile", false),
            ("unix-none", false),
        ] {
            let file = folder.path().join(vfs);
            let flags = OpenFlags::default();
            let connection = Connection::open_with_flags_and_vfs(&file, flags, vfs).unwrap();
            assert_eq!(has_log(&connection), Ok(expected), "{vfs}");
        }
    }
}
