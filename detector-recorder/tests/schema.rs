//! A file of an older schema is read as it is, and brought forward by the next writer.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use detector_recorder::{
    Batch, FILE_NAME, HostSecond, KillScope, Note, NoteKind, OomKill, Reader, Span,
};
use rusqlite::Connection;
use std::path::Path;
use support::{at, batch, open};

/// As the first schema had it: one second, one peer, one note.
fn write_first(folder: &Path) {
    let database = Connection::open(folder.join(FILE_NAME)).unwrap();
    database
        .execute_batch(include_str!("../src/schema/1.sql"))
        .unwrap();
    let (unix_ms, boot_ms) = (at(0).unix_ms, at(0).boot_ms);
    database
        .execute_batch(&format!(
            "INSERT INTO runs VALUES (1, 'web1', 'boot', '0.1.0', {unix_ms}, {boot_ms}, {unix_ms}, {boot_ms}, NULL);
             INSERT INTO host_seconds (id, span, run, time_ms, boot_ms, orphans)
                 VALUES (1, 1, 1, {unix_ms}, {boot_ms}, 12);
             INSERT INTO peer_seconds VALUES (1, 1, '198.51.100.7', NULL, NULL, 3, 4096, 0, 0, 0, 0, 0);
             INSERT INTO notes VALUES (1, 1, {unix_ms}, {boot_ms}, 'oom-kill', NULL, 'killed 870 (httpd)');
             PRAGMA application_id = 0x64746374;
             PRAGMA user_version = 1;"
        ))
        .unwrap();
}

fn check_first(reader: &Reader) {
    let (_, host, peers) = &reader.seconds(Span::ALL, 10).unwrap()[0];
    assert_eq!((host.orphans, host.orphan_limit), (Some(12), None));
    assert_eq!(
        (peers[0].stalled_connections, peers[0].held_workers),
        (3, None)
    );
    assert_eq!(reader.hosts_until(1, 1).unwrap()[0].orphans, Some(12));
    let note = &reader.notes(Span::ALL).unwrap()[0];
    assert_eq!(
        (note.text.as_str(), &note.kill),
        ("killed 870 (httpd)", &None)
    );
}

fn version(folder: &Path) -> i64 {
    let database = Connection::open(folder.join(FILE_NAME)).unwrap();
    database
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn the_first_schema_is_read_as_it_is_and_goes_on_as_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    write_first(folder.path());
    let first = Reader::open(folder.path()).unwrap();
    check_first(&first);
    assert_eq!(first.peer_peaks(Span::ALL).unwrap()[0].held_workers, None);
    assert_eq!(first.peers_beyond(2).unwrap().len(), 1);
    assert_eq!(version(folder.path()), 1);

    let mut recorder = open(folder.path(), 5);
    let mut next = batch(6, 1);
    next.peers[0].held_workers = Some(7);
    next.host = Some(HostSecond {
        orphan_limit: Some(4_096),
        ..HostSecond::default()
    });
    recorder.record(&next).unwrap();
    recorder.end(at(7), 1).unwrap();
    assert_eq!(version(folder.path()), 2);
    let reader = Reader::open(folder.path()).unwrap();
    check_first(&reader);
    let (_, host, peers) = &reader.seconds(Span::ALL, 10).unwrap()[1];
    assert_eq!(host.orphan_limit, Some(4_096));
    assert_eq!(peers[0].held_workers, Some(7));
    let peaks = reader.peer_peaks(Span::ALL).unwrap();
    assert_eq!(peaks[0].held_workers, Some(7));
    assert_eq!(peaks[1].held_workers, None);
}

#[test]
fn a_kill_that_is_told_again_stays_one_note() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    let note = |pid, scope, text: &str| Note {
        at: at(1),
        kind: NoteKind::OomKill,
        peer: None,
        text: text.to_owned(),
        kill: Some(OomKill {
            pid: Some(pid),
            scope,
            ..OomKill::default()
        }),
    };
    let mut record = |notes: &[&Note]| {
        let notes = notes.iter().map(|note| (*note).clone()).collect();
        let written = Batch {
            notes,
            ..Batch::default()
        };
        recorder.record(&written).unwrap();
    };
    let first = note(870, KillScope::Unknown, "killed");
    let other = note(871, KillScope::Host, "another of the same millisecond");
    let more = note(870, KillScope::ControlGroup, "killed at its limit");
    record(&[&first]);
    record(&[&other, &more]);
    let again = note(872, KillScope::Unknown, "told twice");
    let told = note(872, KillScope::Host, "in one batch");
    record(&[&again, &told]);
    let notes = Reader::open(folder.path())
        .unwrap()
        .notes(Span::ALL)
        .unwrap();
    assert_eq!(notes, [more, other, told]);
}
