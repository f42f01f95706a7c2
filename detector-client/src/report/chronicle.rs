//! What happened, in order, with repetitions left out.

use super::model::{Entry, Mark, MarkKind, Time};
use super::recording::{Recording, time_of};
use super::words;
use detector_api::snapshot::{EventType, FlagKind, IncidentEnd, Severity};
use detector_api::text;
use detector_recorder::NoteKind;
use std::collections::BTreeSet;

/// Entries told; of more, the middle is left out.
const ENTRIES: usize = 160;
/// Kills told of those that follow each other,
const KILLS_TOLD: usize = 3;
/// each within so long after the one before.
const KILLS_APART_MS: i64 = 10_000;
/// Peers whose first flags are told.
const FLAGGED: usize = 6;

/// What happened on all hosts, oldest first.
pub(super) fn chronicle(recordings: &[Recording], peers: &[&str]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let flagged = peers.get(..FLAGGED).unwrap_or(peers);
    for recording in recordings {
        let part = super::timeline::host_part(recording);
        let mut tell = |time: Time, text: String| {
            if recording.contains(time) {
                let host = recording.host().to_owned();
                entries.push(Entry { time, host, text });
            }
        };
        for (time, text) in marks(part.marks) {
            tell(time, text);
        }
        for gap in part.gaps {
            let lasted_ms = gap.until.0.saturating_sub(gap.from.0);
            let text = match lasted_ms {
                0 => gap.text,
                lasted_ms => {
                    let lasted = words::span(lasted_ms);
                    format!("nothing was seen from here on for {lasted}: {}", gap.text)
                }
            };
            tell(gap.from, text);
        }
        for incident in &recording.incidents {
            let kinds = text::incident_kinds(&incident.kinds);
            if let Some(began) = time_of(&incident.began) {
                let text = format!(
                    "an incident began ({}); seen in it, then or later: {kinds}",
                    incident.id
                );
                tell(began, text);
            }
            if let Some(ended) = incident.ended.as_deref().and_then(time_of) {
                let over = text::incident_over(incident);
                let end = incident.end.map_or("", text::incident_end);
                let id = &incident.id;
                let state = match incident.end {
                    Some(IncidentEnd::Unseen) => format!("the record of incident {id} ends here"),
                    _ => format!("incident {id} was over"),
                };
                tell(
                    ended,
                    format!("{state}: {over}. {end}").trim_end().to_owned(),
                );
            }
        }
        for (time, text) in first_flags(recording, flagged).chain(notes(recording, peers)) {
            tell(time, text);
        }
    }
    entries.sort_by(|a, b| (a.time, &a.host).cmp(&(b.time, &b.host)));
    entries.dedup();
    without_middle(entries)
}

/// Moments that stand out. Of kills that follow each other the first are told, and how many came after
/// them.
fn marks(marks: Vec<Mark>) -> Vec<(Time, String)> {
    let mut told: Vec<(Time, String)> = Vec::new();
    // Kills in this row, and the last of them.
    let (mut kills, mut last) = (0_usize, Time(i64::MIN));
    let mut marks = marks.into_iter().peekable();
    while let Some(mark) = marks.next() {
        let is_kill = |mark: &Mark| mark.kind == MarkKind::OomKill;
        if is_kill(&mark) {
            let goes_on = mark.time.0.saturating_sub(last.0) < KILLS_APART_MS;
            kills = if goes_on { kills + 1 } else { 1 };
            last = mark.time;
        }
        if !is_kill(&mark) || kills <= KILLS_TOLD {
            told.push((mark.time, mark.text));
            continue;
        }
        let is_last = marks.peek().is_none_or(|next| {
            !is_kill(next) || next.time.0.saturating_sub(last.0) >= KILLS_APART_MS
        });
        if is_last {
            let more = text::counted((kills - KILLS_TOLD) as u64, "more kill", "more kills");
            told.push((mark.time, format!("{more} for want of memory until here")));
            kills = 0;
        }
    }
    told
}

/// The first flag of each kind on each of the peers that mattered most.
fn first_flags<'a>(
    recording: &'a Recording,
    peers: &'a [&str],
) -> impl Iterator<Item = (Time, String)> {
    let mut seen: BTreeSet<(&str, FlagKind)> = BTreeSet::new();
    let flags = recording.span_events().filter(move |(_, event)| {
        event.event == EventType::Flag
            && event.severity >= Severity::Warning
            && peers.contains(&event.peer.as_str())
            && seen.insert((event.peer.as_str(), event.kind()))
    });
    flags.map(|(at, event)| (at, text::event_line(event)))
}

/// Verdicts of peers that matter, messages of the kernel, actions, changes of the configuration.
/// Kills are marks already.
fn notes<'a>(recording: &'a Recording, peers: &'a [&str]) -> impl Iterator<Item = (Time, String)> {
    let notes = recording.notes.iter().filter(|note| match note.kind {
        NoteKind::OomKill => false,
        NoteKind::Verdict => {
            let peer = note.peer.as_deref();
            peer.is_some_and(|peer| peers.contains(&peer))
        }
        NoteKind::Action | NoteKind::Budget | NoteKind::Configuration | NoteKind::Kernel => true,
    });
    notes.map(|note| (Time(note.at.unix_ms), note.text.clone()))
}

fn without_middle(mut entries: Vec<Entry>) -> Vec<Entry> {
    let Some(surplus) = entries.len().checked_sub(ENTRIES) else {
        return entries;
    };
    let mut rest = entries.split_off(ENTRIES / 2);
    let tail = rest.split_off(surplus);
    if let Some(first) = rest.first() {
        entries.push(Entry {
            text: format!("… {surplus} more, left out here"),
            ..first.clone()
        });
    }
    entries.extend(tail);
    entries
}

/// What was done about it.
pub(super) fn actions(recordings: &[Recording]) -> Vec<Entry> {
    let all = recordings.iter().flat_map(|recording| {
        let notes = recording.notes.iter();
        let actions = notes.filter(|note| note.kind == NoteKind::Action);
        actions.map(|note| Entry {
            time: Time(note.at.unix_ms),
            host: recording.host().to_owned(),
            text: note.text.clone(),
        })
    });
    let mut actions: Vec<_> = all.collect();
    actions.sort_by_key(|action| action.time);
    without_middle(actions)
}

#[cfg(test)]
mod tests {
    use super::{Mark, MarkKind, Time, marks};

    #[test]
    fn of_many_kills_in_a_row_the_first_are_told_and_the_others_counted() {
        let kill = |second: i64| Mark {
            time: Time(second * 1_000),
            kind: MarkKind::OomKill,
            text: "killed".to_owned(),
        };
        let told = |seconds: &[i64]| {
            let told = marks(seconds.iter().map(|second| kill(*second)).collect());
            let told = told.into_iter();
            told.map(|(time, text)| (time.0 / 1_000, text))
                .collect::<Vec<_>>()
        };
        let three = [1, 2, 3].map(|second| (second, "killed".to_owned()));
        assert_eq!(told(&[1, 2, 3]), three);
        let more = (5, "2 more kills for want of memory until here".to_owned());
        let many = told(&[1, 2, 3, 4, 5]);
        assert_eq!((&many[..3], &many[3]), (&three[..], &more));
        // Another row later.
        let apart = told(&[1, 2, 3, 4, 5, 60]);
        assert_eq!(apart[4..], [(60, "killed".to_owned())]);
    }
}
