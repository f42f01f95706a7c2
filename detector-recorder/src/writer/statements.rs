//! The statements that write a batch, row by row.

use super::boot_time::{Between, lasted_ms, milliseconds};
use super::{Batch, Written};
use crate::rows::{ClockReading, Gap, HostSecond, Note};
use detector_api::snapshot::Incident;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = act(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

pub(super) fn set_numbers(transaction: &Transaction<'_>, until: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO settings (name, value) VALUES ('event_numbers_until', ?1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
        )?
        .execute([i64::try_from(until).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// The run has gone on until now.
pub(super) fn prolong_run(
    transaction: &Transaction<'_>,
    run: i64,
    at: ClockReading,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE runs SET last_ms = ?2, last_boot_ms = ?3 WHERE id = ?1")?
        .execute(params![run, at.unix_ms, at.boot_ms])?;
    Ok(())
}

pub(super) fn write_gap(transaction: &Transaction<'_>, gap: &Gap) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO gaps (from_ms, until_ms, reason) VALUES (?1, ?2, ?3)")?
        .execute(params![gap.from_ms, gap.until_ms, gap.reason.label()])?;
    Ok(())
}

/// After which moment an incident may be named so that no earlier one has its name: they are named after
/// their begin, but go on after each other where the clock was set back.
pub(super) fn last_incident_ms(connection: &Connection) -> rusqlite::Result<i64> {
    let query = "SELECT max(began_ms), max(id) FILTER (WHERE id GLOB '[0-9]*T*Z') FROM incidents";
    let (began_ms, id): (Option<i64>, Option<String>) =
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let named_ms = id.as_deref().and_then(|id| {
        let part = |range| id.get(range);
        let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
        let (hour, minute, second) = (part(9..11)?, part(11..13)?, id.get(13..)?);
        Some(milliseconds(&format!(
            "{year}-{month}-{day}T{hour}:{minute}:{second}"
        )))
    });
    Ok(began_ms.max(named_ms).unwrap_or(0))
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// When it ended by the clock that never steps is told by how long it lasted: it is closed a minute later, and
/// the wall clock may have been set by then.
fn write_incident(
    transaction: &Transaction<'_>,
    run: i64,
    incident: &Incident,
    between: Between,
) -> rusqlite::Result<()> {
    let ended = incident.ended.as_deref().filter(|_| !incident.open);
    transaction
        .prepare_cached(
            "INSERT INTO incidents (id, run, began_ms, began_boot_ms, ended_ms, ended_boot_ms, json) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?4 + ?6, ?7) ON CONFLICT (id) DO UPDATE SET \
             ended_ms = excluded.ended_ms, ended_boot_ms = began_boot_ms + ?6, json = excluded.json",
        )?
        .execute(params![
            incident.id,
            run,
            milliseconds(&incident.began),
            between.began_boot_ms(incident),
            ended.map(milliseconds),
            ended.map(|_| lasted_ms(incident)),
            json(incident)?
        ])?;
    Ok(())
}

/// One of an earlier run that nobody saw end, told as ended by now.
pub(super) fn end_incident(
    transaction: &Transaction<'_>,
    incident: &Incident,
) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE incidents SET ended_ms = ?2, ended_boot_ms = began_boot_ms + ?3, json = ?4 \
         WHERE id = ?1",
        params![
            incident.id,
            incident.ended.as_deref().map(milliseconds),
            lasted_ms(incident),
            json(incident)?
        ],
    )?;
    Ok(())
}

/// What is written before all else: incidents, events, notes and gaps.
pub(super) fn write_findings(
    transaction: &Transaction<'_>,
    run: i64,
    batch: &Batch,
    between: Between,
) -> rusqlite::Result<Written> {
    for incident in &batch.incidents {
        write_incident(transaction, run, incident, between)?;
    }
    for gap in &batch.gaps {
        write_gap(transaction, gap)?;
    }
    for event in &batch.events {
        let time_ms = milliseconds(&event.time);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO events (id, run, time_ms, boot_ms, kind, severity, peer, json) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                i64::try_from(event.id).unwrap_or(i64::MAX),
                run,
                time_ms,
                between.boot_ms(time_ms),
                event.kind().label(),
                event.severity.label(),
                event.peer,
                json(event)?
            ])?;
    }
    for note in &batch.notes {
        write_note(transaction, run, note)?;
    }
    Ok(Written {
        rows: batch.findings(),
        ..Written::default()
    })
}

