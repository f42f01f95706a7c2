use super::{Batch, Opened, Recorder};
use crate::location::FILE_NAME;
use crate::reader::{Reader, Span};
use crate::rows::{ClockReading, Gap, HostSecond};
use crate::tidy::Limits;
use detector_api::fixtures;
use detector_api::recorded::GapReason;
use detector_api::snapshot::FlagKind;
use detector_api::time::rfc3339;
use rusqlite::Connection;
use std::path::Path;

const LIMITS: Limits = Limits {
    bytes: 256 << 20,
    age_ms: 30 * 86_400_000,
};

/// The moment of this second.
const fn at(second: i64) -> ClockReading {
    ClockReading {
        unix_ms: 1_798_578_000_000 + second * 1_000,
        boot_ms: 500_000 + second * 1_000,
    }
}

fn open(folder: &Path, second: i64, boot_id: &str) -> Recorder {
    let who = Opened {
        host: "web1",
        boot_id,
        version: "0.1.0",
        at: at(second),
    };
    Recorder::open(folder, LIMITS, &who).unwrap().0
}

fn batch(second: i64) -> Batch {
    Batch {
        at: at(second),
        host: Some(HostSecond::default()),
        ..Batch::default()
    }
}

/// Gaps by the seconds of their ends, as they were written.
fn gaps(folder: &Path) -> Vec<(i64, i64, GapReason)> {
    let second = |ms| (ms - at(0).unix_ms) / 1_000;
    let gaps = Reader::open(folder).unwrap().gaps(Span::ALL).unwrap();
    gaps.into_iter()
        .map(|gap| (second(gap.from_ms), second(gap.until_ms), gap.reason))
        .collect()
}

#[test]
fn a_want_of_room_is_a_gap_also_if_the_run_ends_before_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "before");
    let mut play = |seconds: [i64; 3], has_room: bool| {
        for second in seconds {
            recorder.commit(&batch(second), has_room).unwrap();
        }
    };
    play([1, 2, 3], true);
    play([4, 5, 6], false);
    play([7, 8, 9], true);
    play([10, 11, 12], false);
    drop(recorder);
    drop(open(folder.path(), 60, "after"));
    assert_eq!(
        gaps(folder.path()),
        [
            (4, 7, GapReason::DiskFull),
            (10, 12, GapReason::DiskFull),
            (12, 60, GapReason::HostDown)
        ]
    );
}

/// Written at 20:30 by a clock that had said 21:00 before, and named after what began then.
#[test]
fn incidents_are_named_after_all_that_are_recorded_whatever_the_clock_said() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["20261229T210000.000Z", "20261229T210000.001Z"];
    for (name, second) in names.into_iter().zip([0, -1_800]) {
        let mut recorder = open(folder.path(), second, name);
        let began = rfc3339(i128::from(at(second).unix_ms) * 1_000_000);
        let incidents = vec![fixtures::incident(name, &began)];
        let batch = Batch {
            incidents,
            ..batch(second)
        };
        recorder.record(&batch).unwrap();
    }
    let recorder = open(folder.path(), -1_000, "third");
    let last_ms = recorder.numbering().unwrap().last_incident_ms;
    assert_eq!(last_ms, at(0).unix_ms + 1);
}

/// The hardware clock is an hour off: what was recorded in that hour was seen all the same.
#[test]
fn a_start_by_an_earlier_clock_is_a_step_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "before");
    recorder.record(&batch(3_600)).unwrap();
    drop(recorder);
    drop(open(folder.path(), 100, "after"));
    assert_eq!(
        gaps(folder.path()),
        [
            (100, 100, GapReason::HostDown),
            (100, 3_600, GapReason::ClockStep)
        ]
    );
}

#[test]
fn a_clock_that_is_set_while_there_is_no_room_makes_no_gap_of_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "boot");
    let mut play = |seconds: std::ops::Range<i64>, set_by: i64, has_room: bool| {
        for second in seconds {
            let mut batch = batch(second);
            batch.at.unix_ms += set_by * 1_000;
            recorder.commit(&batch, has_room).unwrap();
        }
    };
    play(1..10, 0, true);
    play(10..15, 0, false);
    play(15..20, -3_600, false);
    play(20..25, 3_600, false);
    play(25..30, 3_600, true);
    drop(recorder);
    assert_eq!(
        gaps(folder.path()),
        [
            (10, 14, GapReason::DiskFull),
            (14 - 3_600, 19 - 3_600, GapReason::DiskFull),
            (3_619, 3_625, GapReason::DiskFull),
        ]
    );
}

