//! The one writer.
//!
//! What is handed to [`Recorder::record`] is on the disk when it returns, all of it or nothing: one
//! transaction in a write-ahead log, synchronized at each commit.

use crate::error::RecorderError;
use crate::location::{self, WriterLock};
use crate::rows::{Card, Gap, GapReason, HostSecond, Moment, Note, PeerSecond, WindowPoint};
use crate::schema;
use crate::tidy::{self, Limits};
use detector_api::snapshot::{Event, Incident, IncidentEnd};
use detector_api::time::{rfc3339, rfc3339_unix_ns};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Events that may be announced between two commits: their numbers are taken before they are used,
/// so that no number is given twice, whatever happens in between.
const NUMBERS_AHEAD: u64 = 10_000;
/// Below this much free room on the file system only incidents, flags and notes are written.
const ROOM_FOR_SAMPLES: u64 = 32 << 20;
/// How long a reader that copies the file may hold up a commit.
const BUSY: Duration = Duration::from_millis(500);
/// Pages in the log after which they are moved into the file: 4 MiB.
const CHECKPOINT_PAGES: i64 = 1_000;
const LOG_BYTES: i64 = 8 << 20;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// Name of the host.
    pub host: &'a str,
    /// The kernel's id of this start of the host (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: &'a str,
    /// Version of the agent.
    pub version: &'a str,
    /// Now.
    pub at: Moment,
}

/// Where numbers go on after earlier runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// The highest number that an event may have had.
    pub last_event_id: u64,
    /// When the newest incident began, Unix milliseconds.
    pub last_incident_ms: i64,
}

/// What is to be recorded of one second.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// When.
    pub at: Moment,
    /// The host.
    pub host: Option<HostSecond>,
    /// The peers that cost most.
    pub peers: Vec<PeerSecond>,
    /// What is known of peers that matter.
    pub cards: Vec<Card>,
    /// Events since the last batch.
    pub events: Vec<Event>,
    /// What else happened since then.
    pub notes: Vec<Note>,
    /// Incidents that changed since then.
    pub incidents: Vec<Incident>,
    /// How windows of suspects moved.
    pub windows: Vec<WindowPoint>,
    /// Spans in which nothing was seen.
    pub gaps: Vec<Gap>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows written.
    pub rows: u64,
    /// Rows of samples (host, peers, cards, windows) left out for want of room.
    pub samples_left_out: u64,
}

/// The writer.
#[derive(Debug)]
pub struct Recorder {
    connection: Connection,
    file: PathBuf,
    limits: Limits,
    run: i64,
    numbers_until: u64,
    /// Where a damaged file is in whose place none could be made yet.
    aside: Option<PathBuf>,
    _lock: WriterLock,
}

impl Recorder {
    /// Opens the recorder in `folder`, or makes it, and begins a run. A damaged one is set aside;
    /// the second value says where.
    ///
    /// # Errors
    ///
    /// Another writer, a newer schema, a network file system, no room, or no right to write.
    pub fn open(
        folder: &Path,
        limits: Limits,
        who: &Opened<'_>,
    ) -> Result<(Self, Option<PathBuf>), RecorderError> {
        let lock = WriterLock::take(folder)?;
        let file = folder.join(location::FILE_NAME);
        let begun =
            open_file(&file, limits).and_then(|connection| begin_run(connection, &file, who));
        let (begun, aside) = match begun {
            Err(error) if error.is_damage() => {
                let aside = location::set_aside(&file)?;
                (begin_anew(&file, limits, who)?, Some(aside))
            }
            begun => (begun?, None),
        };
        Ok((Self::new(begun, file, limits, lock), aside))
    }

