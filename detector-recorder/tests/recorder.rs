//! What is written is read, by anyone, and stays within its bounds.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_api::snapshot::{IncidentEnd, Thresholds};
use detector_recorder::{
    Batch, Card, EventsWanted, FILE_NAME, GapReason, Note, NoteKind, OomKill, Opened, Reader,
    Recorder, RecorderError, Span, WindowPoint,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::slice;
use support::{BEGAN_MS, LIMITS, all_events, at, batch, detail, incident, open, opened};

#[test]
fn what_is_written_is_read_while_it_is_written_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    let thresholds = Thresholds {
        stall_after_seconds: 7.5,
        ..detector_api::fixtures::thresholds()
    };
    let point = WindowPoint {
        at: at(1),
        peer: "198.51.100.7".to_owned(),
        local: "192.0.2.1:80".to_owned(),
        remote: "198.51.100.7:40000".to_owned(),
        snd_una: 3_584_164_780,
        snd_nxt: u32::MAX,
        edge: 3_584_164_780,
        edge_max: u32::MAX,
        window_bytes: 0,
        queued_bytes: 190,
    };
    let note = Note {
        at: at(1),
        kind: NoteKind::OomKill,
        peer: None,
        text: "killed 870 (httpd)".to_owned(),
        kill: None,
    };
    let written = recorder
        .record(&Batch {
            cards: vec![Card {
                at: at(1),
                detail: detail("198.51.100.7"),
                thresholds: Some(thresholds),
            }],
            notes: vec![note.clone()],
            incidents: vec![incident("20261229T210405.000Z", 0)],
            windows: vec![point.clone()],
            ..batch(1, 1)
        })
        .unwrap();
    assert_eq!((written.rows, written.samples_left_out), (8, 0));

    let check = |reader: &Reader| {
        assert_eq!(all_events(reader), [1]);
        assert_eq!(reader.notes(Span::ALL).unwrap(), slice::from_ref(&note));
        assert_eq!(
            reader.windows("198.51.100.7", Span::ALL).unwrap(),
            slice::from_ref(&point)
        );
        let seconds = reader.seconds(Span::ALL, 100).unwrap();
        assert_eq!(seconds.len(), 1);
        let (moment, host, peers) = &seconds[0];
        assert_eq!((*moment, host.load_one, peers.len()), (at(1), Some(1.5), 2));
        assert_eq!(peers[0].peer, "198.51.100.7");
        let card = reader.card("198.51.100.7").unwrap().unwrap();
        assert_eq!((card.at, card.thresholds), (at(1), Some(thresholds)));
        assert_eq!(reader.card("198.51.100.8").unwrap(), None);
    };
    let reader = Reader::open(folder.path()).unwrap();
    assert!(reader.is_written());
    assert!(reader.incidents(Span::ALL).unwrap()[0].open);
    check(&reader);
    drop(reader);

    // Killed: nothing is closed, the log stays.
    drop(recorder);
    let reader = Reader::open(&folder.path().join(FILE_NAME)).unwrap();
    assert!(!reader.is_written());
    let incident = reader.incident("20261229T210405.000Z").unwrap().unwrap();
    assert_eq!(
        (incident.open, incident.end, incident.ended.as_deref()),
        (
            false,
            Some(IncidentEnd::Unseen),
            Some("2026-12-29T21:04:06.000Z")
        )
    );
    check(&reader);
}

#[test]
fn a_copy_is_read_where_nothing_may_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    recorder.record(&batch(1, 1)).unwrap();
    recorder.end(at(2), 1).unwrap();
    let away = tempfile::tempdir().unwrap();
    let copy = away.path().join("web 1?.db");
    fs::copy(folder.path().join(FILE_NAME), &copy).unwrap();
    fs::set_permissions(away.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let before = fs::read_dir(away.path()).unwrap().count();
    let reader = Reader::open(&copy).unwrap();
    assert_eq!(all_events(&reader), [1]);
    let run = &reader.runs().unwrap()[0];
    assert_eq!((run.host.as_str(), run.was_stopped), ("web1", true));
    assert_eq!(fs::read_dir(away.path()).unwrap().count(), before);
}

/// Killed in a flood, or while the disk does not answer: what was announced by then had a number.
#[test]
fn no_number_is_given_twice_however_much_was_announced_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let announced = 20_000;
    let mut last = 0;
    for second in 0..4 {
        let mut recorder = open(folder.path(), 10 * second);
        let before = recorder.numbering().unwrap().last_event_id;
        assert!(before >= last, "{before} after {last}");
        // Before the first commit, after one without an event, and after one with some.
        if second > 1 {
            let empty = Batch {
                at: at(10 * second + 1),
                ..Batch::default()
            };
            recorder.record(&empty).unwrap();
        }
        if second > 2 {
            recorder
                .record(&batch(10 * second + 2, before + 1))
                .unwrap();
        }
        last = before + 1 + announced;
    }
    let recorder = open(folder.path(), 100);
    assert!(recorder.numbering().unwrap().last_event_id >= last);
}

