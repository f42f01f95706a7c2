//! The bound of size holds; one that is made smaller holds on the disk, too, also of a file that was made
//! before files could shrink.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_recorder::{FILE_NAME, Limits, Reader, Recorder, Span};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use support::{LIMITS, all_events, at, batch, busy, incident, open, opened};

const SMALLER: Limits = Limits {
    bytes: 2 << 20,
    ..LIMITS
};

/// Nearly four MiB, most of them events, and an incident.
fn recorded(folder: &Path) {
    let mut recorder = open(folder, 0);
    let mut number = 0;
    for second in 0..100 {
        let mut batch = busy(second, 60, &mut number);
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
    let events = all_events(&reader);
    assert_eq!(events.last(), Some(&1_000_121));
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

#[test]
fn the_bound_holds_and_the_newest_incidents_stay() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        bytes: 2 << 20,
        ..LIMITS
    };
    let (mut recorder, _) = Recorder::open(folder.path(), limits, &opened(0, "boot")).unwrap();
    let mut number = 0;
    let mut left_out = 0;
    for second in 0..400 {
        let mut batch = busy(second, 40, &mut number);
        if second % 50 == 0 {
            batch
                .incidents
                .push(incident(&format!("incident {second}"), second));
        }
        left_out += recorder.record(&batch).unwrap().samples_left_out;
        recorder.tidy(at(second)).unwrap();
    }
    let bytes = fs::metadata(folder.path().join(FILE_NAME)).unwrap().len();
    assert!(bytes <= limits.bytes, "{bytes}");
    assert_eq!(left_out, 0);
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.incidents(Span::ALL).unwrap().len(), 8);
    // A flood of events does not cost the timeline.
    assert!(reader.seconds(Span::ALL, 1_000).unwrap().len() > 300);
    let events = all_events(&reader);
    assert_eq!(events.last(), Some(&number));
    assert!(events.len() > 100, "{}", events.len());
}
