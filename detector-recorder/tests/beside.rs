//! What lies beside a recorder that somebody prepared is neither written, given away, nor waited for.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_api::failure::{Code, Failure};
use detector_recorder::{EventsWanted, FILE_NAME, Reader, RecorderError, Span};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use support::{batch, open};

/// A recorder as an agent that died left it: its event is in the log alone.
fn left() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    recorder.record(&batch(1, 7)).unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in [FILE_NAME, "recorder.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// The numbers of the events in it.
fn events(folder: &Path) -> Vec<u64> {
    let wanted = EventsWanted {
        span: Span::ALL,
        peer: None,
        kind: None,
        limit: 10,
    };
    let reader = Reader::open(folder).unwrap();
    let events = reader.events(&wanted).unwrap().into_iter();
    events.map(|event| event.id).collect()
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// SQLite empties an index that it opens for writing.
#[test]
fn an_index_of_the_log_is_only_read_and_none_is_made() {
    for (is_locked, has_index) in [(false, true), (true, true), (true, false)] {
        let folder = left();
        let at = |name: &str| folder.path().join(name);
        let lock = File::create(at("recorder.lock")).unwrap();
        if is_locked {
            flock(&lock, FlockOperation::LockExclusive).unwrap();
        }
        let mine = "somebody's own ".repeat(4096);
        if has_index {
            fs::write(at("recorder.db-shm"), &mine).unwrap();
        }
        let before = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(events(folder.path()), [7]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
        if has_index {
            let now = fs::read_to_string(at("recorder.db-shm")).unwrap();
            assert!(now == mine, "{} bytes are left", now.len());
        }
    }
}

/// SQLite, as root, gives files of these names to the owner of the database.
#[test]
fn what_is_no_file_of_the_recorders_owner_is_refused() {
    for name in ["recorder.db-wal", "recorder.db-shm", "recorder.db-journal"] {
        let refused = |folder: &Path| {
            let error = Reader::open(folder).unwrap_err();
            assert!(matches!(error, RecorderError::OfAnother { .. }), "{error}");
            let failure = Failure::from(error);
            assert_eq!(failure.code(), Code::Failed);
            assert!(failure.to_string().contains("read a copy"), "{failure}");
        };
        let folder = left();
        let path = folder.path().join(name);
        fs::write(&path, "x").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        fs::remove_file(&path).unwrap();
        pipe(&path);
        refused(folder.path());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        refused(folder.path());
        // Who is not root can give nothing away, nor has SQLite do so.
        if owner != 0 {
            continue;
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, "root's own").unwrap();
        let file = folder.path().join(FILE_NAME);
        std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
        if name != "recorder.db-wal" {
            let log = folder.path().join("recorder.db-wal");
            std::os::unix::fs::chown(log, Some(65_534), None).unwrap();
        }
        refused(folder.path());
        assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
        assert_eq!(fs::read_to_string(&path).unwrap(), "root's own");
    }
}

#[test]
fn a_pipe_in_place_of_the_lock_is_not_waited_for() {
    let folder = left();
    pipe(&folder.path().join("recorder.lock"));
    assert_eq!(events(folder.path()), [7]);
}