/// The wall clock is all that an event tells.
#[test]
fn events_and_incidents_have_both_clocks_also_where_one_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "boot");
    let text = |second: i64| rfc3339(i128::from(at(second).unix_ms) * 1_000_000);
    let mut record = |second: i64, set_by: i64, told: i64, ended: Option<[i64; 2]>| {
        let mut batch = batch(second);
        batch.at.unix_ms += set_by * 1_000;
        let number = u64::try_from(second).unwrap();
        let mut event = fixtures::event(number, FlagKind::ZeroWindowStall, &[]);
        event.time = text(told);
        batch.events.push(event);
        let mut incident = fixtures::incident("one", &text(2));
        incident.open = ended.is_none();
        incident.ended = ended.map(|[shown, _]| text(shown));
        incident.duration_seconds = seconds_since(2, ended.map_or(second, |[_, ended]| ended));
        batch.incidents.push(incident);
        recorder.commit(&batch, true).unwrap();
    };
    record(3, 0, 3, None);
    // Told at its second, which is the third from the end.
    record(9, 0, 7, None);
    // Between these two the clock was set back: before that the event came, or after.
    record(10, -3_600, 9, None);
    record(11, -3_600, 11 - 3_600, Some([10 - 3_600, 10]));
    drop(recorder);
    let seconds = |query: &str| boot_seconds(folder.path(), query);
    let of_events = seconds("SELECT boot_ms FROM events ORDER BY id");
    assert_eq!(of_events, [3, 7, 10, 11]);
    assert_eq!(seconds("SELECT began_boot_ms FROM incidents"), [2]);
    assert_eq!(seconds("SELECT ended_boot_ms FROM incidents"), [10]);

    // One that nobody saw end lasted until the last second, whatever the clock showed then.
    let mut recorder = open(folder.path(), 20, "boot");
    let mut second = |second: i64, set_by: i64| {
        let mut batch = batch(second);
        batch.at.unix_ms += set_by * 1_000;
        let mut incident = fixtures::incident("two", &text(21));
        incident.duration_seconds = seconds_since(21, second);
        batch.incidents.push(incident);
        recorder.commit(&batch, true).unwrap();
    };
    second(21, 0);
    second(25, 3_600);
    drop(recorder);
    drop(open(folder.path(), 4_000, "boot"));
    let ended = seconds("SELECT ended_boot_ms FROM incidents ORDER BY id");
    assert_eq!(ended, [10, 25]);
    let all = Reader::open(folder.path())
        .unwrap()
        .incidents(Span::ALL)
        .unwrap();
    let two = all.iter().find(|incident| incident.id == "two").unwrap();
    assert_eq!(two.duration_seconds, 4.0);
}

fn seconds_since(began: i64, now: i64) -> f64 {
    f64::from(i32::try_from(now - began).unwrap())
}

/// Times since the host started that a query finds, in seconds since the first moment.
fn boot_seconds(folder: &Path, query: &str) -> Vec<i64> {
    let database = Connection::open(folder.join(FILE_NAME)).unwrap();
    let mut rows = database.prepare(query).unwrap();
    let rows = rows.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let second = |boot_ms: rusqlite::Result<i64>| (boot_ms.unwrap() - at(0).boot_ms) / 1_000;
    rows.map(second).collect()
}

/// It is closed and written a minute after it ceased.
#[test]
fn when_an_incident_ended_does_not_depend_on_a_clock_that_is_set_before_it_is_closed() {
    for set_by in [3_600, -3_600] {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = open(folder.path(), 0, "boot");
        let text = |second: i64| rfc3339(i128::from(at(second).unix_ms) * 1_000_000);
        for (second, set_by) in [(2, 0), (20, 0), (21, set_by), (69, set_by), (70, set_by)] {
            let mut batch = batch(second);
            batch.at.unix_ms += set_by * 1_000;
            let mut incident = fixtures::incident("one", &text(2));
            incident.open = second < 70;
            incident.ended = (second > 10).then(|| text(10));
            incident.duration_seconds = seconds_since(2, second.min(10));
            batch.incidents.push(incident);
            recorder.commit(&batch, true).unwrap();
        }
        drop(recorder);
        let ended = boot_seconds(folder.path(), "SELECT ended_boot_ms FROM incidents");
        assert_eq!(ended, [10], "set by {set_by}");
    }
}

