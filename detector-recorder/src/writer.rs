//! The one writer.
//!
//! What is handed to [`Recorder::record`] is on the disk when it returns, all of it or nothing: one
//! transaction in a write-ahead log, synchronized at each commit.

mod boot_time;
mod full;
mod lack;
mod opening;
mod statements;

pub(crate) use opening::end_unseen;

use crate::error::RecorderError;
use crate::location::{self, Identity, WriterLock};
use crate::rows::{Card, ClockReading, Gap, HostSecond, Note, PeerSecond, WindowPoint};
use crate::tidy::{self, Limits};
use boot_time::Between;
use detector_api::snapshot::{Event, Incident};
use full::or_damage;
use lack::{Lack, prolong_lack};
use opening::{Begun, begin, begin_anew};
use rusqlite::{Connection, params};
use statements::{
    in_transaction, last_incident_ms, prolong_run, set_numbers, write_findings, write_samples,
};
use std::path::{Path, PathBuf};

/// Events that may be announced between two commits, of a flood, or while a disk does not answer for hours: their
/// numbers are taken before they are used, so that no number is given twice, whatever happens in between. A run
/// that ends well gives back what it has not used; so many can be killed that JSON has the number exactly.
const NUMBERS_AHEAD: u64 = 100_000_000;
/// Below this much free room on the file system only incidents, flags and notes are written.
const ROOM_FOR_SAMPLES: u64 = 32 << 20;
/// Between two looks whether a file that has no room is damaged, at least.
const BETWEEN_CHECKS_MS: i64 = 600_000;

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
    pub at: ClockReading,
}

/// Where numbers go on after earlier runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// The highest number that an event may have had.
    pub last_event_id: u64,
    /// The highest time that names or begins an incident, Unix milliseconds.
    pub last_incident_ms: i64,
}

/// What is to be recorded of one second.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// When.
    pub at: ClockReading,
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
    /// Whether there was too little room for samples.
    pub lacks_room: bool,
}

