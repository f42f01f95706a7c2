use super::{gaps_between, open, start};
use crate::config::{Config, RecorderConfig};
use crate::state::AgentState;
use crate::state::tests::{stalled, state};
use detector_api::snapshot::Thresholds;
use detector_recorder::{
    ClockReading, EventsWanted, FILE_NAME, GapReason, NoteKind, Reader, RecorderError, Span,
};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVERYTHING: EventsWanted<'_> = EventsWanted {
    span: Span::ALL,
    peer: None,
    kind: None,
    limit: usize::MAX >> 1,
};

/// A run of an agent with its recorder in this folder, ended in order.
fn run(folder: &Path, act: impl FnOnce(&Arc<AgentState>)) {
    let (state, _pings) = state(&Config::default());
    let recorder = open(&state, folder, RecorderConfig::default()).unwrap();
    let thread = start(Arc::clone(&state), recorder.unwrap(), 0).unwrap();
    act(&state);
    thread.end();
}

#[test]
fn a_run_is_recorded_and_the_next_goes_on_after_it() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), |state| {
        state
            .ingest(&mut vec![crate::kernel::Message::Records(vec![stalled(
                "198.51.100.7:40000",
                10,
            )])])
            .unwrap();
        assert_eq!(state.with_engine(|engine| engine.last_event_id()), 1);
        state
            .recording
            .note(NoteKind::Configuration, None, "one\u{1b}two");
        assert_eq!(state.recording.status().failure, None);
    });
    let reader = Reader::open(folder.path()).unwrap();
    let events = reader.events(&EVERYTHING).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].peer, "198.51.100.7");
    let points = reader.windows("198.51.100.7", Span::ALL).unwrap();
    assert_eq!(points.len(), 1, "from before the flag");
    assert_eq!(points[0].queued_bytes, 4_000_000);
    let seconds = reader.seconds(Span::ALL, 10).unwrap();
    // The thread may have taken one before there was anything to tell.
    let (_, host, peers) = seconds.last().unwrap();
    assert_eq!(host.pinned_bytes, Some(4_220_292));
    assert_eq!(peers[0].peer, "198.51.100.7");
    let card = reader.card("198.51.100.7").unwrap().unwrap();
    let thresholds = Thresholds::from(&Config::default().detect_settings());
    assert_eq!(card.thresholds, Some(thresholds));
    let notes = reader.notes(Span::ALL).unwrap();
    assert!(notes.iter().any(|note| note.kind == NoteKind::Verdict));
    assert!(notes.iter().all(|note| !note.text.contains('\u{1b}')));
    assert!(reader.runs().unwrap()[0].was_stopped);

    run(folder.path(), |state| {
        let started = rfc3339_of_first_run(&reader);
        assert!(state.recording.goes_on_from(&started));
        state.with_engine(|engine| {
            assert_eq!((engine.first_event_id(), engine.last_event_id()), (1, 1));
            assert_eq!(engine.events_after(0).count(), 1);
        });
    });
    let gaps = Reader::open(folder.path())
        .unwrap()
        .gaps(Span::ALL)
        .unwrap();
    assert_eq!(gaps[0].reason, GapReason::Stopped);
}

fn rfc3339_of_first_run(reader: &Reader) -> String {
    let began = reader.runs().unwrap()[0].began;
    detector_api::time::rfc3339(i128::from(began.unix_ms) * 1_000_000)
}

