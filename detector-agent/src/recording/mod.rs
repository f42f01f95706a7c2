//! What the rest of the agent hands to the flight recorder, until the thread of `daemon/recorder` writes
//! it.
//!
//! In: notes from whoever acts, states of suspects' windows. Nobody ever waits for it. What it cannot
//! keep is counted.

mod timeline;

use crate::clock;
use crate::lock::{lock, whole};
use detector_api::sanitize;
use detector_api::text::oom_kill;
use detector_core::observe::observation::Observation;
use detector_recorder::{ClockReading, Note, NoteKind, OomKill};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;
use timeline::Timeline;

/// Notes that wait to be written.
const NOTES_MAX: usize = 1_024;

/// What the rest of the agent hands to the recorder; does nothing where none is kept.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    inbox: Mutex<Inbox>,
    changed: Condvar,
    timeline: Mutex<Timeline>,
    status: Mutex<RecorderStatus>,
    /// When the agents before this one started whose numbers of events go on here, RFC 3339.
    earlier_agents: Mutex<Vec<String>>,
    /// Numbers above the first and up to the second are of no event that can be shown.
    numbers_skipped: Mutex<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Inbox {
    notes: Vec<Note>,
    notes_lost: u64,
    /// Something is to be written before the second is over.
    is_urgent: bool,
    ends: bool,
}

/// How the recorder is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RecorderStatus {
    /// The file; `None` where none is kept.
    pub(crate) file: Option<String>,
    /// Why nothing is written at present.
    pub(crate) failure: Option<String>,
    /// Whether there is no file yet, but may be one soon.
    pub(crate) is_awaited: bool,
    /// What it has done.
    pub(crate) counts: RecorderCounts,
}

/// What the recorder has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RecorderCounts {
    pub(crate) bytes: u64,
    pub(crate) commits: u64,
    pub(crate) commit_seconds: f64,
    pub(crate) rows: u64,
    pub(crate) rows_deleted: u64,
    pub(crate) samples_left_out: u64,
    pub(crate) events_lost: u64,
    pub(crate) notes_lost: u64,
    pub(crate) gaps_lost: u64,
    pub(crate) points_lost: u64,
    pub(crate) failures: u64,
    pub(crate) files_set_aside: u64,
    pub(crate) last_commit_unix_seconds: f64,
}

impl Recording {
    /// Writes down something that happened; `text` may be hostile.
    pub(crate) fn note(&self, kind: NoteKind, peer: Option<&str>, text: &str) {
        self.put(Note {
            at: now(),
            kind,
            peer: peer.map(sanitize::text),
            text: sanitize::text(text),
            kill: None,
        });
    }

    /// Writes down a kill at once: the host may not live for another second. One that is told again, with
    /// more, has the same moment.
    pub(crate) fn note_kill(&self, at: ClockReading, kill: &OomKill) {
        self.put(Note {
            at,
            kind: NoteKind::OomKill,
            peer: None,
            text: sanitize::text(&oom_kill(kill)),
            kill: Some(kill.clone()),
        });
        self.hurry();
    }

    fn put(&self, note: Note) {
        let is_kept = {
            let status = self.lock_status();
            status.file.is_some() || status.is_awaited
        };
        if !is_kept {
            return;
        }
        let mut inbox = self.inbox();
        if inbox.notes.len() < NOTES_MAX {
            inbox.notes.push(note);
        } else {
            inbox.notes_lost += 1;
        }
    }

    /// Counts something that happened and is not written down.
    pub(crate) fn lose_note(&self) {
        self.inbox().notes_lost += 1;
    }

    /// Remembers how windows moved, in case one of them is flagged.
    pub(crate) fn watch(&self, observations: &[Observation]) {
        let mut timeline = self.timeline();
        for observation in observations {
            timeline.push(observation);
        }
    }

    /// Has what waits written at once.
    pub(crate) fn hurry(&self) {
        self.inbox().is_urgent = true;
        self.changed.notify_one();
    }

    /// Has the thread write what waits, and end.
    pub(crate) fn end(&self) {
        self.inbox().ends = true;
        self.changed.notify_one();
    }

    /// Whether one is kept.
    pub(crate) fn is_on(&self) -> bool {
        self.lock_status().file.is_some()
    }

    pub(crate) fn status(&self) -> RecorderStatus {
        self.lock_status().clone()
    }

    /// Whether events are numbered on from those of the agent that started then.
    pub(crate) fn goes_on_from(&self, agent: &str) -> bool {
        self.earlier_agents().iter().any(|earlier| earlier == agent)
    }

    /// Between events of earlier agents and those of this one there are none with these numbers: above the first,
    /// and up to the second.
    pub(crate) fn skip_numbers(&self, above: u64, until: u64) {
        *self.skipped() = (above, until);
    }

    /// How many numbers of events are between these two, the second one included, that were not skipped.
    pub(crate) fn numbers_between(&self, above: u64, until: u64) -> u64 {
        let (first, last) = *self.skipped();
        let skipped = last.min(until).saturating_sub(first.max(above));
        until.saturating_sub(above).saturating_sub(skipped)
    }

    fn skipped(&self) -> MutexGuard<'_, (u64, u64)> {
        lock(&self.numbers_skipped)
    }

    pub(crate) fn earlier_agents(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.earlier_agents)
    }

    /// Sleeps until something is urgent, or for so long; true if the thread is to end.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let inbox = self.inbox();
        let idle = |inbox: &mut Inbox| !inbox.is_urgent && !inbox.ends;
        let waited = self.changed.wait_timeout_while(inbox, patience, idle);
        let (mut inbox, _) = whole(waited);
        inbox.is_urgent = false;
        inbox.ends
    }

    pub(crate) fn take_notes(&self) -> (Vec<Note>, u64) {
        let mut inbox = self.inbox();
        (std::mem::take(&mut inbox.notes), inbox.notes_lost)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    pub(crate) fn timeline(&self) -> MutexGuard<'_, Timeline> {
        lock(&self.timeline)
    }

    pub(crate) fn lock_status(&self) -> MutexGuard<'_, RecorderStatus> {
        lock(&self.status)
    }
}

/// Now, by both clocks.
pub(crate) fn now() -> ClockReading {
    ClockReading {
        unix_ms: milliseconds(clock::unix_ns()),
        boot_ms: milliseconds(clock::boot_ns()),
    }
}

pub(crate) fn milliseconds(ns: i128) -> i64 {
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Recording, now};
    use detector_recorder::OomKill;
    use std::time::{Duration, Instant};

    #[test]
    fn a_kill_is_written_at_once() {
        let recording = Recording::default();
        recording.lock_status().is_awaited = true;
        recording.note_kill(now(), &OomKill::default());
        let began = Instant::now();
        assert!(!recording.wait(Duration::from_secs(60)));
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(recording.take_notes().0.len(), 1);
    }
}
