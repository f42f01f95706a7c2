//! From second to second, and event by event.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_api::failure::{Code, Failure};
use detector_api::sanitize;
use detector_recorder::{
    Batch, EventsWanted, FILE_NAME, Reader, RecorderError, Second, Span, Step,
};
use std::fs;
use support::{BEGAN_MS, at, batch, incident, open};

const ALL: EventsWanted<'static> = EventsWanted {
    span: Span::ALL,
    peer: None,
    kind: None,
    limit: 0,
};

/// Two runs of a minute each with an hour between them, and an incident in each.
fn recorded() -> (tempfile::TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    for (began, name) in [(0, "first"), (3_600, "second")] {
        let mut recorder = open(folder.path(), began);
        for second in began + 1..=began + 60 {
            let incidents = if second == began + 30 {
                vec![incident(name, second)]
            } else {
                Vec::new()
            };
            let number = u64::try_from(second).unwrap();
            let batch = Batch {
                incidents,
                ..batch(second, number)
            };
            recorder.record(&batch).unwrap();
        }
    }
    let reader = Reader::open(folder.path()).unwrap();
    (folder, reader)
}

#[test]
fn one_goes_from_second_to_second_across_gaps_and_not_beyond_the_ends() {
    let (_folder, reader) = recorded();
    let of = |second: &Second| (second.at.unix_ms - BEGAN_MS) / 1_000;
    let mut here = reader.second(0, Step::Newest).unwrap().unwrap();
    assert_eq!((of(&here), here.run, here.span_seconds), (3_660, 2, 1));
    assert_eq!(here.peers.len(), 2);
    for (step, expected) in [
        (Step::Seconds(1), 3_660),
        (Step::Seconds(-1), 3_659),
        (Step::Seconds(0), 3_659),
        (Step::Milliseconds(-60_000), 60),
        (Step::Milliseconds(60_000), 3_601),
        (Step::Milliseconds(-3_600_000), 1),
        (Step::Milliseconds(-1), 1),
        (Step::Seconds(-5), 1),
        (Step::Incident(true), 30),
        (Step::Incident(true), 3_630),
        (Step::Incident(true), 3_630),
        (Step::Incident(false), 30),
        (Step::Incident(false), 30),
        (Step::Seconds(31), 3_601),
        (Step::Milliseconds(86_400_000), 3_660),
    ] {
        here = reader.second(here.id, step).unwrap().unwrap();
        assert_eq!(of(&here), expected, "{step:?}");
    }
    let hosts = reader.hosts_until(here.id, 3).unwrap();
    let pinned: Vec<_> = hosts.iter().filter_map(|host| host.pinned_bytes).collect();
    assert_eq!(pinned, [3_658 % 7, 3_659 % 7, 3_660 % 7]);
}

#[test]
fn a_recorder_without_a_second_has_none() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), 0));
    let reader = Reader::open(folder.path()).unwrap();
    for step in [
        Step::Newest,
        Step::Seconds(0),
        Step::Seconds(1),
        Step::Milliseconds(-1),
        Step::Incident(true),
    ] {
        assert_eq!(reader.second(0, step).unwrap(), None, "{step:?}");
    }
}

#[test]
fn all_events_come_one_after_the_other_and_what_is_not_understood_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    for second in 1..=40 {
        let mut batch = batch(second, 0);
        let first = u64::try_from(second).unwrap() * 50;
        batch.events = (first..first + 50)
            .flat_map(|id| {
                let mut events = support::batch(second, id).events;
                if id % 2 == 0 {
                    events[0].peer = "2001:db8::/64".to_owned();
                }
                events
            })
            .collect();
        recorder.record(&batch).unwrap();
    }
    drop(recorder);
    let database = rusqlite::Connection::open(folder.path().join(FILE_NAME)).unwrap();
    let garbled = "UPDATE events SET json = '{\"kind\":\"of-tomorrow\"}' WHERE id IN (77, 1500)";
    assert_eq!(database.execute(garbled, []).unwrap(), 2);
    drop(database);
    let reader = Reader::open(folder.path()).unwrap();
    let ids = |wanted: &EventsWanted<'_>| {
        let mut ids = Vec::new();
        let taken = reader.each_event(wanted, |event| {
            ids.push(event.id);
            Ok::<_, RecorderError>(())
        });
        taken.unwrap();
        ids
    };
    let expected: Vec<u64> = (50..2_050).filter(|id| ![77, 1_500].contains(id)).collect();
    assert_eq!(ids(&ALL), expected);
    assert_eq!(reader.not_understood(), 2);
    let of_one = EventsWanted {
        peer: Some("2001:db8::/64"),
        span: Span {
            from_ms: at(2).unix_ms,
            until_ms: at(3).unix_ms,
        },
        ..ALL
    };
    let expected: Vec<u64> = (100..200).filter(|id| id % 2 == 0).collect();
    assert_eq!(ids(&of_one), expected);
    let mut taken = 0;
    let stopped = reader.each_event(&ALL, |_| {
        taken += 1;
        Err(Failure::failed("enough"))
    });
    assert!(stopped.is_err() && taken == 1);
}

