//! Processes that the kernel killed for want of memory: those that its log names, and those of which
//! nothing but the number is known.

use super::model::Time;
use super::recording::{Recording, natural, time_of};
use super::words::counted_kills;
use detector_api::snapshot::{Incident, IncidentKind};
use detector_recorder::{Note, NoteKind, RecorderError, Second, Span};

/// So long after a kill its note may be written: all lines about it are waited for.
const NOTE_LATE_MS: i64 = 3_000;
/// How far what different clocks and readers tell of one kill may lie apart.
const APART_MS: i64 = 5_000;
/// A second so long before a kill still tells of it: the record may be thinned to one in a minute.
const BEFORE_MS: i64 = 70_000;
/// Seconds read around a kill.
const SECONDS: usize = 1_000;

/// One kill, or several of one second.
pub(super) struct Kill {
    /// It came after this moment,
    after: Time,
    /// and by this one.
    pub(super) by: Time,
    /// How many.
    pub(super) count: u64,
    /// What is noted of it; `None` if nothing is.
    pub(super) note: Option<Note>,
}

impl Kill {
    /// As a line of its own.
    pub(super) fn text(&self) -> String {
        let note = self.note.as_ref().map(|note| note.text.clone());
        note.unwrap_or_else(|| {
            let killed = counted_kills(self.count);
            format!(
                "by now the kernel had killed {killed} for want of memory; which, is not recorded"
            )
        })
    }

    /// The second before it: by the kernel's count, or by when it came at the earliest.
    pub(super) fn second_before(
        &self,
        recording: &Recording,
    ) -> Result<Option<Second>, RecorderError> {
        let span = Span {
            from_ms: self.after.0.saturating_sub(BEFORE_MS),
            until_ms: self.by.0,
        };
        let mut seconds = recording.source.reader.numbered_seconds(span, SECONDS)?;
        let rose = |pair: &[Second]| pair[0].host.oom_kills < pair[1].host.oom_kills;
        let before = match seconds.windows(2).rposition(rose) {
            Some(before) => before + 1,
            None => {
                let mut times = seconds.iter().map(|second| second.at.unix_ms);
                let before = times.rposition(|at| at <= self.after.0);
                before.map_or(0, |before| before + 1)
            }
        };
        seconds.truncate(before);
        Ok(seconds.pop())
    }
}

/// All kills on a host that are known, in order: from notes, from the kernel's own count, and from
/// incidents, each once.
pub(super) fn kills(recording: &Recording) -> Vec<Kill> {
    let notes = recording.notes.iter();
    let mut notes: Vec<&Note> = notes
        .filter(|note| note.kind == NoteKind::OomKill)
        .collect();
    let mut kills: Vec<_> = notes
        .iter()
        .map(|note| Kill {
            after: Time(note.at.unix_ms.saturating_sub(NOTE_LATE_MS)),
            by: Time(note.at.unix_ms),
            count: 1,
            note: Some((*note).clone()),
        })
        .collect();
    for (before, now, count) in rises(recording) {
        // By the clock that does not step.
        let is_told = |note: &&&Note| {
            before.at.boot_ms <= note.at.boot_ms
                && note.at.boot_ms <= now.at.boot_ms.saturating_add(APART_MS)
        };
        let told = notes.iter().filter(is_told).count();
        let told = told.min(usize::try_from(count).unwrap_or(usize::MAX));
        let mut left = told;
        notes.retain(|note| {
            let is_taken = left > 0 && is_told(&note);
            left -= usize::from(is_taken);
            !is_taken
        });
        let count = count.saturating_sub(told as u64);
        if count > 0 {
            kills.push(Kill {
                after: Time(before.at.unix_ms),
                by: Time(now.at.unix_ms),
                count,
                note: None,
            });
        }
    }
    for incident in &recording.incidents {
        kills.extend(of_incident(incident, &kills, recording));
    }
    kills.sort_by_key(|kill| kill.by);
    kills
}

/// Where the kernel's count of kills rose within one start of the host: the seconds before and after,
/// and by how much.
fn rises(recording: &Recording) -> impl Iterator<Item = (&Second, &Second, u64)> {
    let boot = |second: &Second| {
        let run = recording.source.run(second.run);
        run.map(|run| &run.boot_id)
    };
    let pairs = recording
        .seconds
        .iter()
        .zip(recording.seconds.iter().skip(1));
    pairs.filter_map(move |(before, now)| {
        let count = |second: &Second| second.host.oom_kills.map(natural);
        let rise = count(now)?.saturating_sub(count(before)?);
        (rise > 0 && boot(before) == boot(now)).then_some((before, now, rise))
    })
}

/// The kill of an incident, unless it is among those that are known.
fn of_incident(incident: &Incident, known: &[Kill], recording: &Recording) -> Option<Kill> {
    if !incident.kinds.contains(&IncidentKind::OomKill) {
        return None;
    }
    let began = time_of(&incident.began)?;
    let ended = incident.ended.as_deref().and_then(time_of);
    let until = Time(recording.span.until_ms);
    let ended = ended.unwrap_or(until).min(until).max(began);
    let is_of_it = |kill: &Kill| {
        kill.after.0 <= ended.0.saturating_add(APART_MS)
            && kill.by.0 >= began.0.saturating_sub(APART_MS)
    };
    (!known.iter().any(is_of_it)).then_some(Kill {
        after: began,
        by: ended,
        count: 1,
        note: None,
    })
}