#[test]
fn numbers_and_gaps_go_on_across_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    assert_eq!(recorder.numbering().unwrap().last_event_id, 0);
    recorder.record(&batch(1, 7)).unwrap();
    recorder.end(at(2), 9).unwrap();
    let mut recorder = open(folder.path(), 60);
    assert_eq!(recorder.numbering().unwrap().last_event_id, 9);
    let begun = Batch {
        incidents: vec![incident("a", 61)],
        ..batch(61, 10)
    };
    recorder.record(&begun).unwrap();
    drop(recorder);
    let recorder = open(folder.path(), 100);
    let numbering = recorder.numbering().unwrap();
    assert!(numbering.last_event_id > 10, "{numbering:?}");
    assert_eq!(numbering.last_incident_ms, at(61).unix_ms);
    drop(recorder);
    let who = opened(200, "after a power cut");
    drop(Recorder::open(folder.path(), LIMITS, &who).unwrap());
    let reader = Reader::open(folder.path()).unwrap();
    let gaps = reader.gaps(Span::ALL).unwrap();
    let told: Vec<_> = gaps
        .iter()
        .map(|gap| {
            let second = |ms| (ms - BEGAN_MS) / 1_000;
            (second(gap.from_ms), second(gap.until_ms), gap.reason)
        })
        .collect();
    assert_eq!(
        told,
        [
            (2, 60, GapReason::Stopped),
            (61, 100, GapReason::Killed),
            (100, 200, GapReason::HostDown)
        ]
    );
    let incident = reader.incident("a").unwrap().unwrap();
    assert_eq!(incident.end, Some(IncidentEnd::Unseen));
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    let second = Recorder::open(folder.path(), LIMITS, &opened(0, "boot"));
    assert!(
        matches!(second, Err(RecorderError::InUse { .. })),
        "{second:?}"
    );
    recorder.record(&batch(1, 1)).unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 0).end(at(1), 0).unwrap();
    let file = folder.path().join(FILE_NAME);
    let database = rusqlite::Connection::open(&file).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let before = fs::read(&file).unwrap();
    let opened_again = Recorder::open(folder.path(), LIMITS, &opened(2, "boot"));
    let message = opened_again.map(drop).unwrap_err().to_string();
    assert!(
        message.contains("newer") && message.contains("99"),
        "{message}"
    );
    let read = Reader::open(folder.path());
    assert!(matches!(read, Err(RecorderError::Newer { .. })), "{read:?}");
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn detail_is_thinned_with_age_and_kept_around_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    for second in 0..7_200 {
        let mut batch = batch(second, 0);
        batch.events.clear();
        if second == 1_800 {
            batch.incidents.push(incident("a", second));
        }
        if second == 1_860 {
            let mut over = incident("a", 1_800);
            over.open = false;
            over.ended = Some(detector_api::time::rfc3339(
                i128::from(at(second).unix_ms) * 1_000_000,
            ));
            batch.incidents.push(over);
        }
        recorder.record(&batch).unwrap();
    }
    while recorder.tidy(at(7_200)).unwrap() > 0 {}
    let reader = Reader::open(folder.path()).unwrap();
    let count = |from: i64, until: i64| {
        let span = Span {
            from_ms: at(from).unix_ms,
            until_ms: at(until).unix_ms,
        };
        reader.seconds(span, usize::MAX >> 1).unwrap().len()
    };
    // Ten seconds each, the hardest of them; whole from ten minutes before the incident to two after.
    assert_eq!(count(0, 1_199), 120);
    assert_eq!(count(1_200, 1_980), 781);
    assert!(
        (161..=163).contains(&count(1_981, 3_599)),
        "{}",
        count(1_981, 3_599)
    );
    assert_eq!(count(3_600, 7_199), 3_600);
    let first = &reader.seconds(Span::ALL, usize::MAX >> 1).unwrap()[0];
    assert_eq!(first.1.pinned_bytes, Some(6));
    drop(reader);
    let later = 7_200 + 40 * 24 * 3_600;
    let begun = Batch {
        events: Vec::new(),
        ..batch(later, 0)
    };
    recorder.record(&begun).unwrap();
    // Not by a clock that nobody has seen go right for an hour.
    assert_eq!(recorder.tidy(at(later + 1)).unwrap(), 0);
    while recorder.tidy(at(later + 3_601)).unwrap() > 0 {}
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.seconds(Span::ALL, 10).unwrap().len(), 1);
    assert_eq!(reader.incidents(Span::ALL).unwrap().len(), 0);
}

#[test]
fn a_clock_that_steps_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    for (number, second) in [(1, 10), (2, 11), (3, -3_600), (4, -3_599)] {
        recorder.record(&batch(second, number)).unwrap();
    }
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(all_events(&reader), [1, 2, 3, 4]);
    assert_eq!(reader.seconds(Span::ALL, 100).unwrap().len(), 4);
}

/// A file may be anybody's: what it says is made harmless where it comes in.
#[test]
fn no_string_of_a_file_reaches_a_terminal_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let evil = "web\u{1b}]0;owned\u{7}\u{202e}";
    let who = Opened {
        host: evil,
        ..opened(0, evil)
    };
    let (mut recorder, _) = Recorder::open(folder.path(), LIMITS, &who).unwrap();
    let mut batch = batch(1, 1);
    batch.peers[0].peer = evil.to_owned();
    batch.events[0].peer = evil.to_owned();
    batch.notes = vec![Note {
        at: at(1),
        kind: NoteKind::Kernel,
        peer: Some(evil.to_owned()),
        text: evil.to_owned(),
        kill: Some(OomKill {
            name: Some(evil.to_owned()),
            ..OomKill::default()
        }),
    }];
    recorder.record(&batch).unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    let said = format!(
        "{:?}{:?}{:?}{:?}{:?}",
        reader.runs().unwrap(),
        reader.notes(Span::ALL).unwrap(),
        reader.seconds(Span::ALL, 10).unwrap(),
        reader.peer_peaks(Span::ALL).unwrap(),
        reader
            .events(&EventsWanted {
                span: Span::ALL,
                peer: None,
                kind: None,
                limit: 10,
            })
            .unwrap(),
    );
    assert!(
        said.contains("web\u{fffd}]0;owned\u{fffd}\u{fffd}"),
        "{said}"
    );
    for raw in ["\\u{1b}", "\\u{7}", "\\u{202e}"] {
        assert!(!said.contains(raw), "{said}");
    }
}
