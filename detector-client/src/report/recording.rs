//! What is read of one recorder for a report.

use super::model::{Remedies, Time};
use detector_api::failure::Failure;
use detector_api::snapshot::{Event, HoardThresholds, Incident};
use detector_recorder::{
    Card, EventsWanted, Gap, GapReason, HoardSeconds, HoardWanted, Note, PeerPeak, Reader,
    RecorderError, Run, Second, Span,
};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// Events read, the newest; a whole day of a host under attack has fewer.
const EVENTS: usize = 50_000;
/// Points of a timeline,
const SECONDS: usize = 600;
/// and more of them around the worst incidents,
const SECONDS_CLOSER: usize = 300;
/// of which there are so many.
const CLOSER: usize = 3;
/// Seconds of hoards that are read with their peers; of more, one of so many neighbours.
const HOARD_SECONDS: usize = 3_000;

/// An open recorder, and who wrote it.
pub(super) struct Source {
    pub(super) reader: Reader,
    /// Name of the host, told apart from others of the same name.
    pub(super) host: String,
    pub(super) runs: Vec<Run>,
    /// Between which moments the clock was set: it may have shown earlier and later ones than runs
    /// began and ended with.
    steps: Vec<Gap>,
}

/// Everything that a report needs of one host.
pub(super) struct Recording {
    pub(super) source: Source,
    /// What the report is about.
    pub(super) span: Span,
    /// Of the span, in the order in which they were written: points of a timeline, the worst among them.
    pub(super) seconds: Vec<Second>,
    /// Of the span.
    pub(super) gaps: Vec<Gap>,
    /// Of the span.
    pub(super) notes: Vec<Note>,
    /// Of the span.
    pub(super) incidents: Vec<Incident>,
    /// Of all that is recorded, the newest.
    pub(super) events: Vec<Event>,
    /// Whether there are older ones.
    pub(super) lacks_events: bool,
    /// Of all that is recorded.
    pub(super) cards: Vec<Card>,
    /// In the span.
    pub(super) peaks: Vec<PeerPeak>,
    /// In all that is recorded, of peers beyond the least limit that is tried.
    pub(super) peaks_ever: Vec<PeerPeak>,
    /// When nothing was stalled, in all that is recorded.
    pub(super) calm_ms: Vec<i64>,
}

impl Recording {
    /// Events of the span.
    pub(super) fn span_events(&self) -> impl Iterator<Item = (Time, &Event)> {
        let events = self.events.iter();
        let timed = events.filter_map(|event| Some((time_of(&event.time)?, event)));
        timed.filter(|(at, _)| self.contains(*at))
    }

    pub(super) const fn contains(&self, at: Time) -> bool {
        self.span.from_ms <= at.0 && at.0 <= self.span.until_ms
    }

    /// All seconds of the span in which the peer, or all together, held a hoard.
    pub(super) fn hoard(
        &self,
        least: HoardThresholds,
        only: Option<&str>,
    ) -> Result<HoardSeconds, RecorderError> {
        let wanted = HoardWanted {
            span: self.span,
            least,
            peer: only,
        };
        self.source.reader.hoard_seconds(wanted, HOARD_SECONDS)
    }

    /// Name of the host.
    pub(super) fn host(&self) -> &str {
        &self.source.host
    }
}

impl Source {
    /// Opens the recorders that these paths mean, each once.
    pub(super) fn open_all(paths: &[PathBuf]) -> Result<Vec<Self>, Failure> {
        let mut sources: Vec<Self> = Vec::new();
        for path in paths {
            let source = Self::open(path)?;
            let is_same = |other: &Self| {
                other.reader.file().canonicalize().ok() == source.reader.file().canonicalize().ok()
            };
            if !sources.iter().any(is_same) {
                sources.push(source);
            }
        }
        tell_apart(&mut sources);
        Ok(sources)
    }

    pub(super) fn open(path: &Path) -> Result<Self, RecorderError> {
        let reader = Reader::open(path)?;
        let runs = reader.runs()?;
        let host = runs.last().map_or_else(String::new, |run| run.host.clone());
        let mut steps = reader.gaps(Span::ALL)?;
        steps.retain(|gap| gap.reason == GapReason::ClockStep);
        Ok(Self {
            host,
            runs,
            steps,
            reader,
        })
    }

