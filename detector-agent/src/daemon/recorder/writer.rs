//! Writes the recorder: once a second, and at once when an incident opens.

mod lack;

use super::gaps_between;
use super::opening::{Begun, Identity};
use super::second::{PEERS_AT_INCIDENT, peer_second, second};
use crate::clock;
use crate::daemon::incident_log::IncidentLog;
use crate::recording::{RecorderCounts, milliseconds, now};
use crate::state::AgentState;
use detector_api::snapshot::{
    Event, EventType, Incident, IncidentKind, PeerDetail, Thresholds, Verdict,
};
use detector_recorder::{Batch, Card, ClockReading, Note, NoteKind, PEERS_EACH_SECOND, Recorder};
use lack::Lack;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two seconds.
const SECOND: Duration = Duration::from_secs(1);
/// Between two calls that keep the bounds.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// The same incident is written again after so long while it goes on.
const INCIDENT_EVERY: Duration = Duration::from_secs(10);
/// Cards written in one second, and connections on each.
const CARDS: usize = 2;
const CARD_CONNECTIONS: usize = 20;
/// Events and notes that wait for a file that cannot be written; the oldest go first.
const EVENTS_WAIT: usize = 20_000;
const NOTES_WAIT: usize = 4_096;
const GAPS_WAIT: usize = 1_024;

/// What its thread knows.
pub(super) struct Writer {
    state: Arc<AgentState>,
    recorder: Recorder,
    identity: Identity,
    incident_log: IncidentLog,
    /// Number of the last event taken from the engine.
    event: u64,
    /// What could not be written yet.
    waiting: Batch,
    /// Notes that waited for too long.
    notes_dropped: u64,
    incident: Option<(Incident, Instant)>,
    /// Id of the last incident that was taken; ids go up.
    newest_incident: String,
    /// Where the cards of this second begin among the peers.
    next_card: usize,
    last: ClockReading,
    tidied: Instant,
    lack: Option<Lack>,
}

impl Writer {
    pub(super) fn new(state: Arc<AgentState>, begun: Begun) -> Self {
        let mut incident_log = IncidentLog::default();
        // One that is open was told while there was no file.
        incident_log.notices(&state.engine());
        let mut known = state.engine().incidents();
        known.retain(|incident| !incident.open);
        let newest_incident = known.into_iter().map(|each| each.id).max();
        Self {
            state,
            recorder: begun.recorder,
            identity: Identity::read(),
            incident_log,
            event: begun.event,
            waiting: Batch {
                incidents: begun.incidents,
                gaps: begun.gaps,
                ..Batch::default()
            },
            notes_dropped: 0,
            incident: None,
            newest_incident: newest_incident.unwrap_or_default(),
            next_card: 0,
            last: now(),
            tidied: Instant::now(),
            lack: None,
        }
    }

    pub(super) fn run(mut self) {
        let mut sample_at = Instant::now();
        loop {
            let until_sample = sample_at.saturating_duration_since(Instant::now());
            let ends = self.state.recording.wait(until_sample);
            let is_due = Instant::now() >= sample_at;
            let opened = self.take_findings();
            // The last second is no whole one, and tells how it ended.
            if opened || is_due || ends {
                sample_at = Instant::now() + SECOND;
                // Who held what when it opened: more than can be kept each second.
                self.take_samples(if opened {
                    PEERS_AT_INCIDENT
                } else {
                    PEERS_EACH_SECOND
                });
            }
            self.write();
            if ends {
                break;
            }
        }
        if let Err(error) = self.recorder.end(now(), self.event) {
            tracing::error!("the end of the run is not recorded: {error}");
        }
    }

    /// Takes what may not be lost: events, notes, incidents. True if an incident has opened, or become
    /// one of memory.
    fn take_findings(&mut self) -> bool {
        let (notes, notes_lost) = self.state.recording.take_notes();
        self.waiting.notes.extend(notes);
        self.take_verdicts();
        let excess = self.waiting.notes.len().saturating_sub(NOTES_WAIT);
        self.waiting.notes.drain(..excess);
        self.notes_dropped += excess as u64;
        let notes_lost = notes_lost + self.notes_dropped;
        self.count(|counts| counts.notes_lost = notes_lost);
        self.take_events();
        let before = self.incident.clone();
        self.take_incident();
        self.waiting.at = now();
        let open = self.incident.as_ref().map(|(open, _)| open);
        open.is_some_and(|open| is_turn(before.as_ref().map(|(before, _)| before), open))
    }