/// The writer.
#[derive(Debug)]
pub struct Recorder {
    connection: Connection,
    file: PathBuf,
    limits: Limits,
    run: i64,
    /// The highest number that an event may have had before this run, or is known to have had in it.
    last_event_id: u64,
    /// When the agent started, as it said when it opened the recorder.
    began: ClockReading,
    /// When it was written last, or the run began.
    written: ClockReading,
    /// The gap that goes on, while room is short.
    lack: Option<Lack>,
    /// When it was last looked whether the file is damaged, in milliseconds since the boot.
    checked_ms: Option<i64>,
    /// Where a damaged file is in whose place none could be made yet.
    aside: Option<PathBuf>,
    /// Another file of the name is not the one that is written.
    identity: Identity,
    /// `None` between two files only.
    lock: Option<WriterLock>,
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
        let (begun, aside) = begin(&file, limits, who)?;
        let recorder = Self {
            identity: Identity::of(&file),
            connection: begun.connection,
            file,
            limits,
            run: begun.run,
            last_event_id: begun.last_event_id,
            began: who.at,
            written: who.at,
            lack: None,
            checked_ms: None,
            aside: None,
            lock: Some(lock),
        };
        Ok((recorder, aside))
    }

    /// Goes on with a new file in place of one that was removed, perhaps with its folder, or that was set aside
    /// when no new one could be made; as [`Recorder::open`] otherwise. Numbers go on.
    ///
    /// # Errors
    ///
    /// As [`Recorder::open`].
    pub fn begin_again(&mut self, who: &Opened<'_>) -> Result<Option<PathBuf>, RecorderError> {
        self.close()?;
        self.identity.remove_log(&self.file)?;
        let folder = self.file.parent().unwrap_or(&self.file);
        location::make_folder(folder)?;
        // The lock may have gone with the folder; where it has not, it is ours and in our way.
        self.lock = None;
        self.lock = Some(WriterLock::take(folder)?);
        let (begun, aside) = begin(&self.file, self.limits, who)?;
        self.go_on_with(begun);
        let before = self.aside.take();
        Ok(aside.or(before))
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
                self.close()?;
                location::set_aside(&self.file)?
            }
        };
        match begin_anew(&self.file, self.limits, who) {
            Ok(begun) => {
                self.go_on_with(begun);
                Ok(aside)
            }
            Err(error) => {
                self.aside = Some(aside);
                Err(error)
            }
        }
    }

    /// Closing may take away the log by its name: nothing new may have that name by then.
    fn close(&mut self) -> Result<(), RecorderError> {
        let closed =
            Connection::open_in_memory().map_err(|error| RecorderError::of(&self.file, error))?;
        drop(std::mem::replace(&mut self.connection, closed));
        Ok(())
    }

    fn go_on_with(&mut self, begun: Begun) {
        self.connection = begun.connection;
        self.run = begun.run;
        self.lack = None;
        self.last_event_id = self.last_event_id.max(begun.last_event_id);
        self.identity = Identity::of(&self.file);
    }

    /// Where the numbers of this run begin.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn numbering(&self) -> Result<Numbering, RecorderError> {
        let last_incident_ms = last_incident_ms(&self.connection);
        Ok(Numbering {
            last_event_id: self.last_event_id,
            last_incident_ms: last_incident_ms
                .map_err(|error| RecorderError::of(&self.file, error))?,
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
    /// and the rest is written, with a gap that lasts until there is room.
    ///
    /// # Errors
    ///
    /// Nothing of the batch was written.
    pub fn record(&mut self, batch: &Batch) -> Result<Written, RecorderError> {
        // Writing on into a file without a name would be lost with this process.
        if !self.identity.is_at(&self.file) {
            return Err(RecorderError::Removed {
                path: self.file.clone(),
            });
        }
        let folder = self.file.parent().unwrap_or(&self.file);
        let has_room = location::free_bytes(folder).is_none_or(|free| free >= ROOM_FOR_SAMPLES);
        match self.commit(batch, has_room) {
            Err(RecorderError::Full { .. }) => {
                // The bound of the file, perhaps: deleting makes room within it.
                drop(self.tidy_once(batch.at));
                let written = self.commit(batch, false);
                written.map_err(|error| self.or_damage(error, batch.at))
            }
            written => written,
        }
    }

    /// Looks for it now and then only: a file system may have no room where it says that it has.
    fn or_damage(&mut self, error: RecorderError, now: ClockReading) -> RecorderError {
        let is_due = |at: i64| now.boot_ms.saturating_sub(at) >= BETWEEN_CHECKS_MS;
        if !self.checked_ms.is_none_or(is_due) {
            return error;
        }
        self.checked_ms = Some(now.boot_ms);
        or_damage(error, &self.connection, &self.file)
    }

    fn commit(&mut self, batch: &Batch, with_samples: bool) -> Result<Written, RecorderError> {
        let run = self.run;
        let newest = batch.events.iter().map(|event| event.id).max();
        let newest = self.last_event_id.max(newest.unwrap_or(0));
        let lack = self.lack;
        let between = Between::new([self.began, self.written], batch);
        let committed = in_transaction(&mut self.connection, |transaction| {
            let mut written = write_findings(transaction, run, batch, between)?;
            let samples = batch.samples();
            if with_samples {
                write_samples(transaction, run, batch)?;
                written.rows += samples;
            } else {
                written.samples_left_out = samples;
                written.lacks_room = true;
            }
            prolong_run(transaction, run, batch.at)?;
            set_numbers(transaction, newest.saturating_add(NUMBERS_AHEAD))?;
            // With each commit: nobody may be there to write it once there is room.
            let lack = prolong_lack(transaction, lack, batch.at, written.lacks_room)?;
            Ok((written, lack))
        });
        let (written, lack) = committed.map_err(|error| RecorderError::of(&self.file, error))?;
        self.lack = lack;
        self.last_event_id = newest;
        self.written = batch.at;
        Ok(written)
    }

    /// Thins and bounds, a little at a time; returns how many rows were deleted. To be called once
    /// in some seconds.
    ///
    /// # Errors
    ///
    /// Nothing was deleted.
    pub fn tidy(&mut self, now: ClockReading) -> Result<usize, RecorderError> {
        let tidied = self.tidy_once(now);
        tidied.map_err(|error| self.or_damage(error, now))
    }

    fn tidy_once(&mut self, now: ClockReading) -> Result<usize, RecorderError> {
        let limits = self.limits;
        // What is deleted need not be gone from the disk before the next batch is on it.
        let tidied = self.let_wait_for_disk(false).and_then(|()| {
            in_transaction(&mut self.connection, |transaction| {
                tidy::tidy(transaction, now, limits)
            })
        });
        let is_as_before = self.let_wait_for_disk(true);
        tidied
            .and_then(|deleted| is_as_before.map(|()| deleted))
            .map_err(|error| RecorderError::of(&self.file, error))
    }

    /// Whether a commit waits until it is on the disk.
    fn let_wait_for_disk(&self, waits: bool) -> rusqlite::Result<()> {
        let kind = if waits { "FULL" } else { "NORMAL" };
        self.connection.pragma_update(None, "synchronous", kind)
    }

    /// Ends the run: `last_event_id` is the newest number that an event had.
    ///
    /// # Errors
    ///
    /// The run will look as if it had been killed.
    pub fn end(mut self, at: ClockReading, last_event_id: u64) -> Result<(), RecorderError> {
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

#[cfg(test)]
mod tests;
