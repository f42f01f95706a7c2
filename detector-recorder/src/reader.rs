//! Reads a recorder: while the agent writes it, after it died, or a copy on another machine. Writes
//! nothing, into no file. A file may come from anywhere: every string is sanitized here.

mod bounded;
mod events;
mod hoard;
mod notes;
mod seconds;

pub use events::EventsWanted;
pub use hoard::{HoardSecond, HoardSeconds, HoardWanted};
pub use seconds::{Second, Step};

use crate::error::{RecorderError, io_error};
use crate::location::{file_in, is_written, length_beside};
use crate::rows::{Card, ClockReading, Gap, PeerPeak, Run, WindowPoint};
use crate::schema::{self, Found};
use crate::writer::end_unseen;
use bounded::{NAMES, POINTS, SPANS, Steps};
use detector_api::address::network_of;
use detector_api::sanitize;
use detector_api::snapshot::Incident;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OpenFlags, Params, Row, params};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// How long the writer may be in the way.
const BUSY: Duration = Duration::from_secs(2);

/// A span of the wall clock in Unix milliseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its begin.
    pub from_ms: i64,
    /// Its end.
    pub until_ms: i64,
}

impl Span {
    /// All times.
    pub const ALL: Self = Self {
        from_ms: i64::MIN,
        until_ms: i64::MAX,
    };
}

/// An open recorder.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    steps: Steps,
    file: PathBuf,
    /// Of its schema.
    version: i64,
    is_written: bool,
    not_understood: Cell<u64>,
    /// See [`Reader::lacks_rows`].
    lacks_rows: Cell<bool>,
}

