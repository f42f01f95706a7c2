//! What the agent has said of the peers on this stage, and how often it has swept.
//!
//! Stories have a watch of their own (`tests/src/suite/watch.rs`): they know the program by its interfaces alone,
//! and look for all that it ever says, where this one waits for a flag that is due.

use super::outcome::Finding;
use anyhow::{Result, ensure};
use detector_api::snapshot::{Event, EventType};
use detector_api::status::Status;
use detector_client::socket;
use detector_lab::cases::{Flag, is_alarm};
use detector_lab::stage::Stage;
use serde_json::Value;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after the condition was met a flag may come before it counts as missed: many sweeps, also
/// at the longer interval that a busy host gets.
const PATIENCE: Duration = Duration::from_secs(15);
/// Sweeps that an honest peer must survive unmentioned: the one on its way has perhaps passed it.
const SWEEPS: u64 = 3;
/// Longest they may take.
const SWEEPS_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at how often the agent has swept.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Shared by the follower of the agent and the threads that play.
#[derive(Debug)]
pub(super) struct Watch {
    /// Number of the namespace that is watched.
    inode: u64,
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the agent was first followed.
    began: Option<Instant>,
    sweeps: u64,
    sightings: Vec<Sighting>,
}

/// An event, and when it reached us.
#[derive(Clone, Debug)]
struct Sighting {
    at: Instant,
    event: Event,
}