/// It came and went while nothing could be written, and then the clock was set back.
#[test]
fn an_incident_that_is_written_only_once_it_is_over_has_ended_by_then() {
    for (set_by, expected) in [(0, (100, 200)), (-3_600, (200, 300)), (3_600, (0, 100))] {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = open(folder.path(), 0, "boot");
        let text = |second: i64| rfc3339(i128::from(at(second).unix_ms) * 1_000_000);
        let mut batch = batch(300);
        batch.at.unix_ms += set_by * 1_000;
        let mut incident = fixtures::incident("one", &text(100));
        incident.open = false;
        incident.ended = Some(text(200));
        incident.duration_seconds = seconds_since(100, 200);
        batch.incidents.push(incident);
        recorder.commit(&batch, true).unwrap();
        drop(recorder);
        let seconds = |query: &str| boot_seconds(folder.path(), query)[0];
        let began = seconds("SELECT began_boot_ms FROM incidents");
        let ended = seconds("SELECT ended_boot_ms FROM incidents");
        assert_eq!((began, ended), expected, "set by {set_by}");
    }
}

/// The folder becomes writable after the machine was told the time.
#[test]
fn what_waited_for_the_recorder_was_found_after_the_agent_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "boot");
    let text = |second: i64| rfc3339(i128::from(at(second).unix_ms) * 1_000_000);
    let mut batches = [batch(100), batch(101)];
    for batch in &mut batches {
        batch.at.unix_ms += 3_600_000;
    }
    let mut event = fixtures::event(1, FlagKind::ZeroWindowStall, &[]);
    event.time = text(50);
    batches[1].events.push(event);
    // It goes on: how long it has lasted is known.
    let mut incident = fixtures::incident("one", &text(50));
    incident.duration_seconds = seconds_since(50, 101);
    batches[1].incidents.push(incident);
    for batch in &batches {
        recorder.commit(batch, true).unwrap();
    }
    drop(recorder);
    let of_event = boot_seconds(folder.path(), "SELECT boot_ms FROM events")[0];
    assert!((0..=101).contains(&of_event), "{of_event}");
    let began = boot_seconds(folder.path(), "SELECT began_boot_ms FROM incidents");
    assert_eq!(began, [50]);
}

/// Set there and back between two commits: the difference shows nothing.
#[test]
fn a_step_that_is_told_counts_also_where_the_clock_was_set_back_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "boot");
    recorder.commit(&batch(100), true).unwrap();
    let mut next = batch(160);
    let mut event = fixtures::event(1, FlagKind::ZeroWindowStall, &[]);
    event.time = rfc3339(i128::from(at(130 - 3_600).unix_ms) * 1_000_000);
    next.events.push(event);
    next.gaps.push(Gap {
        from_ms: at(120 - 3_600).unix_ms,
        until_ms: at(120).unix_ms,
        reason: GapReason::ClockStep,
    });
    recorder.commit(&next, true).unwrap();
    drop(recorder);
    let boot = boot_seconds(folder.path(), "SELECT boot_ms FROM events");
    assert_eq!(boot, [100]);
}

/// First samples are left out, then nothing can be written for an hour, in which the clock is set.
#[test]
fn a_lack_of_room_that_became_total_ends_where_it_was_written_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0, "boot");
    let mut play = |seconds: [i64; 3], set_by: i64, has_room: bool| {
        for second in seconds {
            let mut batch = batch(second);
            batch.at.unix_ms += set_by * 1_000;
            recorder.commit(&batch, has_room).unwrap();
        }
    };
    play([1, 2, 3], 0, true);
    play([4, 5, 6], 0, false);
    play([3_600, 3_601, 3_602], -1_800, true);
    play([3_603, 3_604, 3_605], -1_800, false);
    play([7_200, 7_201, 7_202], -1_800, false);
    drop(recorder);
    assert_eq!(
        gaps(folder.path()),
        [
            (4, 6, GapReason::DiskFull),
            (1_803, 1_805, GapReason::DiskFull),
            (5_400, 5_402, GapReason::DiskFull),
        ]
    );
}
