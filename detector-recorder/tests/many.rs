//! A file may come from anybody, and hold any number of rows.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_recorder::{FILE_NAME, Reader, RecorderError, Span};
use rusqlite::Connection;
use support::{batch, open};
use tempfile::TempDir;

/// Rows that are put in, how, and how many of them are read.
type Table = (
    usize,
    &'static str,
    fn(&Reader) -> Result<usize, RecorderError>,
);

const TABLES: [Table; 10] = [
    (
        10_100,
        "INSERT INTO runs (host, boot_id, version, began_ms, began_boot_ms, last_ms, last_boot_ms) \
         SELECT 'h', 'b', 'v', n, n, n, n FROM numbers",
        |reader| Ok(reader.runs()?.len()),
    ),
    (
        10_100,
        "INSERT INTO gaps (from_ms, until_ms, reason) SELECT n, n, 'frozen' FROM numbers",
        |reader| Ok(reader.gaps(Span::ALL)?.len()),
    ),
    (
        10_100,
        "INSERT INTO incidents (id, run, began_ms, ended_ms, json) SELECT n, 1, n, n, '{}' FROM numbers",
        |reader| Ok(reader.incidents(Span::ALL)?.len()),
    ),
    (
        50_100,
        "INSERT INTO notes (run, time_ms, boot_ms, kind, text) SELECT 1, n, n, 'action', 'x' FROM numbers",
        |reader| Ok(reader.notes(Span::ALL)?.len()),
    ),
    (
        50_100,
        "INSERT INTO cards (peer, time_ms, boot_ms, json) SELECT n, n, n, '{}' FROM numbers",
        |reader| Ok(reader.cards(Span::ALL)?.len()),
    ),
    (
        100_100,
        "INSERT INTO windows (time_ms, boot_ms, peer, local, remote, snd_una, snd_nxt, edge, edge_max, \
         window_bytes, queued_bytes) SELECT n, n, 'x', 'l', 'r', 0, 0, 0, 0, 0, 0 FROM numbers",
        |reader| Ok(reader.windows("x", Span::ALL)?.len()),
    ),
    (
        200_100,
        "INSERT INTO host_seconds (run, span, time_ms, boot_ms, stalled_connections) \
         SELECT 1, 1, n, n, 0 FROM numbers",
        |reader| Ok(reader.calm_ms()?.len()),
    ),
    // Of one second; it is that in which most was held.
    (
        50_100,
        "INSERT INTO peer_seconds (second, place, peer, stalled_connections, pinned_bytes, \
         zero_window_episodes, window_shrinks_polite, window_shrinks_below_flight, \
         window_shrinks_treason, bytes_acked_per_second) \
         SELECT 1, n + 100, n, 1, 0, 0, 0, 0, 0, 0 FROM numbers",
        |reader| Ok(reader.seconds(Span::ALL, 1)?[0].2.len()),
    ),
    (0, "", |reader| Ok(reader.peer_peaks(Span::ALL)?.len())),
    (0, "", |reader| Ok(reader.peers_beyond(0)?.len())),
];

#[test]
fn no_more_is_read_at_once_than_an_agent_writes_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    recorder.record(&batch(1, 1)).unwrap();
    for (_, _, read) in TABLES {
        let reader = Reader::open(folder.path()).unwrap();
        read(&reader).unwrap();
        assert!(!reader.lacks_rows());
    }
    drop(recorder);
    let database = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    for (rows, insert, _) in TABLES.iter().filter(|(rows, ..)| *rows > 0) {
        let numbers = format!(
            "WITH RECURSIVE numbers (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
        );
        let (insert, select) = insert.split_once("SELECT").unwrap();
        let insert = format!("{insert} {numbers} SELECT {select}");
        database.execute_batch(&insert).unwrap();
    }
    drop(database);
    for (rows, insert, read) in TABLES {
        let reader = Reader::open(folder.path()).unwrap();
        let count = read(&reader).unwrap();
        assert!(reader.lacks_rows(), "{count} by {insert}");
        assert!(rows == 0 || count < rows, "{count} by {insert}");
    }

    // The newest, in their order.
    let reader = Reader::open(folder.path()).unwrap();
    let runs = reader.runs().unwrap();
    assert!(runs.is_sorted_by_key(|run| run.id));
    assert_eq!(runs.last().unwrap().began.unix_ms, 10_100);
    // A span that has few of them has them all.
    let reader = Reader::open(folder.path()).unwrap();
    let span = Span {
        from_ms: 7,
        until_ms: 9,
    };
    let gaps = reader.gaps(span).unwrap();
    assert_eq!(
        gaps.iter().map(|gap| gap.from_ms).collect::<Vec<_>>(),
        [7, 8, 9]
    );
    assert_eq!(reader.notes(span).unwrap().len(), 3);
    assert!(!reader.lacks_rows());
}

/// A recorder that an agent has left, and its database.
fn recorded() -> (TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    recorder.record(&batch(1, 1)).unwrap();
    drop(recorder);
    let database = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    (folder, database)
}

/// Rows may share the pages with their texts: a small file yields any number of bytes.
#[test]
fn no_more_bytes_are_read_at_once_than_an_agent_keeps_and_no_row_is_longer_than_it_writes() {
    let (folder, database) = recorded();
    let insert = |count: usize, bytes: usize| {
        let rows = format!(
            "INSERT INTO notes (run, time_ms, boot_ms, kind, text) \
             WITH RECURSIVE numbers (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
             SELECT 1, n, n, 'action', printf('%.*c', {bytes}, 'x') FROM numbers"
        );
        database.execute_batch(&rows).unwrap();
    };
    insert(300, 1 << 20);
    let reader = Reader::open(folder.path()).unwrap();
    let notes = reader.notes(Span::ALL).unwrap();
    assert!(reader.lacks_rows());
    let bytes: usize = notes.iter().map(|note| note.text.len()).sum();
    assert!((200 << 20..=256 << 20).contains(&bytes), "{bytes}");
    assert_eq!(notes.last().unwrap().at.unix_ms, 300, "the newest");

    insert(1, 8 << 20);
    let reader = Reader::open(folder.path()).unwrap();
    let refused = reader.notes(Span::ALL);
    assert!(
        matches!(refused, Err(RecorderError::Damaged { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_else_a_file_defines_is_not_collected() {
    let (folder, database) = recorded();
    let comment = "x".repeat(8 << 20);
    database
        .execute_batch(&format!("CREATE VIEW more AS SELECT 1 /* {comment} */"))
        .unwrap();
    let refused = Reader::open(folder.path());
    assert!(
        matches!(refused, Err(RecorderError::Damaged { .. })),
        "{refused:?}"
    );
}