impl Watch {
    pub(super) fn new(inode: u64) -> Self {
        Self {
            inode,
            seen: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a flag in, unless it is about somebody else: the agent sees the whole host.
    fn take(&self, event: Event) {
        let is_here = event
            .netns
            .is_none_or(|netns| u64::from(netns) == self.inode);
        if is_here && event.event == EventType::Flag {
            let at = Instant::now();
            self.lock().sightings.push(Sighting { at, event });
            self.changed.notify_all();
        }
    }

    fn set_sweeps(&self, sweeps: u64) {
        self.lock().sweeps = sweeps;
        self.changed.notify_all();
    }

    /// Until the agent is there, and since when it is.
    fn wait_began(&self) -> Instant {
        let mut seen = self.lock();
        loop {
            if let Some(began) = seen.began {
                return began;
            }
            let woken = self.changed.wait(seen);
            seen = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the agent raises `flag`, due from `due`, on the peer of `stage`.
    pub(super) fn wait_seen(&self, stage: &Stage, flag: &Flag, due: Instant) -> Finding {
        // Before the agent is there it can see nothing.
        let met = due.max(self.wait_began());
        loop {
            let flags = self.flags_on(stage);
            if let Some(found) = flags.iter().find(|found| is_met(flag, &found.event)) {
                return Finding::Seen {
                    kind: found.event.kind(),
                    source: found.event.source,
                    delay_seconds: signed_seconds(met, found.at),
                };
            }
            if met.elapsed() > PATIENCE {
                return Finding::Missed {
                    kind: flag.kind,
                    waited: PATIENCE,
                    instead: flags.iter().map(|found| found.event.kind()).collect(),
                };
            }
            self.wait_change(LOOK_EVERY);
        }
    }

    /// Waits until the agent has swept often enough to have seen all of the play, and looks whether
    /// it holds anything against the peer of `stage`.
    pub(super) fn wait_quiet(&self, stage: &Stage) -> Result<Finding> {
        self.wait_began();
        let (began, first) = (Instant::now(), self.lock().sweeps);
        while self.lock().sweeps < first + SWEEPS {
            ensure!(
                began.elapsed() < SWEEPS_PATIENCE,
                "the agent has not swept {SWEEPS} times within {SWEEPS_PATIENCE:?}"
            );
            self.wait_change(LOOK_EVERY);
        }
        let flags = self.flags_on(stage);
        let accusation = flags
            .iter()
            .find(|flag| is_accusation(&flag.event, stage.case.notes()));
        Ok(accusation.map_or(Finding::Quiet, |flag| Finding::Accused {
            kind: flag.event.kind(),
            source: flag.event.source,
            severity: flag.event.severity,
            verdict: flag.event.verdict,
        }))
    }

    fn flags_on(&self, stage: &Stage) -> Vec<Sighting> {
        let seen = self.lock();
        let of_stage = seen.sightings.iter();
        of_stage
            .filter(|sighting| stage.owns(&sighting.event.peer))
            .cloned()
            .collect()
    }

    fn wait_change(&self, patience: Duration) {
        let woken = self.changed.wait_timeout(self.lock(), patience);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }
}

fn is_met(flag: &Flag, event: &Event) -> bool {
    let numbers = event.flag.numbers();
    let evidence = |name: &str| numbers.get(name)?.as_f64();
    let word = |field: &str| match field {
        "direction" => Some(event.direction.label()),
        "severity" => Some(event.severity.label()),
        "verdict" => event.verdict.map(|verdict| verdict.label()),
        _ => None,
    };
    flag.is_met_by(event.kind().label(), evidence, word)
}

/// Whether a flag on an honest peer is more than a note of the kinds that may be there.
fn is_accusation(event: &Event, notes: &[&str]) -> bool {
    let verdict = event.verdict.map(|verdict| verdict.label());
    is_alarm(event.severity.label(), verdict) || !notes.contains(&event.kind().label())
}

/// From `met` to `at`; below zero if `at` came first.
fn signed_seconds(met: Instant, at: Instant) -> f64 {
    let (late, early) = (
        at.saturating_duration_since(met),
        met.saturating_duration_since(at),
    );
    late.as_secs_f64() - early.as_secs_f64()
}

/// Follows the agent for as long as it can be followed; returns why it cannot.
pub(super) async fn follow(socket: PathBuf, watch: Arc<Watch>) -> String {
    watch.lock().began = Some(Instant::now());
    watch.changed.notify_all();
    let take = |value: Value| {
        // Other lines are notes of the agent, for instance that events were dropped; what is
        // missing then is missed.
        if let Ok(event) = serde_json::from_value::<Event>(value) {
            watch.take(event);
        }
        Ok(())
    };
    let events = socket::each_line(&socket, "/v1/events?follow=1", true, take);
    tokio::select! {
        end = events => match end {
            Ok(()) => "its events came to an end".to_owned(),
            Err(error) => error.to_string(),
        },
        never = count_sweeps(&socket, &watch) => match never {},
    }
}

/// Keeps the number of sweeps up to date. An agent that is too busy to answer is asked again; of one
/// that is gone the events come to an end.
async fn count_sweeps(socket: &Path, watch: &Watch) -> Infallible {
    loop {
        if let Ok(status) = socket::object::<Status>(socket, "/v1/status").await {
            watch.set_sweeps(status.sweep.rounds);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Watch, is_accusation, signed_seconds};
    use detector_api::fixtures::event;
    use detector_api::snapshot::{EventType, FlagKind, Severity, Verdict};
    use std::time::{Duration, Instant};

    #[test]
    fn only_flags_of_this_namespace_are_listened_to() {
        let mut mine = event(1, FlagKind::Dribble, &[]);
        mine.event = EventType::Flag;
        let watch = Watch::new(u64::from(mine.netns.unwrap()));
        let mut elsewhere = mine.clone();
        elsewhere.netns = elsewhere.netns.map(|netns| netns + 1);
        let mut cleared = mine.clone();
        cleared.event = EventType::Cleared;
        let mut hoard = mine.clone();
        hoard.netns = None;
        for event in [mine, elsewhere, cleared, hoard] {
            watch.take(event);
        }
        assert_eq!(watch.lock().sightings.len(), 2);
    }

    #[test]
    fn a_note_is_no_accusation_where_it_is_tolerated() {
        let mut note = event(1, FlagKind::ZeroWindowStall, &[]);
        note.severity = Severity::Info;
        note.verdict = Some(Verdict::SlowClient);
        assert!(!is_accusation(&note, &["zero-window-stall"]));
        assert!(is_accusation(&note, &["dribble"]));
        let mut warning = note.clone();
        warning.severity = Severity::Warning;
        assert!(is_accusation(&warning, &["zero-window-stall"]));
        let mut attack = note;
        attack.verdict = Some(Verdict::SlowReadAttack);
        assert!(is_accusation(&attack, &["zero-window-stall"]));
    }

    #[test]
    fn a_flag_that_came_early_shows() {
        let now = Instant::now();
        let later = now + Duration::from_millis(1_500);
        assert!((signed_seconds(now, later) - 1.5).abs() < 1e-9);
        assert!((signed_seconds(later, now) + 1.5).abs() < 1e-9);
    }
}
