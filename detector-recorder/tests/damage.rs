//! Files that are no recorder, are damaged or gone: set aside, and recording goes on. `cargo xtask chaos` damages
//! a file at each place; here it is at one in so many.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod support;

use detector_recorder::{Batch, FILE_NAME, GapReason, Reader, Recorder, RecorderError, Span};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use support::{LIMITS, all_events, at, batch, incident, open, opened};

#[test]
fn what_is_no_recorder_is_set_aside_two_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    for text in ["one", "two", "three"] {
        fs::write(&file, text.repeat(1_000)).unwrap();
        let read = Reader::open(folder.path());
        assert!(
            matches!(read, Err(RecorderError::Foreign { .. })),
            "{read:?}"
        );
        let (mut recorder, aside) =
            Recorder::open(folder.path(), LIMITS, &opened(0, "boot")).unwrap();
        assert!(
            fs::read_to_string(aside.unwrap())
                .unwrap()
                .starts_with(text)
        );
        recorder.record(&batch(1, 1)).unwrap();
        let gaps = Reader::open(folder.path())
            .unwrap()
            .gaps(Span::ALL)
            .unwrap();
        assert_eq!(gaps[0].reason, GapReason::Damaged);
        drop(recorder);
        fs::remove_file(&file).unwrap();
    }
    let kept = fs::read_dir(folder.path()).unwrap().flatten();
    let mut kept: Vec<_> = kept
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| {
            name.contains("damaged") && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .collect();
    kept.sort();
    assert_eq!(kept, ["recorder.db.damaged-1", "recorder.db.damaged-2"]);
}

/// Bytes between two places where nobody asks for another number: it shares no factor with the page size.
const EVERY: usize = 1_237;

/// Whatever byte is garbled, and wherever the file is cut, an agent records on and a reader neither
/// panics nor hangs.
#[test]
fn a_file_cut_or_garbled_anywhere_does_not_stop_recording() {
    let whole = recorded();
    let every = std::env::var("DETECTOR_DAMAGED_EVERY");
    let every = every.map_or(EVERY, |every| every.parse().unwrap());
    println!("a file of {} bytes, damaged every {every}", whole.len());
    damage_each(&whole, every);
}

/// A row that is longer than it was goes on at a page that never was. SQLite says of one that lies beyond what the
/// file may hold that no room is left.
#[test]
fn a_row_that_goes_on_outside_of_the_file_does_not_stop_recording() {
    let whole = recorded();
    let folder = tempfile::tempdir().unwrap();
    let mut set_aside = 0;
    for row in newest_rows(&whole) {
        let mut bytes = whole.clone();
        bytes[row] = 0xa5;
        fs::write(folder.path().join(FILE_NAME), &bytes).unwrap();
        let opened = Recorder::open(folder.path(), LIMITS, &opened(50, "boot"));
        let (recorder, aside) = opened.unwrap_or_else(|error| panic!("{row}: {error}"));
        set_aside += usize::from(aside.is_some());
        drop(records_on(recorder));
        clear(folder.path());
    }
    assert!(set_aside > 0);
}

/// Where the newest row of each page of a table begins, with its length.
fn newest_rows(whole: &[u8]) -> Vec<usize> {
    const PAGE: usize = 4_096;
    const LEAF_OF_TABLE: u8 = 0x0d;
    let number = |bytes: &[u8]| usize::from(u16::from_be_bytes(bytes.try_into().unwrap()));
    let pages = whole.chunks_exact(PAGE).enumerate();
    let leaves = pages.filter(|(_, page)| page[0] == LEAF_OF_TABLE);
    let newest = leaves.filter_map(|(index, page)| {
        let last = number(&page[3..5]).checked_sub(1)?;
        Some(index * PAGE + number(&page[8 + 2 * last..10 + 2 * last]))
    });
    newest.collect()
}

/// A recorder with many incidents.
fn recorded() -> Vec<u8> {
    let made = tempfile::tempdir().unwrap();
    let mut recorder = open(made.path(), 0);
    for second in 1..40 {
        let incidents = vec![incident(&format!("incident {second}"), second)];
        let number = u64::try_from(second).unwrap();
        recorder
            .record(&Batch {
                incidents,
                ..batch(second, number)
            })
            .unwrap();
    }
    recorder.end(at(40), 39).unwrap();
    fs::read(made.path().join(FILE_NAME)).unwrap()
}

fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
}

/// One that is to be brought to the present schema first.
#[test]
fn an_older_file_that_is_damaged_anywhere_does_not_stop_recording_either() {
    let made = tempfile::tempdir().unwrap();
    let file = made.path().join(FILE_NAME);
    let database = Connection::open(&file).unwrap();
    let older = include_str!("../src/schema/1.sql");
    database.execute_batch(older).unwrap();
    for second in 1..40 {
        let (unix_ms, boot_ms) = (at(second).unix_ms, at(second).boot_ms);
        database
            .execute_batch(&format!(
                "INSERT INTO runs VALUES ({second}, 'web1', 'boot', '0.1.0', {unix_ms}, {boot_ms}, {unix_ms}, {boot_ms}, NULL);
                 INSERT INTO host_seconds (span, run, time_ms, boot_ms) VALUES (1, {second}, {unix_ms}, {boot_ms});
                 INSERT INTO incidents VALUES ('incident {second}', {second}, {unix_ms}, NULL, '{{}}');
                 INSERT INTO events VALUES ({second}, {second}, {unix_ms}, 'zero-window-stall', 'warning', '198.51.100.7', '{{}}');"
            ))
            .unwrap();
    }
    database
        .execute_batch("PRAGMA application_id = 0x64746374; PRAGMA user_version = 1;")
        .unwrap();
    drop(database);
    damage_each(&fs::read(&file).unwrap(), 5 * EVERY);
}

/// Writes on in the file cut or garbled at each byte of the first page's header, and in so many beyond it.
fn damage_each(whole: &[u8], every: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    let offsets = (0..128).chain((128..whole.len()).step_by(every));
    for offset in offsets {
        for is_cut in [true, false] {
            let mut bytes = whole.to_vec();
            if is_cut {
                bytes.truncate(offset);
            } else {
                bytes[offset..whole.len().min(offset + 64)].fill(0xa5);
            }
            fs::write(&file, &bytes).unwrap();
            if let Ok(reader) = Reader::open(folder.path()) {
                drop(reader.incidents(Span::ALL));
                drop(reader.seconds(Span::ALL, 10));
                drop(reader.gaps(Span::ALL));
            }
            let (recorder, _) = Recorder::open(folder.path(), LIMITS, &opened(50, "boot"))
                .unwrap_or_else(|error| panic!("{offset} {is_cut}: {error}"));
            let recorder = records_on(recorder);
            drop(recorder);
            clear(folder.path());
        }
    }
}

/// A table that is not as its version has it cannot be brought forward, nor read.
#[test]
fn an_older_file_with_other_tables_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let database = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    let older = include_str!("../src/schema/1.sql").replace("peer TEXT NOT NULL", "peer TEXT");
    database.execute_batch(&older).unwrap();
    database
        .execute_batch("PRAGMA application_id = 0x64746374; PRAGMA user_version = 1;")
        .unwrap();
    drop(database);
    let opened = Recorder::open(folder.path(), LIMITS, &opened(0, "boot"));
    let (mut recorder, aside) = opened.unwrap();
    assert!(aside.is_some());
    recorder.record(&batch(1, 1)).unwrap();
    assert_eq!(all_events(&Reader::open(folder.path()).unwrap()), [1]);
}