    fn take_verdicts(&mut self) {
        let taken = self
            .state
            .with_engine(|engine| engine.take_verdict_changes());
        self.notes_dropped += taken.missed;
        let (at, monotonic) = (now(), clock::now());
        let notes = taken.changes.into_iter().map(|change| {
            let ago_ms = monotonic.since_ns(change.at) / 1_000_000;
            let ago_ms = i64::try_from(ago_ms).unwrap_or(0);
            let (peer, label) = (
                change.peer,
                change.verdict.map_or("nothing", Verdict::label),
            );
            Note {
                at: ClockReading {
                    unix_ms: at.unix_ms - ago_ms,
                    boot_ms: at.boot_ms - ago_ms,
                },
                kind: NoteKind::Verdict,
                peer: Some(peer.to_string()),
                text: format!("{peer} is taken to be {label}"),
                kill: None,
            }
        });
        self.waiting.notes.extend(notes);
    }

    fn take_events(&mut self) {
        let (events, missed) = {
            let engine = self.state.engine();
            let oldest = engine.first_event_id().saturating_sub(1);
            let missed = oldest.saturating_sub(self.event);
            let events: Vec<Event> = engine.events_after(self.event).cloned().collect();
            (events, missed)
        };
        self.count(|counts| counts.events_lost += missed);
        if let Some(newest) = events.last() {
            self.event = newest.id;
        }
        let monotonic = clock::now();
        let mut timeline = self.state.recording.timeline();
        for event in events.iter().filter(|event| event.event == EventType::Flag) {
            let end = |text: &Option<String>| text.as_deref()?.parse().ok();
            if let Some(ends) = end(&event.local).zip(end(&event.remote)) {
                timeline.follow(ends, &event.peer, monotonic);
            }
        }
        drop(timeline);
        self.waiting.events.extend(events);
        let excess = self.waiting.events.len().saturating_sub(EVENTS_WAIT);
        if excess > 0 {
            self.waiting.events.drain(..excess);
            self.count(|counts| counts.events_lost += excess as u64);
        }
    }

    /// The incident that goes on, when it is new, has changed or was not written for a while; and its
    /// end.
    fn take_incident(&mut self) {
        let written = self.incident.take();
        let known = written.as_ref().map(|(before, _)| before.id.clone());
        let (open, over) = {
            let engine = self.state.engine();
            // Those too that came and went while a write hung.
            let mut ids = engine.last_incidents(0);
            ids.retain(|id| known.as_ref() == Some(id) || *id > self.newest_incident);
            let mut over = engine.view_incidents(&ids);
            over.retain(|each| !each.open);
            let open = engine.open_incident();
            (open.and_then(|open| engine.incident(&open.id)), over)
        };
        for each in over.iter().chain(&open) {
            self.newest_incident = self.newest_incident.clone().max(each.id.clone());
        }
        self.waiting
            .incidents
            .retain(|each| over.iter().all(|over| over.id != each.id));
        self.waiting.incidents.extend(over);
        let Some(open) = open else {
            return;
        };
        let is_written = written.as_ref().is_some_and(|(before, at)| {
            before.id == open.id
                && before.kinds == open.kinds
                && before.severity == open.severity
                && before.kills == open.kills
                && at.elapsed() < INCIDENT_EVERY
        });
        if is_written {
            self.incident = written;
            return;
        }
        self.waiting.incidents.retain(|each| each.id != open.id);
        self.waiting.incidents.push(open.clone());
        self.incident = Some((open, Instant::now()));
    }

