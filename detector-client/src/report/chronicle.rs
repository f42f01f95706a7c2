//! What happened, in order, with repetitions left out.

use super::model::{Entry, Time};
use super::recording::{Recording, time_of};
use super::words;
use detector_api::snapshot::{EventType, FlagKind, Severity};
use detector_api::text;
use detector_recorder::NoteKind;
use std::collections::BTreeSet;

/// Entries told; of more, the middle is left out.
const ENTRIES: usize = 160;
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
        for mark in part.marks {
            tell(mark.time, mark.text);
        }
        for gap in part.gaps {
            let lasted = words::span(gap.until.0.saturating_sub(gap.from.0));
            let text = format!("nothing was seen from here on for {lasted}: {}", gap.text);
            tell(gap.from, text);
        }
        for incident in &recording.incidents {
            let kinds = text::incident_kinds(&incident.kinds);
            if let Some(began) = time_of(&incident.began) {
                tell(
                    began,
                    format!("an incident began ({}): {kinds}", incident.id),
                );
            }
            if let Some(ended) = incident.ended.as_deref().and_then(time_of) {
                let over = text::incident_over(incident);
                let end = incident.end.map_or("", text::incident_end);
                let text = format!("incident {} was over: {over}. {end}", incident.id);
                tell(ended, text.trim_end().to_owned());
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
