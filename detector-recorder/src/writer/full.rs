//! Tells a damaged file from one that has no room.

use super::ROOM_FOR_SAMPLES;
use crate::error::RecorderError;
use crate::location;
use rusqlite::Connection;
use std::path::Path;

/// Pages that a batch adds at most: with room for more, the bound of the file is not in its way.
const PAGES_OF_BATCH: i64 = 1_024;

/// The error, or that the file is damaged. SQLite also says that no room is left of a page that lies beyond what
/// the file may hold, and only a damaged file leads to one. Reads the whole file, if there is room for it to grow.
pub(super) fn or_damage(
    error: RecorderError,
    connection: &Connection,
    file: &Path,
) -> RecorderError {
    if !matches!(error, RecorderError::Full { .. }) || !may_grow(connection, file) {
        return error;
    }
    let checked = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match checked.map_err(|error| RecorderError::of(file, error)) {
        Ok(found) if found == "ok" => error,
        Ok(found) => RecorderError::Damaged {
            path: file.to_owned(),
            reason: found,
        },
        Err(found) if found.is_damage() => found,
        Err(_) => error,
    }
}

fn may_grow(connection: &Connection, file: &Path) -> bool {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (Ok(pages), Ok(most)) = (number("page_count"), number("max_page_count")) else {
        return false;
    };
    let folder = file.parent().unwrap_or(file);
    pages.saturating_add(PAGES_OF_BATCH) <= most
        && location::free_bytes(folder).is_some_and(|free| free >= ROOM_FOR_SAMPLES)
}