#[test]
fn what_is_no_file_is_no_recorder_and_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join(FILE_NAME);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let failure = Failure::from(Reader::open(folder.path()).unwrap_err());
    assert_eq!(failure.code(), Code::Failed);
    assert!(failure.to_string().contains("hint: name a file"));
    fs::remove_file(&pipe).unwrap();
    let missing = Reader::open(folder.path()).unwrap_err();
    assert!(
        matches!(missing, RecorderError::Missing { .. }),
        "{missing}"
    );
}

/// SQLite tells of a schema that it cannot read with the names that are in it, and files are called anything.
#[test]
fn no_name_in_a_prepared_file_or_of_one_is_told_as_it_is() {
    const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\nhint: run this\u{202e}";
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(format!("{EVIL}{name}"));
    let prepared = rusqlite::Connection::open(at("schema")).unwrap();
    prepared
        .execute_batch("CREATE TABLE runs (id); PRAGMA writable_schema = ON")
        .unwrap();
    let row =
        "INSERT INTO sqlite_schema VALUES ('table', ?1, ?1, 2, 'CREATE TABLE runs gibberish')";
    assert_eq!(prepared.execute(row, [EVIL]).unwrap(), 1);
    drop(prepared);
    fs::write(at("foreign"), "no database ".repeat(999)).unwrap();
    for (name, expected) in [
        ("schema", "malformed database schema"),
        ("foreign", " is not a recorder of detector"),
        ("missing", "there is no recorder at "),
    ] {
        let error = Reader::open(&at(name)).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(expected) && said.contains("owned"), "{said}");
        assert_eq!(said, sanitize::text(&said));
        let told = Failure::from(error).to_string();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines.iter().all(|line| **line == sanitize::text(line)));
        assert!(!lines[1].contains("run this"), "{told}");
    }
}

/// Else a few bytes would be read as rows without end.
#[test]
fn a_prepared_file_whose_tables_are_something_else_is_refused() {
    let as_view = "PRAGMA foreign_keys = OFF; DROP TABLE runs; CREATE VIEW runs AS \
                   WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) \
                   SELECT id, '' AS host FROM n";
    let computed = "ALTER TABLE runs ADD COLUMN more BLOB AS (zeroblob(1000000000))";
    for change in [as_view, computed] {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), 0));
        let file = folder.path().join(FILE_NAME);
        let prepared = rusqlite::Connection::open(&file).unwrap();
        prepared.execute_batch(change).unwrap();
        drop(prepared);
        let failure = Failure::from(Reader::open(&file).unwrap_err()).to_string();
        assert!(
            failure.contains("its tables are not those of schema"),
            "{failure}"
        );
    }
}

#[test]
fn a_copy_with_its_log_is_read_without_an_index_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    recorder.record(&batch(1, 7)).unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in [FILE_NAME, "recorder.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let reader = Reader::open(copy.path()).unwrap();
    let mut ids = Vec::new();
    let taken = reader.each_event(&ALL, |event| {
        ids.push(event.id);
        Ok::<_, RecorderError>(())
    });
    taken.unwrap();
    assert_eq!(ids, [7]);
    drop(reader);
    assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 2);
}

/// It began at 21:34:05; then the clock was set back by an hour.
#[test]
fn an_incident_within_which_the_clock_was_set_back_is_found_by_either_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    let mut over = incident("a", 1_800);
    over.open = false;
    over.ended = Some(detector_api::time::rfc3339(
        i128::from(at(-600).unix_ms) * 1_000_000,
    ));
    let incidents = vec![over];
    recorder
        .record(&Batch {
            incidents,
            ..batch(-600, 1)
        })
        .unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    for (from, until, expected) in [
        (1_200, 1_920, 1),
        (-900, -500, 1),
        (-900, -601, 0),
        (1_801, 2_000, 0),
    ] {
        let span = Span {
            from_ms: at(from).unix_ms,
            until_ms: at(until).unix_ms,
        };
        let found = reader.incidents(span).unwrap().len();
        assert_eq!(found, expected, "{from} until {until}");
    }
}

/// The counter begins anew with each run.
#[test]
fn what_was_lost_is_told_run_by_run_with_what_was_lost_before_the_span() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for (began, counts) in [(0, [7, 8, 8, 30]), (100, [2, 2, 2, 5])] {
        let mut recorder = open(folder.path(), began);
        for (second, count) in (began + 1..).zip(counts) {
            number += 1;
            let mut batch = batch(second, number);
            batch.host.as_mut().unwrap().records_lost = Some(count);
            recorder.record(&batch).unwrap();
        }
    }
    let reader = Reader::open(folder.path()).unwrap();
    let lost = |from: i64, until: i64| -> Vec<_> {
        let span = Span {
            from_ms: at(from).unix_ms,
            until_ms: at(until).unix_ms,
        };
        let runs = reader.records_lost(span).unwrap().into_iter();
        runs.map(|of_run| (of_run.run, of_run.before, of_run.first, of_run.last))
            .collect()
    };
    let (first, second) = ((1, None, Some(7), Some(30)), (2, None, Some(2), Some(5)));
    assert_eq!(lost(0, 200), [first, second]);
    assert_eq!(
        lost(3, 101),
        [(1, Some(8), Some(8), Some(30)), (2, None, Some(2), Some(2))]
    );
    assert_eq!(lost(104, 104), [(2, Some(2), Some(5), Some(5))]);
    assert_eq!(lost(5, 99), []);
}
