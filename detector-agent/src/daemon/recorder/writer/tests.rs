//! A writer whose file cannot be written for a while.

use super::{TIDY_EVERY, Writer};
use crate::clock;
use crate::config::{Config, RecorderConfig};
use crate::daemon::recorder::open;
use crate::recording::now;
use crate::state::tests::state;
use detector_core::time::{MonotonicTime, SECOND_NS};
use detector_recorder::fixtures::hold;
use detector_recorder::{
    Gap, GapReason, KillScope, NoteKind, OomKill, PEERS_EACH_SECOND, Reader, Span, Written,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

fn writer(folder: &Path) -> Writer {
    let (state, _pings) = state(&Config::default());
    let opening = open(&state, folder, RecorderConfig::default()).unwrap();
    let begun = opening.unwrap().wait(&state).unwrap();
    Writer::new(Arc::clone(&state), begun)
}

fn second(writer: &mut Writer) {
    writer.take_findings();
    writer.take_samples(PEERS_EACH_SECOND);
    writer.write();
}

fn gaps(folder: &Path) -> Vec<Gap> {
    Reader::open(folder).unwrap().gaps(Span::ALL).unwrap()
}

#[test]
fn what_could_not_be_written_is_a_gap_from_the_first_commit_on_that_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    second(&mut writer);
    let since = now();
    let held = hold(folder.path()).unwrap();
    writer
        .state
        .recording
        .note(NoteKind::Action, None, "meanwhile");
    for _ in 0..2 {
        second(&mut writer);
        assert!(writer.is_lacking_all());
    }
    drop(held);
    assert_eq!(gaps(folder.path()), []);
    second(&mut writer);
    assert!(!writer.is_lacking_all());
    let gaps = gaps(folder.path());
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}");
    };
    assert_eq!(gap.reason, GapReason::WriteFailed);
    assert!(
        (since.unix_ms..gap.until_ms).contains(&gap.from_ms),
        "{gap:?}"
    );
    let reader = Reader::open(folder.path()).unwrap();
    let notes = reader.notes(Span::ALL).unwrap();
    assert!(
        notes.iter().any(|note| note.text == "meanwhile"),
        "{notes:?}"
    );
}

/// The recorder has told the gap of what was left out, and could not go on with it.
#[test]
fn a_want_of_room_that_becomes_total_is_a_gap_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    second(&mut writer);
    let lacks_room = Written {
        lacks_room: true,
        ..Written::default()
    };
    writer.settle(lacks_room, now());
    let held = hold(folder.path()).unwrap();
    second(&mut writer);
    drop(held);
    second(&mut writer);
    let gaps = gaps(folder.path());
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].reason, GapReason::WriteFailed);
}

/// The engine, so many seconds from now.
fn advance(writer: &Writer, seconds: u64) {
    let soon = MonotonicTime::from_ns(clock::now().as_ns() + seconds * SECOND_NS);
    writer.state.engine().advance(soon, clock::wall());
}

fn kill(writer: &Writer, kill: &OomKill) {
    writer.state.hear_of_kill(now(), kill.clone());
}

/// The host may hang before the incident is written for another reason.
#[test]
fn the_numbers_of_a_kill_are_written_with_the_incident_and_again_once_more_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    second(&mut writer);
    let by_line = OomKill {
        pid: Some(870),
        ..OomKill::default()
    };
    kill(&writer, &by_line);
    advance(&writer, 2);
    let written = |writer: &mut Writer| {
        second(writer);
        let reader = Reader::open(folder.path()).unwrap();
        let mut incident = reader.incidents(Span::ALL).unwrap().pop().unwrap();
        incident.kills.pop().unwrap()
    };
    let first = written(&mut writer);
    assert_eq!((first.pid, first.scope), (Some(870), KillScope::Unknown));
    // As the second before told it.
    let host = writer.state.host.pressure.last().unwrap().for_incidents();
    let looked = first.host.unwrap();
    assert!(looked.memory_total_bytes.is_some());
    assert_eq!(looked.memory_total_bytes, host.memory_total_bytes);
    let by_report = OomKill {
        scope: KillScope::ControlGroup,
        socket_bytes: Some(4_200_000),
        limit_bytes: Some(268_435_456),
        by_log: true,
        ..by_line
    };
    kill(&writer, &by_report);
    let second = written(&mut writer);
    assert_eq!(second.scope, KillScope::ControlGroup);
    assert_eq!(second.tcp_percent(), Some(1));
    assert_eq!((second.time, second.host), (first.time, first.host));
}

/// The folder is gone, and nobody may make it again.
#[test]
fn an_incident_is_announced_also_where_no_new_file_can_be_begun() {
    let made = tempfile::tempdir().unwrap();
    let folder = made.path().join("state");
    fs::create_dir(&folder).unwrap();
    let mut writer = writer(&folder);
    second(&mut writer);
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "in its place").unwrap();
    second(&mut writer);
    assert!(writer.is_lacking_all());
    kill(&writer, &OomKill::default());
    advance(&writer, 2);
    let open = writer.state.engine().open_incident().unwrap().id;
    second(&mut writer);
    assert_eq!(writer.incident_log.open(), Some(open.as_str()));
    // And that it is over.
    advance(&writer, 300);
    assert!(writer.state.engine().open_incident().is_none());
    second(&mut writer);
    assert_eq!(writer.incident_log.open(), None);
    // It is written once there is a file.
    fs::remove_file(&folder).unwrap();
    for _ in 0..2 {
        second(&mut writer);
    }
    assert!(!writer.is_lacking_all());
    let incidents = Reader::open(&folder).unwrap().incidents(Span::ALL).unwrap();
    assert!(
        incidents.iter().any(|each| each.id == open),
        "{incidents:?}"
    );
}

#[test]
fn a_failure_to_delete_is_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    second(&mut writer);
    writer.tidied = Instant::now().checked_sub(TIDY_EVERY).unwrap();
    let held = hold(folder.path()).unwrap();
    writer.tidy();
    drop(held);
    assert_eq!(writer.state.recording.status().counts.failures, 1);
    second(&mut writer);
    assert_eq!(gaps(folder.path()), []);
}

/// A clock that is set each second, while nothing can be written.
#[test]
fn gaps_that_cannot_be_kept_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let gap = Gap {
        from_ms: 1,
        until_ms: 2,
        reason: GapReason::ClockStep,
    };
    writer.waiting.gaps = vec![gap; super::GAPS_WAIT + 7];
    writer.take_samples(PEERS_EACH_SECOND);
    assert_eq!(writer.waiting.gaps.len(), super::GAPS_WAIT);
    assert_eq!(writer.state.recording.status().counts.gaps_lost, 7);
}