    /// Sets the file aside, because writing it has shown that it is damaged, and goes on with a new
    /// one; says where the old one is now.
    ///
    /// # Errors
    ///
    /// As [`Recorder::open`].
    pub fn replace(&mut self, who: &Opened<'_>) -> Result<PathBuf, RecorderError> {
        // Once only: where the new file cannot be made, the next try must not set that aside, too, and
        // push the old one out.
        let aside = match self.aside.take() {
            Some(aside) => aside,
            None => {
                let closed = Connection::open_in_memory()
                    .map_err(|error| RecorderError::of(&self.file, error))?;
                drop(std::mem::replace(&mut self.connection, closed));
                location::set_aside(&self.file)?
            }
        };
        match begin_anew(&self.file, self.limits, who) {
            Ok(begun) => {
                self.connection = begun.connection;
                self.run = begun.run;
                Ok(aside)
            }
            Err(error) => {
                self.aside = Some(aside);
                Err(error)
            }
        }
    }

    fn new(begun: Begun, file: PathBuf, limits: Limits, lock: WriterLock) -> Self {
        Self {
            connection: begun.connection,
            file,
            limits,
            run: begun.run,
            numbers_until: begun.numbers_until,
            aside: None,
            _lock: lock,
        }
    }

    /// Where the numbers of this run begin.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn numbering(&self) -> Result<Numbering, RecorderError> {
        let last_incident_ms = self
            .connection
            .query_row("SELECT max(began_ms) FROM incidents", [], |row| {
                row.get::<_, Option<i64>>(0)
            })
            .map_err(|error| RecorderError::of(&self.file, error))?;
        Ok(Numbering {
            last_event_id: self.numbers_until,
            last_incident_ms: last_incident_ms.unwrap_or(0),
        })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Bytes of the file and its log.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        location::size_bytes(&self.file)
    }

    /// Writes a batch: it is on the disk when this returns. Where room is short, samples are left out
    /// and the rest is written.
    ///
    /// # Errors
    ///
    /// Nothing of the batch was written.
    pub fn record(&mut self, batch: &Batch) -> Result<Written, RecorderError> {
        let folder = self.file.parent().unwrap_or(&self.file);
        let has_room = location::free_bytes(folder).is_none_or(|free| free >= ROOM_FOR_SAMPLES);
        match self.commit(batch, has_room) {
            Err(RecorderError::Full { .. }) => {
                // The bound of the file, perhaps: deleting makes room within it.
                drop(self.tidy(batch.at.unix_ms));
                self.commit(batch, false)
            }
            written => written,
        }
    }

    fn commit(&mut self, batch: &Batch, with_samples: bool) -> Result<Written, RecorderError> {
        let run = self.run;
        let newest = batch.events.iter().map(|event| event.id).max().unwrap_or(0);
        let numbers_until = self.numbers_until.max(newest.saturating_add(NUMBERS_AHEAD));
        let written = in_transaction(&mut self.connection, |transaction| {
            let mut written = write_findings(transaction, run, batch)?;
            let samples = batch.samples();
            if with_samples {
                write_samples(transaction, run, batch)?;
                written.rows += samples;
            } else {
                written.samples_left_out = samples;
            }
            transaction.execute(
                "UPDATE runs SET last_ms = ?2, last_boot_ms = ?3 WHERE id = ?1",
                params![run, batch.at.unix_ms, batch.at.boot_ms],
            )?;
            set_numbers(transaction, numbers_until)?;
            Ok(written)
        });
        let written = written.map_err(|error| RecorderError::of(&self.file, error))?;
        self.numbers_until = numbers_until;
        Ok(written)
    }

    /// Thins and bounds, a little at a time; returns how many rows were deleted. To be called once
    /// in some seconds.
    ///
    /// # Errors
    ///
    /// Nothing was deleted.
    pub fn tidy(&mut self, now_ms: i64) -> Result<usize, RecorderError> {
        let limits = self.limits;
        in_transaction(&mut self.connection, |transaction| {
            tidy::tidy(transaction, now_ms, limits)
        })
        .map_err(|error| RecorderError::of(&self.file, error))
    }

    /// Ends the run: `last_event_id` is the newest number that an event had.
    ///
    /// # Errors
    ///
    /// The run will look as if it had been killed.
    pub fn end(mut self, at: Moment, last_event_id: u64) -> Result<(), RecorderError> {
        let run = self.run;
        in_transaction(&mut self.connection, |transaction| {
            transaction.execute(
                "UPDATE runs SET last_ms = ?2, last_boot_ms = ?3, end = 'stopped' WHERE id = ?1",
                params![run, at.unix_ms, at.boot_ms],
            )?;
            set_numbers(transaction, last_event_id)
        })
        .map_err(|error| RecorderError::of(&self.file, error))
    }
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples() + self.findings() == 0
    }

    /// Drops what is left out first where room is short; returns how many rows that would have been.
    pub fn drop_samples(&mut self) -> u64 {
        let samples = self.samples();
        self.host = None;
        self.peers.clear();
        self.cards.clear();
        self.windows.clear();
        samples
    }

    /// Rows that are left out first where room is short.
    fn samples(&self) -> u64 {
        let host = usize::from(self.host.is_some());
        (host + self.peers.len() + self.cards.len() + self.windows.len()) as u64
    }

    fn findings(&self) -> u64 {
        let events = self.events.len() + self.notes.len();
        (events + self.incidents.len() + self.gaps.len()) as u64
    }
}

