//! The gap of a disk without room, which is in the file while it goes on.

use super::statements::write_gap;
use crate::rows::{ClockReading, Gap};
use detector_api::recorded::GapReason;
use rusqlite::Transaction;

/// The gap of a disk without room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lack {
    /// Its row,
    row: i64,
    /// which ends here so far.
    until: ClockReading,
}

/// A lack whose end is older than this does not go on: what was not even tried to be written since is told by
/// whoever could not write it.
const GOES_ON_MS: i64 = 5_000;

impl Lack {
    const fn goes_on_until(&self, at: ClockReading) -> bool {
        at.boot_ms.saturating_sub(self.until.boot_ms) <= GOES_ON_MS
    }
}

/// Room is short until now: a new gap, or this one goes on; `None` where it is over and told. Where the wall
/// clock was set meanwhile another begins: what lies between was recorded, or has never been.
pub(super) fn prolong_lack(
    transaction: &Transaction<'_>,
    lack: Option<Lack>,
    at: ClockReading,
    lacks_room: bool,
) -> rusqlite::Result<Option<Lack>> {
    let lack = lack.filter(|lack| lack.goes_on_until(at));
    let row = match lack {
        None if !lacks_room => return Ok(None),
        Some(lack) if !lack.until.is_set_until(at) => {
            transaction
                .prepare_cached(
                    "UPDATE gaps SET from_ms = min(from_ms, ?2), until_ms = max(until_ms, ?2) \
                     WHERE id = ?1",
                )?
                .execute([lack.row, at.unix_ms])?;
            lack.row
        }
        lack => {
            let passed_ms = lack.map_or(0, |lack| at.boot_ms.saturating_sub(lack.until.boot_ms));
            let gap = Gap {
                from_ms: at.unix_ms.saturating_sub(passed_ms.max(0)),
                until_ms: at.unix_ms,
                reason: GapReason::DiskFull,
            };
            write_gap(transaction, &gap)?;
            transaction.last_insert_rowid()
        }
    };
    Ok(lacks_room.then_some(Lack { row, until: at }))
}
