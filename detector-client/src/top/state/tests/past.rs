//! Keys lead through a recorder, and back to the present.

use super::{attacked, press, shown, started};
use crate::columns::Grouping;
use crate::top::keys::Key;
use crate::top::past;
use crate::top::state::{Link, Location, Now, State};
use detector_recorder::fixtures::{OTHERS, WORST, at, night};
use detector_recorder::{Batch, Gap, GapReason, HostSecond, Limits, Opened, Recorder};
use std::path::Path;

/// A recorder of one night, and what top shows of it.
pub(crate) struct Night {
    folder: tempfile::TempDir,
    pub(crate) state: State,
}

impl Night {
    pub(crate) fn new(state: State) -> Self {
        let folder = tempfile::tempdir().unwrap();
        night(folder.path()).unwrap();
        Self { folder, state }
    }

    /// Presses keys; what they want of the recorder is read after each.
    pub(crate) fn press(&mut self, keys: &[Key]) {
        for key in keys {
            if press(&mut self.state, *key).fetches {
                read(&mut self.state, self.folder.path());
            }
        }
    }

    /// The second that is shown, counted from the begin of the recording.
    fn second(&self) -> i128 {
        let mark = self.state.past.shown.as_ref().unwrap();
        mark.unix_ns / 1_000_000_000 - i128::from(at(0).unix_ms / 1_000)
    }
}

fn read(state: &mut State, path: &Path) {
    if let Some(query) = state.recorder_query() {
        state.past.step = None;
        state.take_recorded(Now::default(), past::read(path, &query));
    }
}

/// Opened in this second of this boot.
fn recorder_in(folder: &Path, boot_id: &str, second: i64) -> Recorder {
    let who = Opened {
        host: "web1",
        boot_id,
        version: "0",
        at: at(second),
    };
    let limits = Limits {
        bytes: 16 << 20,
        age_ms: 86_400_000,
    };
    Recorder::open(folder, limits, &who).unwrap().0
}

/// Files are called anything.
#[test]
fn why_there_is_no_past_is_told_in_one_harmless_line() {
    const EVIL: &str = "\u{1b}]0;owned\u{7}\nhint: run this\u{202e}";
    let folder = tempfile::tempdir().unwrap();
    let mut state = started();
    press(&mut state, Key::Char('p'));
    let query = state.recorder_query().unwrap();
    let missing = folder.path().join(EVIL);
    let empty = folder.path().join(format!("{EVIL} without a second"));
    std::fs::create_dir(&empty).unwrap();
    drop(recorder_in(&empty, "boot", 0));
    for path in [missing, empty] {
        let why = past::read(&path, &query).unwrap_err();
        assert!(why.contains("owned"), "{why}");
        assert_eq!(why, detector_api::sanitize::text(&why));
    }
}

#[test]
fn keys_go_by_second_minute_hour_and_incident() {
    let mut night = Night::new(started());
    for (key, second) in [
        ('p', 630),
        ('T', 629),
        ('t', 630),
        ('t', 630),
        ('M', 120),
        ('m', 601),
        ('[', 60),
        ('[', 60),
        ('m', 120),
        ('O', 1),
        (']', 60),
        ('o', 630),
    ] {
        night.press(&[Key::Char(key)]);
        assert_eq!(night.second(), second, "{key}");
    }
    assert_eq!(night.state.note, None);
}

#[test]
fn steps_that_come_while_the_recorder_is_read_add_up() {
    let mut night = Night::new(started());
    night.press(&[Key::Char('p')]);
    for _ in 0..5 {
        press(&mut night.state, Key::Char('T'));
    }
    read(&mut night.state, night.folder.path());
    assert_eq!(night.second(), 625);
    press(&mut night.state, Key::Char('T'));
    night.press(&[Key::Char('M')]);
    assert_eq!(night.second(), 120, "the last kind of step wins");
}

