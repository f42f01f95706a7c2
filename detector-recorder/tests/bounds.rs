//! A bound that is made smaller holds on the disk, also of a file that was made before files could shrink.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_recorder::{EventsWanted, FILE_NAME, Limits, Reader, Recorder, Span};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use support::{LIMITS, at, batch, incident, open, opened};

const SMALLER: Limits = Limits {
    bytes: 2 << 20,
    ..LIMITS
};

/// Nearly four MiB, most of them events, and an incident.
fn recorded(folder: &Path) {
    let mut recorder = open(folder, 0);
    let mut number = 0;
    for second in 0..100 {
        let mut batch = batch(second, 0);
        batch.events.clear();
        for _ in 0..60 {
            number += 1;
            batch.events.extend(support::batch(second, number).events);
        }
        if second == 50 {
            batch.incidents.push(incident("a", second));
        }
        recorder.record(&batch).unwrap();
    }
    recorder.end(at(100), number).unwrap();
}

/// Goes on in it with the smaller bound, as an agent does, and looks at what is left.
fn assert_shrinks(folder: &Path) {
    let bytes = || fs::metadata(folder.join(FILE_NAME)).unwrap().len();
    assert!(bytes() > 3 << 20, "{}", bytes());
    let (mut recorder, _) = Recorder::open(folder, SMALLER, &opened(101, "boot")).unwrap();
    for second in 102..122 {
        let number = u64::try_from(second).unwrap() + 1_000_000;
        recorder.record(&batch(second, number)).unwrap();
        recorder.tidy(at(second)).unwrap();
    }
    recorder.end(at(122), 2_000_000).unwrap();
    assert!(bytes() <= SMALLER.bytes, "{}", bytes());
    let reader = Reader::open(folder).unwrap();
    assert_eq!(reader.incidents(Span::ALL).unwrap().len(), 1);
    let wanted = EventsWanted {
        span: Span::ALL,
        peer: None,
        kind: None,
        limit: usize::MAX,
    };
    let events = reader.events(&wanted).unwrap();
    assert_eq!(events.last().unwrap().id, 1_000_121);
    assert!(events.len() > 500, "{}", events.len());
}

#[test]
fn a_smaller_bound_makes_the_file_smaller() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    assert_shrinks(folder.path());
}

#[test]
fn a_smaller_bound_makes_an_older_file_smaller() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let database = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    database
        .execute_batch("PRAGMA auto_vacuum = NONE; VACUUM")
        .unwrap();
    drop(database);
    assert_shrinks(folder.path());
}