/// A new note, or more about a kill that is noted already: of one kill the moment stays the same.
fn write_note(transaction: &Transaction<'_>, run: i64, note: &Note) -> rusqlite::Result<()> {
    let kill = note.kill.as_ref().map(json).transpose()?;
    if let Some(kill) = &note.kill {
        let told = transaction
            .prepare_cached(
                "UPDATE notes SET text = ?5, json = ?6 WHERE run = ?1 AND time_ms = ?2 \
                 AND boot_ms = ?3 AND kind = 'oom-kill' AND json_extract(json, '$.pid') IS ?4",
            )?
            .execute(params![
                run,
                note.at.unix_ms,
                note.at.boot_ms,
                kill.pid.and_then(|pid| i64::try_from(pid).ok()),
                note.text,
                json(kill)?
            ])?;
        if told > 0 {
            return Ok(());
        }
    }
    transaction
        .prepare_cached(
            "INSERT INTO notes (run, time_ms, boot_ms, kind, peer, text, json) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            run,
            note.at.unix_ms,
            note.at.boot_ms,
            note.kind.label(),
            note.peer,
            note.text,
            kill
        ])?;
    Ok(())
}

/// What is left out first where room is short.
pub(super) fn write_samples(
    transaction: &Transaction<'_>,
    run: i64,
    batch: &Batch,
) -> rusqlite::Result<()> {
    if let Some(host) = &batch.host {
        write_second(transaction, run, batch, host)?;
    }
    for card in &batch.cards {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO cards (peer, time_ms, boot_ms, json, thresholds) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                card.peer().peer,
                card.at.unix_ms,
                card.at.boot_ms,
                json(&card.detail)?,
                card.thresholds.as_ref().map(json).transpose()?
            ])?;
    }
    for point in &batch.windows {
        transaction
            .prepare_cached(
                "INSERT INTO windows (time_ms, boot_ms, peer, local, remote, snd_una, snd_nxt, \
                 edge, edge_max, window_bytes, queued_bytes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                point.at.unix_ms,
                point.at.boot_ms,
                point.peer,
                point.local,
                point.remote,
                point.snd_una,
                point.snd_nxt,
                point.edge,
                point.edge_max,
                point.window_bytes,
                point.queued_bytes
            ])?;
    }
    Ok(())
}

fn write_second(
    transaction: &Transaction<'_>,
    run: i64,
    batch: &Batch,
    host: &HostSecond,
) -> rusqlite::Result<()> {
    let columns = HostSecond::COLUMNS;
    let places: Vec<_> = (4..4 + columns.len())
        .map(|place| format!("?{place}"))
        .collect();
    let insert = format!(
        "INSERT INTO host_seconds (span, run, time_ms, boot_ms, {}) VALUES (1, ?1, ?2, ?3, {})",
        columns.join(", "),
        places.join(", ")
    );
    let mut values: Vec<&dyn rusqlite::ToSql> = vec![&run, &batch.at.unix_ms, &batch.at.boot_ms];
    values.extend(host.values());
    transaction.prepare_cached(&insert)?.execute(&*values)?;
    let second = transaction.last_insert_rowid();
    for (place, peer) in (1_i64..).zip(&batch.peers) {
        transaction
            .prepare_cached(
                "INSERT INTO peer_seconds (second, place, peer, verdict, severity, \
                 stalled_connections, pinned_bytes, zero_window_episodes, window_shrinks_polite, \
                 window_shrinks_below_flight, window_shrinks_treason, bytes_acked_per_second, \
                 held_workers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                second,
                place,
                peer.peer,
                peer.verdict,
                peer.severity,
                peer.stalled_connections,
                peer.pinned_bytes,
                peer.zero_window_episodes,
                peer.window_shrinks_polite,
                peer.window_shrinks_below_flight,
                peer.window_shrinks_treason,
                peer.bytes_acked_per_second,
                peer.held_workers
            ])?;
    }
    Ok(())
}