/// A run that has begun.
struct Begun {
    connection: Connection,
    run: i64,
    numbers_until: u64,
}

/// Begins a new file in place of a damaged one that was set aside.
fn begin_anew(file: &Path, limits: Limits, who: &Opened<'_>) -> Result<Begun, RecorderError> {
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
    schema::find(&connection, file)?;
    set_up(&connection, limits).map_err(failed)?;
    Ok(connection)
}

fn set_up(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let page_bytes =
        connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?;
    let pages = i64::try_from(limits.bytes).unwrap_or(i64::MAX) / page_bytes.max(1);
    connection.pragma_update(None, "max_page_count", pages)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn in_transaction<T>(
    connection: &mut Connection,
    act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = act(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Begins a run: brings the schema up to date, and says what happened since the run before.
fn begin_run(
    mut connection: Connection,
    file: &Path,
    who: &Opened<'_>,
) -> Result<Begun, RecorderError> {
    let found = schema::find(&connection, file)?;
    let (run, numbers_until) = in_transaction(&mut connection, |transaction| {
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
        Ok((
            run,
            numbers
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or(0),
        ))
    })
    .map_err(|error| RecorderError::of(file, error))?;
    Ok(Begun {
        connection,
        run,
        numbers_until,
    })
}

/// The gap since the run before, and the end of incidents that nobody saw end.
fn close_run_before(transaction: &Transaction<'_>, who: &Opened<'_>) -> rusqlite::Result<()> {
    let before = transaction.query_row(
        "SELECT last_ms, boot_id, end IS NOT NULL FROM runs ORDER BY id DESC LIMIT 1",
        [],
        |row| {
            let values: (i64, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(values)
        },
    );
    let (last_ms, boot_id, was_stopped) = match before {
        Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(()),
        before => before?,
    };
    let reason = match (was_stopped, boot_id == who.boot_id) {
        (true, _) => GapReason::Stopped,
        (false, true) => GapReason::Killed,
        (false, false) => GapReason::HostDown,
    };
    let gap = Gap {
        from_ms: last_ms.min(who.at.unix_ms),
        until_ms: last_ms.max(who.at.unix_ms),
        reason,
    };
    write_gap(transaction, &gap)?;
    let mut open = transaction.prepare("SELECT json FROM incidents WHERE ended_ms IS NULL")?;
    let open: Vec<String> = open
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for json in open {
        if let Ok(mut incident) = serde_json::from_str::<Incident>(&json) {
            end_unseen(&mut incident, last_ms);
            write_incident(transaction, None, &incident)?;
        }
    }
    Ok(())
}

/// Ends an incident with the last that was seen of it.
pub(crate) fn end_unseen(incident: &mut Incident, last_ms: i64) {
    let last = rfc3339(i128::from(last_ms) * 1_000_000);
    if incident.ended.is_none() {
        #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
        let lasted = last_ms.saturating_sub(milliseconds(&incident.began)) as f64 / 1_000.0;
        incident.duration_seconds = incident.duration_seconds.max(lasted);
    }
    incident.open = false;
    incident.ended.get_or_insert(last);
    incident.end.get_or_insert(IncidentEnd::Unseen);
}

fn set_numbers(transaction: &Transaction<'_>, until: u64) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO settings (name, value) VALUES ('event_numbers_until', ?1) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
        [i64::try_from(until).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

fn write_gap(transaction: &Transaction<'_>, gap: &Gap) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO gaps (from_ms, until_ms, reason) VALUES (?1, ?2, ?3)")?
        .execute(params![gap.from_ms, gap.until_ms, gap.reason])?;
    Ok(())
}

/// Unix milliseconds of a time that the core wrote.
fn milliseconds(time: &str) -> i64 {
    let ns = rfc3339_unix_ns(time).unwrap_or(0);
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// `run` is `None` for one of an earlier run, which keeps its number.
fn write_incident(
    transaction: &Transaction<'_>,
    run: Option<i64>,
    incident: &Incident,
) -> rusqlite::Result<()> {
    let ended = (!incident.open).then(|| incident.ended.as_deref().map(milliseconds));
    transaction
        .prepare_cached(
            "INSERT INTO incidents (id, run, began_ms, ended_ms, json) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET ended_ms = excluded.ended_ms, json = excluded.json",
        )?
        .execute(params![
            incident.id,
            run.unwrap_or(0),
            milliseconds(&incident.began),
            ended.flatten(),
            json(incident)?
        ])?;
    Ok(())
}

/// What is written before all else: incidents, events, notes and gaps.
fn write_findings(
    transaction: &Transaction<'_>,
    run: i64,
    batch: &Batch,
) -> rusqlite::Result<Written> {
    for incident in &batch.incidents {
        write_incident(transaction, Some(run), incident)?;
    }
    for gap in &batch.gaps {
        write_gap(transaction, gap)?;
    }
    for event in &batch.events {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO events (id, run, time_ms, kind, severity, peer, json) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                i64::try_from(event.id).unwrap_or(i64::MAX),
                run,
                milliseconds(&event.time),
                event.kind().label(),
                event.severity.label(),
                event.peer,
                json(event)?
            ])?;
    }
    for note in &batch.notes {
        transaction
            .prepare_cached(
                "INSERT INTO notes (run, time_ms, boot_ms, kind, peer, text) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                run,
                note.at.unix_ms,
                note.at.boot_ms,
                note.kind,
                note.peer,
                note.text
            ])?;
    }
    Ok(Written {
        rows: batch.findings(),
        ..Written::default()
    })
}

/// What is left out first where room is short.
fn write_samples(transaction: &Transaction<'_>, run: i64, batch: &Batch) -> rusqlite::Result<()> {
    if let Some(host) = &batch.host {
        write_second(transaction, run, batch, host)?;
    }
    for card in &batch.cards {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO cards (peer, time_ms, boot_ms, json) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                card.peer().peer,
                card.at.unix_ms,
                card.at.boot_ms,
                json(&card.detail)?
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
                "INSERT INTO peer_seconds (second, place, peer, verdict, stalled_connections, \
                 pinned_bytes, zero_window_episodes, window_shrinks, bytes_acked_per_second) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                second,
                place,
                peer.peer,
                peer.verdict,
                peer.stalled_connections,
                peer.pinned_bytes,
                peer.zero_window_episodes,
                peer.window_shrinks,
                peer.bytes_acked_per_second
            ])?;
    }
    Ok(())
}