    /// The run of this number: they are in order.
    pub(super) fn run(&self, id: i64) -> Option<&Run> {
        let place = self.runs.binary_search_by_key(&id, |run| run.id).ok()?;
        self.runs.get(place)
    }

    /// From the first to the last moment that is recorded.
    pub(super) fn extent(&self) -> Option<(Time, Time)> {
        let began = self.runs.iter().map(|run| run.began.unix_ms);
        let ended = self.runs.iter().map(|run| run.last.unix_ms);
        let steps = self.steps.iter();
        let first = began.chain(steps.clone().map(|gap| gap.from_ms)).min()?;
        let last = ended.chain(steps.map(|gap| gap.until_ms)).max()?;
        Some((Time(first), Time(last)))
    }

    /// Reads what a report over the span needs, of all peers or of this one only.
    pub(super) fn read(self, span: Span, only: Option<&str>) -> Result<Recording, RecorderError> {
        let reader = &self.reader;
        let wanted = EventsWanted {
            span: Span::ALL,
            peer: None,
            kind: None,
            limit: EVENTS + 1,
        };
        let mut events = reader.events(&wanted)?;
        let lacks_events = events.len() > EVENTS;
        if lacks_events {
            events.remove(0);
        }
        let incidents = reader.incidents(span)?;
        let least_limit = Remedies::LIMITS.into_iter().min().unwrap_or(0);
        let mut seconds = seconds(reader, span, &incidents)?;
        seconds.extend(reader.worst_second(span, only)?);
        // In the order in which it happened: by the clock that is shown, an hour that came twice would be
        // one in which everything jumps.
        seconds.sort_by_key(|second| second.id);
        seconds.dedup_by_key(|second| second.id);
        Ok(Recording {
            seconds,
            span,
            gaps: reader.gaps(span)?,
            notes: reader.notes(span)?,
            incidents,
            events,
            lacks_events,
            cards: reader.cards(Span::ALL)?,
            peaks: reader.peer_peaks(span)?,
            peaks_ever: reader.peers_beyond(least_limit)?,
            calm_ms: reader.calm_ms()?,
            source: self,
        })
    }
}

/// The span, and closer around what matters most in it.
fn seconds(
    reader: &Reader,
    span: Span,
    incidents: &[Incident],
) -> Result<Vec<Second>, RecorderError> {
    let mut rows = reader.numbered_seconds(span, SECONDS)?;
    let mut worst: Vec<_> = incidents.iter().collect();
    worst.sort_by_key(|incident| Reverse((incident.severity, incident.peak_pinned_bytes)));
    for incident in worst.into_iter().take(CLOSER) {
        let around = around(incident).unwrap_or((Time(span.from_ms), Time(span.until_ms)));
        let closer = Span {
            from_ms: around.0.0.max(span.from_ms),
            until_ms: around.1.0.min(span.until_ms),
        };
        rows.extend(reader.numbered_seconds(closer, SECONDS_CLOSER)?);
    }
    Ok(rows)
}

/// Around an incident, as much as the recorder keeps whole; `None` while it goes on.
pub(super) fn around(incident: &Incident) -> Option<(Time, Time)> {
    const BEFORE_MS: i64 = 600_000;
    const AFTER_MS: i64 = 120_000;
    let (began, ended) = (
        time_of(&incident.began)?,
        time_of(incident.ended.as_deref()?)?,
    );
    Some((
        Time(began.0.saturating_sub(BEFORE_MS)),
        Time(ended.0.max(began.0).saturating_add(AFTER_MS)),
    ))
}

/// Two recorders of one host, such as one that was set aside, are told apart by number.
fn tell_apart(sources: &mut [Source]) {
    for at in 0..sources.len() {
        if sources[at].host.is_empty() {
            sources[at].host = format!("host {}", at + 1);
        }
        let name = sources[at].host.clone();
        let before = sources[..at].iter();
        let same = before.filter(|other| other.runs.last().map(|run| &run.host) == Some(&name));
        let same = same.count();
        if same > 0 {
            sources[at].host = format!("{name} ({})", same + 1);
        }
    }
}

/// A number that cannot be below zero, whatever the file says.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Unix milliseconds of a time that the agent wrote.
pub(super) fn time_of(text: &str) -> Option<Time> {
    let ns = detector_api::time::rfc3339_unix_ns(text)?;
    Some(Time(i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)))
}