#[test]
fn nothing_of_the_past_is_left_in_the_present_and_nothing_can_be_done_in_it() {
    let mut state = attacked();
    state.actions.are_allowed = true;
    state.refresh.is_paused = true;
    let mut night = Night::new(state);
    night.press(&[Key::Char('T'), Key::Char('M')]);
    assert_eq!(shown(&night.state), [WORST, OTHERS[0], OTHERS[1]]);
    let row = &night.state.table.rows[0].peer;
    assert_eq!(
        (row.stalled_connections, row.pinned_bytes),
        (90, 360_000_000)
    );
    assert_eq!(night.state.facts.host, "web1");
    let held = night.state.facts.tcp_memory_held.unwrap();
    assert_eq!((held.stalled_send, held.receive), (360_000_000, 6_000_000));
    assert!(!night.state.refresh.is_paused);
    let effects = press(&mut night.state, Key::Char('x'));
    assert!(!effects.acts && night.state.actions.request.is_none());
    let note = night.state.note.as_deref().unwrap_or_default();
    assert!(note.contains("past"), "{note}");

    night.press(&[Key::Enter]);
    assert_eq!(night.state.location.peer(), Some(WORST));
    let connection = night.state.connection().unwrap();
    let samples = night.state.opened.timelines.of(connection);
    assert_eq!(samples.len(), 90);
    assert_eq!(samples[89].queued_bytes, 3_600_000);

    assert!(press(&mut night.state, Key::Char('p')).fetches);
    assert_eq!(night.state.recorder_query(), None);
    assert_eq!(night.state.location, Location::Table);
    assert_eq!(night.state.link, Link::Waiting);
    assert!(night.state.table.rows.is_empty() && night.state.opened.page.is_none());
    assert!(night.state.facts.host.is_empty());
    let live = night.state.history.stalled.iter().len();
    assert_eq!(live, 30, "histories of the present stay");
}

#[test]
fn only_what_is_recorded_can_be_grouped_by() {
    let mut state = started();
    state.settings.grouping = Grouping::Unit;
    let mut night = Night::new(state);
    night.press(&[Key::Char('p'), Key::Char('M')]);
    assert_eq!(night.state.grouping(), Grouping::Peer);
    for grouping in [Grouping::Peer, Grouping::Net, Grouping::Peer] {
        night.press(&[Key::Tab]);
        assert_eq!(night.state.grouping(), grouping);
    }
    night.press(&[Key::BackTab]);
    assert_eq!(night.state.grouping(), Grouping::Net);
    assert_eq!(shown(&night.state), ["198.51.100.0/24", "2001:db8:1::/48"]);
}

#[test]
fn a_recorder_that_cannot_be_read_says_why_and_the_present_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = attacked();
    press(&mut state, Key::Char('p'));
    read(&mut state, folder.path());
    let note = state.note.clone().unwrap_or_default();
    assert!(note.contains("there is no recorder at"), "{note}");
    assert_eq!(state.recorder_query(), None);
    assert_eq!(shown(&state)[0], "198.51.100.7");
    std::fs::write(folder.path().join("recorder.db"), "text ".repeat(999)).unwrap();
    press(&mut state, Key::Char('p'));
    read(&mut state, folder.path());
    let note = state.note.unwrap_or_default();
    assert!(note.contains("is not a recorder of detector"), "{note}");
}

#[test]
fn a_clock_that_was_set_is_told_at_the_second_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder_in(folder.path(), "boot", 0);
    let mut last = at(0);
    for (second, set_by_ms) in [(1, 0), (2, 0), (3, -600_000), (4, -600_000), (5, 600_000)] {
        let mut now = at(second);
        now.unix_ms += set_by_ms;
        let step = Gap {
            from_ms: last.unix_ms.min(now.unix_ms),
            until_ms: last.unix_ms.max(now.unix_ms),
            reason: GapReason::ClockStep,
        };
        let batch = Batch {
            at: now,
            host: Some(HostSecond::default()),
            gaps: last.is_set_until(now).then_some(step).into_iter().collect(),
            ..Batch::default()
        };
        recorder.record(&batch).unwrap();
        last = now;
    }
    let mut night = Night {
        folder,
        state: started(),
    };
    night.press(&[Key::Char('p')]);
    for told in [Some(1_201), None, Some(599), None] {
        let gaps = &night.state.past.shown.as_ref().unwrap().gaps;
        let seconds = gaps.first().map(|gap| (gap.until_ms - gap.from_ms) / 1_000);
        assert_eq!(seconds, told);
        night.press(&[Key::Char('T')]);
    }
}

/// The power fails, and the clock has no battery.
#[test]
fn a_host_that_went_down_and_starts_by_an_earlier_clock_is_told_as_both() {
    let folder = tempfile::tempdir().unwrap();
    for (boot_id, second) in [("before", 3_600), ("after", 0)] {
        let mut recorder = recorder_in(folder.path(), boot_id, second);
        let batch = Batch {
            at: at(second + 1),
            host: Some(HostSecond::default()),
            ..Batch::default()
        };
        recorder.record(&batch).unwrap();
    }
    let mut night = Night {
        folder,
        state: started(),
    };
    night.press(&[Key::Char('p')]);
    let gaps = &night.state.past.shown.as_ref().unwrap().gaps;
    let reasons: Vec<_> = gaps.iter().map(|gap| gap.reason).collect();
    assert_eq!(reasons, [GapReason::HostDown, GapReason::ClockStep]);
}