impl Reader {
    /// Opens the recorder that `path` means: a file, or the folder that it lies in.
    ///
    /// # Errors
    ///
    /// There is none, it is not ours, newer, damaged, or may not be read.
    pub fn open(path: &Path) -> Result<Self, RecorderError> {
        let file = file_in(path);
        // Opening a pipe would wait for whoever writes it.
        let is_other = std::fs::metadata(&file).is_ok_and(|metadata| !metadata.is_file());
        if is_other {
            return Err(RecorderError::Foreign { path: file });
        }
        match std::fs::File::open(&file) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RecorderError::Missing { path: file });
            }
            Err(error) => return Err(io_error("read", &file)(error)),
        }
        let is_written = is_written(&file);
        let (connection, steps) = connect(&file, is_written)?;
        let version = match schema::find(&connection, &file)? {
            Found::Version(version) => {
                schema::refuse_others(&connection, version, &file)?;
                version
            }
            Found::Empty => return Err(RecorderError::Missing { path: file }),
        };
        Ok(Self {
            connection,
            steps,
            file,
            version,
            is_written,
            not_understood: Cell::new(0),
            lacks_rows: Cell::new(false),
        })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether an agent writes it at this moment.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        self.is_written
    }

    /// Rows left out so far because this version does not understand them.
    #[must_use]
    pub const fn not_understood(&self) -> u64 {
        self.not_understood.get()
    }

    /// The object in a row; `None`, counted, for what this version does not understand.
    fn understood<T: serde::de::DeserializeOwned>(&self, json: &str) -> Option<T> {
        let object = serde_json::from_slice(&sanitize::json_text(json.as_bytes())).ok();
        let missed = u64::from(object.is_none());
        self.not_understood
            .set(self.not_understood.get().saturating_add(missed));
        object
    }

    /// The runs of agents, oldest first; the newest, where there are very many, as of all that follow.
    ///
    /// # Errors
    ///
    /// The file is damaged; so for all that follow.
    pub fn runs(&self) -> Result<Vec<Run>, RecorderError> {
        self.newest(
            "SELECT id, host, boot_id, version, began_ms, began_boot_ms, last_ms, last_boot_ms, \
             end IS NOT NULL FROM runs ORDER BY id DESC",
            SPANS,
            [],
            |row| {
                Ok(Run {
                    id: row.get(0)?,
                    host: text(row, 1)?,
                    boot_id: text(row, 2)?,
                    version: text(row, 3)?,
                    began: moment(row, 4)?,
                    last: moment(row, 6)?,
                    was_stopped: row.get(8)?,
                })
            },
        )
    }

    /// Spans in which nothing was seen, oldest first.
    pub fn gaps(&self, span: Span) -> Result<Vec<Gap>, RecorderError> {
        self.newest(
            "SELECT from_ms, until_ms, reason FROM gaps \
             WHERE until_ms >= ?1 AND from_ms <= ?2 ORDER BY id DESC",
            SPANS,
            params![span.from_ms, span.until_ms],
            |row| {
                Ok(Gap {
                    from_ms: row.get(0)?,
                    until_ms: row.get(1)?,
                    reason: label(row, 2)?,
                })
            },
        )
    }

    /// Incidents that went on in the span, oldest first. One that nobody saw end is told as ended
    /// with the last that was seen, unless an agent is at it now.
    pub fn incidents(&self, span: Span) -> Result<Vec<Incident>, RecorderError> {
        self.incidents_where(
            // Its end lies before its begin where the clock was set back within it.
            "min(began_ms, coalesce(ended_ms, began_ms)) <= ?2 \
             AND max(began_ms, coalesce(ended_ms, ?2)) >= ?1",
            params![span.from_ms, span.until_ms],
        )
    }

    /// The incident of this id.
    pub fn incident(&self, id: &str) -> Result<Option<Incident>, RecorderError> {
        Ok(self.incidents_where("id = ?1", params![id])?.pop())
    }

    fn incidents_where(
        &self,
        condition: &str,
        values: impl Params,
    ) -> Result<Vec<Incident>, RecorderError> {
        let began_boot_ms = self.column("incidents", "began_boot_ms");
        let rows: Vec<(String, bool, ClockReading, Option<i64>)> = self.newest(
            &format!(
                "SELECT json, ended_ms IS NULL, coalesce((SELECT last_ms FROM runs WHERE id = run), 0), \
                 coalesce((SELECT last_boot_ms FROM runs WHERE id = run), 0), {began_boot_ms} \
                 FROM incidents WHERE {condition} ORDER BY began_ms DESC, id DESC"
            ),
            SPANS,
            values,
            |row| Ok((row.get(0)?, row.get(1)?, moment(row, 2)?, row.get(4)?)),
        )?;
        let view =
            |(json, is_open, last, began_boot_ms): (String, bool, ClockReading, Option<i64>)| {
                let mut incident: Incident = self.understood(&json)?;
                if is_open && !self.is_written {
                    end_unseen(&mut incident, last, began_boot_ms);
                }
                Some(incident)
            };
        Ok(rows.into_iter().filter_map(view).collect())
    }

    /// The newest of what was known of the peer that `name` means: as it is written, or any address in
    /// its network.
    pub fn card(&self, name: &str) -> Result<Option<Card>, RecorderError> {
        let exact = self.cards_where("peer = ?1", params![name])?.pop();
        if exact.is_some() {
            return Ok(exact);
        }
        let Some(wanted) = network_of(name) else {
            return Ok(None);
        };
        let mut near = self.cards(Span::ALL)?;
        near.retain(|card| {
            network_of(&card.peer().peer).is_some_and(|network| network.contains(&wanted))
        });
        Ok(near.pop())
    }

    /// What was known of peers that were seen in the span, the one that was seen last at the end.
    pub fn cards(&self, span: Span) -> Result<Vec<Card>, RecorderError> {
        self.cards_where(
            "time_ms BETWEEN ?1 AND ?2",
            params![span.from_ms, span.until_ms],
        )
    }

    fn cards_where(
        &self,
        condition: &str,
        values: impl Params,
    ) -> Result<Vec<Card>, RecorderError> {
        let thresholds = self.column("cards", "thresholds");
        let rows: Vec<(ClockReading, String, Option<String>)> = self.newest(
            &format!(
                "SELECT time_ms, boot_ms, json, {thresholds} FROM cards WHERE {condition} \
                 ORDER BY time_ms DESC, rowid DESC"
            ),
            NAMES,
            values,
            |row| Ok((moment(row, 0)?, row.get(2)?, row.get(3)?)),
        )?;
        let view = |(at, json, thresholds): (ClockReading, String, Option<String>)| {
            Some(Card {
                at,
                detail: self.understood(&json)?,
                thresholds: thresholds.and_then(|json| self.understood(&json)),
            })
        };
        Ok(rows.into_iter().filter_map(view).collect())
    }

    /// What each peer held at its worst, each number by itself; the most costly first. Only of
    /// seconds in which the peer was among the most costly of its host.
    pub fn peer_peaks(&self, span: Span) -> Result<Vec<PeerPeak>, RecorderError> {
        let workers = self.column("peer_seconds", "held_workers");
        self.first(
            &format!(
                "SELECT p.peer, max(p.stalled_connections), max(p.pinned_bytes), max({workers}) \
                 FROM peer_seconds p \
                 JOIN (SELECT id, time_ms FROM host_seconds) h ON h.id = p.second \
                 WHERE h.time_ms BETWEEN ?1 AND ?2 \
                 GROUP BY p.peer ORDER BY max(p.pinned_bytes) DESC, p.peer"
            ),
            NAMES,
            params![span.from_ms, span.until_ms],
            peak,
        )
    }

    /// How the windows of a peer's connections moved, oldest first.
    pub fn windows(&self, peer: &str, span: Span) -> Result<Vec<WindowPoint>, RecorderError> {
        self.newest(
            "SELECT time_ms, boot_ms, peer, local, remote, snd_una, snd_nxt, edge, edge_max, \
             window_bytes, queued_bytes FROM windows \
             WHERE peer = ?1 AND time_ms BETWEEN ?2 AND ?3 ORDER BY id DESC",
            POINTS,
            params![peer, span.from_ms, span.until_ms],
            |row| {
                Ok(WindowPoint {
                    at: moment(row, 0)?,
                    peer: text(row, 2)?,
                    local: text(row, 3)?,
                    remote: text(row, 4)?,
                    snd_una: row.get(5)?,
                    snd_nxt: row.get(6)?,
                    edge: row.get(7)?,
                    edge_max: row.get(8)?,
                    window_bytes: row.get(9)?,
                    queued_bytes: row.get(10)?,
                })
            },
        )
    }

    /// How a query asks for a column that older files may not have.
    fn column(&self, table: &str, name: &'static str) -> &'static str {
        schema::column(self.version, table, name)
    }
}