    /// Takes what is left out first where room is short.
    fn take_samples(&mut self, peers_max: usize) {
        let at = now();
        self.waiting.gaps.extend(gaps_between(self.last, at));
        self.last = at;
        let excess = self.waiting.gaps.len().saturating_sub(GAPS_WAIT);
        self.waiting.gaps.drain(..excess);
        self.count(|counts| counts.gaps_lost += excess as u64);
        self.waiting.host = Some(second(&self.state));
        let peers = self.state.with_engine(|engine| {
            let ranked = engine.rank_flagged_peers(peers_max);
            engine.view_peers(&ranked)
        });
        self.waiting.peers = peers.iter().map(peer_second).collect();
        let first = self.next_card.checked_rem(peers.len()).unwrap_or(0);
        self.next_card = first + CARDS;
        let of_this_second = peers
            .iter()
            .cycle()
            .skip(first)
            .take(CARDS.min(peers.len()));
        let known = |peer: &str| {
            self.state
                .with_engine(|engine| Some((engine.peer(peer)?, engine.thresholds())))
        };
        let known = of_this_second.filter_map(|peer| known(&peer.peer));
        let cards = known.map(|(detail, thresholds)| card(detail, thresholds, at));
        self.waiting.cards = cards.collect();
        let points = self.state.recording.timeline().take(clock::now(), at);
        self.waiting.windows = points;
    }

    /// Writes what waits; what cannot be written but may not be lost goes on waiting.
    fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let began = Instant::now();
        let known_gaps = self.waiting.gaps.len();
        self.report_lack();
        match self.recorder.record(&self.waiting) {
            Ok(written) => {
                let written_batch = std::mem::take(&mut self.waiting);
                self.settle(written, written_batch.at);
                let bytes = self.recorder.size_bytes();
                let points_lost = self.state.recording.timeline().lost;
                self.count(|counts| {
                    counts.bytes = bytes;
                    counts.commits += 1;
                    counts.commit_seconds += began.elapsed().as_secs_f64();
                    counts.rows += written.rows;
                    counts.samples_left_out += written.samples_left_out;
                    counts.points_lost = points_lost;
                    counts.last_commit_unix_seconds = unix_seconds();
                });
                self.state.recording.lock_status().failure = None;
                // On the disk before they are announced, and no other.
                for incident in &written_batch.incidents {
                    self.incident_log.log_one(incident);
                }
            }
            Err(error) => {
                self.waiting.gaps.truncate(known_gaps);
                self.keep_for_later(&error);
            }
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        if self.tidied.elapsed() < TIDY_EVERY || self.is_lacking_all() {
            return;
        }
        self.tidied = Instant::now();
        match self.recorder.tidy(now()) {
            Ok(deleted) => self.count(|counts| counts.rows_deleted += deleted as u64),
            Err(error) if error.is_damage() => self.keep_for_later(&error),
            // What is to be written may be written all the same.
            Err(error) => {
                self.count(|counts| counts.failures += 1);
                tracing::warn!("what is too old is not deleted for now: {error}");
            }
        }
    }

    fn count(&self, count: impl FnOnce(&mut RecorderCounts)) {
        count(&mut self.state.recording.lock_status().counts);
    }
}

/// Whether the ledger is to be kept in full now: an incident has opened, or memory has run short in one.
fn is_turn(before: Option<&Incident>, open: &Incident) -> bool {
    let is_of_memory = |kind: &&IncidentKind| {
        let memory = [
            IncidentKind::OomKill,
            IncidentKind::MemoryPressure,
            IncidentKind::OrphanLimit,
        ];
        memory.contains(kind)
    };
    let Some(before) = before.filter(|before| before.id == open.id) else {
        return true;
    };
    let mut kinds = open.kinds.iter().filter(is_of_memory);
    kinds.any(|kind| !before.kinds.contains(kind))
}

fn card(mut detail: PeerDetail, thresholds: Thresholds, at: ClockReading) -> Card {
    detail.connections.truncate(CARD_CONNECTIONS);
    Card {
        at,
        detail,
        thresholds: Some(thresholds),
    }
}

fn unix_seconds() -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "exact until the year 287396")]
    let seconds = milliseconds(clock::unix_ns()) as f64 / 1_000.0;
    seconds
}

#[cfg(test)]
mod tests;