#[test]
fn an_agent_that_may_not_record_says_so_and_one_that_must_not_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _pings) = state(&Config::default());
    let disabled = RecorderConfig {
        enabled: false,
        ..RecorderConfig::default()
    };
    assert!(open(&state, folder.path(), disabled).unwrap().is_none());
    assert!(!folder.path().join(FILE_NAME).exists());
    assert_eq!(state.recording.status().failure, None);

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let opened = open(&state, &file, RecorderConfig::default()).unwrap();
    assert!(opened.is_some(), "it may become a folder");
    let status = state.recording.status();
    assert!(
        status.file.is_none() && status.failure.is_some(),
        "{status:?}"
    );

    let first = open(&state, folder.path(), RecorderConfig::default()).unwrap();
    let second = open(&state, folder.path(), RecorderConfig::default());
    let refusal = second.map(drop).unwrap_err().to_string();
    let expected = RecorderError::InUse {
        folder: folder.path().to_owned(),
    };
    assert!(refusal.contains(&expected.to_string()), "{refusal}");
    drop(first);
}

#[test]
fn what_is_found_before_the_recorder_can_be_opened_is_kept() {
    let made = tempfile::tempdir().unwrap();
    let folder = made.path().join("state");
    run(made.path(), |_| {});
    let (state, _pings) = state(&Config::default());
    let opening = open(&state, &folder, RecorderConfig::default()).unwrap();
    assert!(!state.recording.is_on());
    let stall = stalled("198.51.100.7:40000", 10);
    let records = crate::kernel::Message::Records(vec![stall]);
    state.ingest(&mut vec![records]).unwrap();
    state.recording.note(NoteKind::OomKill, None, "before");
    std::fs::create_dir(&folder).unwrap();
    // What an earlier agent left there: its numbers are not given again.
    std::fs::copy(made.path().join(FILE_NAME), folder.join(FILE_NAME)).unwrap();
    let thread = start(Arc::clone(&state), opening.unwrap(), 0).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while !state.recording.is_on() {
        assert!(Instant::now() < end, "{:?}", state.recording.status());
        state.recording.hurry();
        std::thread::yield_now();
    }
    thread.end();
    let reader = Reader::open(&folder).unwrap();
    let notes = reader.notes(Span::ALL).unwrap();
    assert!(notes.iter().any(|note| note.text == "before"), "{notes:?}");
    assert_eq!(reader.events(&EVERYTHING).unwrap().len(), 1);
    let gaps = reader.gaps(Span::ALL).unwrap();
    let reasons: Vec<_> = gaps.iter().map(|gap| gap.reason).collect();
    assert_eq!(reasons, [GapReason::Stopped, GapReason::WriteFailed]);
    // By both clocks, else the host would seem to have started earlier than it did.
    let began = reader.runs().unwrap().last().unwrap().began;
    assert_eq!(began, state.started());
    let status = state.recording.status();
    assert_eq!((status.failure, status.is_awaited), (None, false));
}

#[test]
fn a_pause_and_a_set_clock_are_gaps() {
    let at = |unix_ms, boot_ms| ClockReading { unix_ms, boot_ms };
    let reasons = |now| {
        let gaps = gaps_between(at(1_000_000, 1_000), now);
        gaps.into_iter().map(|gap| gap.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(at(1_001_000, 2_000)), []);
    assert_eq!(reasons(at(1_009_000, 10_000)), [GapReason::Frozen]);
    assert_eq!(reasons(at(900_000, 2_000)), [GapReason::ClockStep]);
    assert_eq!(
        reasons(at(9_000_000, 20_000)),
        [GapReason::Frozen, GapReason::ClockStep]
    );
    // What lies between two moments of a clock that was set back was seen.
    let spans = gaps_between(at(1_000_000, 1_000), at(900_000, 20_000)).into_iter();
    let spans: Vec<_> = spans.map(|gap| (gap.from_ms, gap.until_ms)).collect();
    assert_eq!(spans, [(900_000, 900_000), (900_000, 1_000_000)]);
    // Of a clock that was set forwards, what no clock has ever shown is no part of the pause.
    let spans = gaps_between(at(1_000_000, 1_000), at(4_606_000, 7_000)).into_iter();
    let spans: Vec<_> = spans.map(|gap| (gap.from_ms, gap.until_ms)).collect();
    assert_eq!(spans, [(4_600_000, 4_606_000), (1_000_000, 4_606_000)]);
}