/// A file with a log is read with it. Nothing beside it is written or made: an index of the log is only read, and where
/// there is none, or nobody keeps it, it is made in our own memory. A file without a log and a writer is read as it is.
fn connect(file: &Path, is_written: bool) -> Result<(Connection, Steps), RecorderError> {
    let failed = |error| RecorderError::of(file, error);
    // What is beside it is beside what it is a link to.
    let real = file.canonicalize().map_err(io_error("look at", file))?;
    let log = length_beside(&real, "-wal")?;
    // None of an agent's, but SQLite would open it.
    length_beside(&real, "-journal")?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let open = |how: &str| {
        let mut connection = Connection::open_with_flags(uri(&real, how), flags)?;
        let steps = Steps::bound(&mut connection, &real)?;
        Ok((connection, steps))
    };
    let has_log = log.is_some_and(|length| is_written || length > 0);
    let connection = if !has_log {
        open("immutable=1")
    } else if length_beside(&real, "-shm")?.is_some() {
        open("readonly_shm=1")
    } else {
        open("vfs=unix-none").and_then(|(connection, steps)| {
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            Ok((connection, steps))
        })
    };
    let (connection, steps) = connection.map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    bounded::limit(&connection).map_err(failed)?;
    connection
        .pragma_update(None, "trusted_schema", false)
        .map_err(failed)?;
    Ok((connection, steps))
}

/// The file as a URI that says how to open it.
fn uri(file: &Path, how: &str) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut uri = "file:".to_owned();
    for &byte in file.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Into memory: this cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?" + how
}

/// A peer, and the most that it held.
fn peak(row: &Row<'_>) -> rusqlite::Result<PeerPeak> {
    Ok(PeerPeak {
        peer: text(row, 0)?,
        stalled_connections: row.get(1)?,
        pinned_bytes: row.get(2)?,
        held_workers: row.get(3)?,
    })
}

fn moment(row: &Row<'_>, first: usize) -> rusqlite::Result<ClockReading> {
    Ok(ClockReading {
        unix_ms: row.get(first)?,
        boot_ms: row.get(first + 1)?,
    })
}

/// A word of a closed list.
fn label<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let word = row.get_ref(column)?.as_str()?.parse();
    word.map_err(|_| FromSqlError::InvalidType.into())
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(sanitize::text(row.get_ref(column)?.as_str()?))
}

fn optional_text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let value = row.get_ref(column)?.as_str_or_null()?;
    Ok(value.map(sanitize::text))
}