fn records_on(mut recorder: Recorder) -> Recorder {
    for second in 51..54 {
        let number = 1_000_000 + u64::try_from(second).unwrap();
        match recorder
            .record(&batch(second, number))
            .and_then(|_| recorder.tidy(at(second)))
        {
            Ok(_) => {}
            Err(error) if error.is_damage() => {
                recorder.replace(&opened(second, "boot")).unwrap();
                recorder.record(&batch(second, number)).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    recorder
}

/// By somebody who tidies up: what is found from then on is kept all the same.
#[test]
fn a_file_that_is_removed_while_it_is_written_is_noticed_and_made_again() {
    let made = tempfile::tempdir().unwrap();
    let folder = made.path().join("state");
    fs::create_dir(&folder).unwrap();
    let mut recorder = open(&folder, 0);
    recorder.record(&batch(1, 1)).unwrap();
    let before = recorder.numbering().unwrap().last_event_id;
    let removed_at = |second: i64, remove: &dyn Fn(), recorder: &mut Recorder| {
        remove();
        let error = recorder.record(&batch(second, 2)).unwrap_err();
        assert!(
            matches!(error, RecorderError::Removed { .. }) && error.may_pass(),
            "{error}"
        );
        let aside = recorder.begin_again(&opened(second, "boot")).unwrap();
        assert_eq!(aside, None);
        assert!(recorder.numbering().unwrap().last_event_id >= before);
        recorder.record(&batch(second, 2)).unwrap();
        assert_eq!(all_events(&Reader::open(&folder).unwrap()), [2]);
        let other = Recorder::open(&folder, LIMITS, &opened(second, "boot"));
        assert!(matches!(other, Err(RecorderError::InUse { .. })));
    };
    let file = folder.join(FILE_NAME);
    removed_at(2, &|| fs::remove_dir_all(&folder).unwrap(), &mut recorder);
    removed_at(3, &|| fs::remove_file(&file).unwrap(), &mut recorder);
    // Another one in its place, damaged at that.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "something else").unwrap();
    assert!(recorder.record(&batch(4, 3)).is_err());
    let aside = recorder.begin_again(&opened(4, "boot")).unwrap();
    assert_eq!(
        fs::read_to_string(aside.unwrap()).unwrap(),
        "something else"
    );
}

#[test]
fn a_damaged_file_is_set_aside_once_however_often_the_new_one_fails() {
    let made = tempfile::tempdir().unwrap();
    let folder = made.path().join("state");
    fs::create_dir(&folder).unwrap();
    let mut recorder = open(&folder, 0);
    fs::remove_dir_all(&folder).unwrap();
    for second in 1..4 {
        assert!(recorder.replace(&opened(second, "boot")).is_err());
    }
    fs::create_dir(&folder).unwrap();
    let aside = folder.join("recorder.db.damaged-1");
    fs::write(&aside, "what was damaged").unwrap();
    assert_eq!(recorder.replace(&opened(4, "boot")).unwrap(), aside);
    assert_eq!(fs::read_to_string(&aside).unwrap(), "what was damaged");
    recorder.record(&batch(5, 1)).unwrap();
    assert_eq!(all_events(&Reader::open(&folder).unwrap()), [1]);
}

#[test]
fn what_was_set_aside_is_told_of_where_the_new_file_is_begun_later_and_the_next_one_is_set_aside_too()
 {
    let made = tempfile::tempdir().unwrap();
    let folder = made.path().join("state");
    fs::create_dir(&folder).unwrap();
    let mut recorder = open(&folder, 0);
    fs::remove_dir_all(&folder).unwrap();
    assert!(recorder.replace(&opened(1, "boot")).is_err());
    fs::create_dir(&folder).unwrap();
    let aside = folder.join("recorder.db.damaged-1");
    fs::write(&aside, "what was damaged").unwrap();
    let error = recorder.record(&batch(2, 1)).unwrap_err();
    assert!(matches!(error, RecorderError::Removed { .. }), "{error}");
    let told = recorder.begin_again(&opened(2, "boot")).unwrap();
    assert_eq!(told.as_ref(), Some(&aside));
    recorder.record(&batch(3, 1)).unwrap();
    assert_eq!(recorder.replace(&opened(4, "boot")).unwrap(), aside);
    let before = folder.join("recorder.db.damaged-2");
    assert_eq!(fs::read_to_string(before).unwrap(), "what was damaged");
    assert_eq!(all_events(&Reader::open(&aside).unwrap()), [1]);
}

/// Beside the recorder of a running agent; a link to that is it.
#[test]
fn a_file_that_was_set_aside_is_not_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    recorder.record(&batch(1, 1)).unwrap();
    drop(recorder);
    let file = folder.path().join(FILE_NAME);
    let aside = folder.path().join("recorder.db.damaged-1");
    fs::rename(&file, &aside).unwrap();
    let _running = open(folder.path(), 10);
    let listed = || fs::read_dir(folder.path()).unwrap().count();
    let before = listed();
    assert!(!Reader::open(&aside).unwrap().is_written());
    assert!(Reader::open(&file).unwrap().is_written());
    assert_eq!(listed(), before);
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("night.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(Reader::open(&link).unwrap().is_written());
}
