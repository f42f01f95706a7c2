//! What was acknowledged is there after SIGKILL. A short round; `cargo xtask chaos` has the long one.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use detector_recorder::{EventsWanted, Reader, Span};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const KILLS: u64 = 25;

/// Writes until so many batches are acknowledged, then kills; returns the newest number acknowledged.
fn write_and_kill(example: &Path, folder: &Path, batches: u64) -> u64 {
    let mut writer = Command::new(example)
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "opened false");
    let number = |line: String| line.strip_prefix("written ").unwrap().parse().unwrap();
    let mut newest = 0;
    for _ in 0..batches {
        newest = number(lines.next().unwrap().unwrap());
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    // What was written to the pipe before it died was acknowledged, too. A line may be cut.
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    rest.iter()
        .filter_map(|line| line.strip_prefix("written ")?.parse().ok())
        .fold(newest, u64::max)
}

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let example = test_example("endless");
    let folder = tempfile::tempdir().unwrap();
    for round in 0..KILLS {
        let newest = write_and_kill(&example, folder.path(), 1 + round * 7 % 11);
        let reader = Reader::open(folder.path()).unwrap();
        let wanted = EventsWanted {
            span: Span::ALL,
            peer: None,
            kind: None,
            limit: 1,
        };
        let found = reader.events(&wanted).unwrap().pop().unwrap().id;
        assert!(found >= newest, "{found} {newest}");
    }
    let database = rusqlite::Connection::open(folder.path().join("recorder.db")).unwrap();
    let sound: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

/// An example of this package, built beside its tests.
fn test_example(name: &str) -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(name)
}
