//! A file of an older schema is read as it is, and brought forward by the next writer.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use detector_recorder::{
    Batch, Card, FILE_NAME, HostSecond, KillScope, Note, NoteKind, OomKill, Reader, Span,
};
use rusqlite::Connection;
use std::path::Path;
use support::{at, batch, detail, open};

/// How each version but the first is made of the one before by SQLite's own statements.
const ALTERATIONS: [&str; 3] = [
    "ALTER TABLE notes ADD COLUMN json TEXT;
     ALTER TABLE peer_seconds ADD COLUMN held_workers INTEGER;
     ALTER TABLE host_seconds ADD COLUMN orphan_limit INTEGER;
     ALTER TABLE host_seconds ADD COLUMN aborted_on_memory INTEGER;",
    "ALTER TABLE host_seconds ADD COLUMN held_stalled_send_bytes INTEGER;
     ALTER TABLE host_seconds ADD COLUMN held_send_bytes INTEGER;
     ALTER TABLE host_seconds ADD COLUMN held_receive_bytes INTEGER;
     ALTER TABLE host_seconds ADD COLUMN held_orphans_bytes INTEGER;
     ALTER TABLE host_seconds ADD COLUMN held_unlisted_bytes INTEGER;
     ALTER TABLE events ADD COLUMN boot_ms INTEGER;
     ALTER TABLE incidents ADD COLUMN began_boot_ms INTEGER;
     ALTER TABLE incidents ADD COLUMN ended_boot_ms INTEGER;",
    "ALTER TABLE cards ADD COLUMN thresholds TEXT;",
];
/// Of those, the older ones.
const OLDER: usize = ALTERATIONS.len();

fn make(folder: &Path, version: usize) -> Connection {
    let database = Connection::open(folder.join(FILE_NAME)).unwrap();
    database
        .execute_batch(include_str!("../src/schema/1.sql"))
        .unwrap();
    for alteration in &ALTERATIONS[..version - 1] {
        database.execute_batch(alteration).unwrap();
    }
    database
}

/// As an older schema had it: one second, one peer with its card, one note.
fn write_older(folder: &Path, version: usize) {
    let database = make(folder, version);
    let (unix_ms, boot_ms) = (at(0).unix_ms, at(0).boot_ms);
    let card = serde_json::to_string(&detail("198.51.100.7")).unwrap();
    database
        .execute_batch(&format!(
            "INSERT INTO runs VALUES (1, 'web1', 'boot', '0.1.0', {unix_ms}, {boot_ms}, {unix_ms}, {boot_ms}, NULL);
             INSERT INTO host_seconds (id, span, run, time_ms, boot_ms, orphans)
                 VALUES (1, 1, 1, {unix_ms}, {boot_ms}, 12);
             INSERT INTO peer_seconds (second, place, peer, stalled_connections, pinned_bytes, zero_window_episodes,
                     window_shrinks_polite, window_shrinks_below_flight, window_shrinks_treason, bytes_acked_per_second)
                 VALUES (1, 1, '198.51.100.7', 3, 4096, 0, 0, 0, 0, 0);
             INSERT INTO notes (id, run, time_ms, boot_ms, kind, text)
                 VALUES (1, 1, {unix_ms}, {boot_ms}, 'oom-kill', 'killed 870 (httpd)');
             INSERT INTO cards (peer, time_ms, boot_ms, json) VALUES ('198.51.100.7', {unix_ms}, {boot_ms}, '{card}');
             PRAGMA application_id = 0x64746374;
             PRAGMA user_version = {version};"
        ))
        .unwrap();
}

fn check_older(reader: &Reader) {
    let (_, host, peers) = &reader.seconds(Span::ALL, 10).unwrap()[0];
    assert_eq!((host.orphans, host.orphan_limit), (Some(12), None));
    assert_eq!(
        (peers[0].stalled_connections, peers[0].held_workers),
        (3, None)
    );
    assert_eq!(reader.hosts_until(1, 1).unwrap()[0].orphans, Some(12));
    let card = reader.card("198.51.100.7").unwrap().unwrap();
    assert_eq!((card.at, card.thresholds), (at(0), None));
    let note = &reader.notes(Span::ALL).unwrap()[0];
    assert_eq!(
        (note.text.as_str(), &note.kill),
        ("killed 870 (httpd)", &None)
    );
}

/// Tables are as SQLite makes them itself, and sound.
fn check_tables(folder: &Path) {
    let made = tempfile::tempdir().unwrap();
    let texts = |database: &Connection| {
        let query = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut statement = database.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap()
            .collect::<rusqlite::Result<Vec<(String, String)>>>()
            .unwrap()
    };
    let database = Connection::open(folder.join(FILE_NAME)).unwrap();
    assert_eq!(texts(&database), texts(&make(made.path(), OLDER + 1)));
    let found: String = database
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
}

fn version(folder: &Path) -> i64 {
    let database = Connection::open(folder.join(FILE_NAME)).unwrap();
    database
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn an_older_schema_is_read_as_it_is_and_goes_on_as_the_newest() {
    for older in 1..=OLDER {
        go_on(older);
    }
}

fn go_on(older: usize) {
    let folder = tempfile::tempdir().unwrap();
    write_older(folder.path(), older);
    let first = Reader::open(folder.path()).unwrap();
    check_older(&first);
    assert_eq!(first.peer_peaks(Span::ALL).unwrap()[0].held_workers, None);
    assert_eq!(first.peers_beyond(2).unwrap().len(), 1);
    assert_eq!(version(folder.path()), i64::try_from(older).unwrap());

    let mut recorder = open(folder.path(), 5);
    let mut next = batch(6, 1);
    next.peers[0].held_workers = Some(7);
    next.host = Some(HostSecond {
        orphan_limit: Some(4_096),
        held_receive_bytes: Some(8_192),
        ..HostSecond::default()
    });
    let thresholds = Some(detector_api::fixtures::thresholds());
    next.cards = vec![Card {
        at: at(6),
        detail: detail("198.51.100.9"),
        thresholds,
    }];
    recorder.record(&next).unwrap();
    recorder.end(at(7), 1).unwrap();
    assert_eq!(version(folder.path()), 4);
    let reader = Reader::open(folder.path()).unwrap();
    check_older(&reader);
    check_tables(folder.path());
    let (_, host, peers) = &reader.seconds(Span::ALL, 10).unwrap()[1];
    assert_eq!(host.orphan_limit, Some(4_096));
    let held = (host.held_receive_bytes, host.held_unlisted_bytes);
    assert_eq!(held, (Some(8_192), None));
    assert_eq!(peers[0].held_workers, Some(7));
    let peaks = reader.peer_peaks(Span::ALL).unwrap();
    assert_eq!(peaks[0].held_workers, Some(7));
    assert_eq!(peaks[1].held_workers, None);
    let card = reader.card("198.51.100.9").unwrap().unwrap();
    assert_eq!(card.thresholds, thresholds);
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
