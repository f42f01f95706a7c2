//! What is known of the clocks of hosts: steps of each, and whether two of them agree.

use super::model::Time;
use super::recording::Recording;
use super::words::{moment, span};
use detector_api::text::counted;
use detector_recorder::ClockReading;
use std::collections::BTreeMap;

/// A clock that is slewed changes by less within a run.
const STEP_MS: i64 = 1_000;
/// Peers that must show the same difference.
const WITNESSES: usize = 3;
/// How far apart they may lie and still be the same.
const AGREEMENT_MS: i64 = 2_000;
/// Less is told by nobody: peers do not begin everywhere in the same second.
const DIFFERENCE_MS: i64 = 5_000;

/// Everything that is worth telling.
pub(super) fn clocks(recordings: &[Recording], now: Time) -> Vec<String> {
    let mut told = Vec::new();
    for recording in recordings {
        let host = recording.host();
        for (at, by_ms) in steps(recording) {
            let direction = if by_ms > 0 { "forwards" } else { "back" };
            told.push(format!(
                "The clock of {host} was set {direction} by {} at {}: times before and after do not \
                 follow each other.",
                span(by_ms),
                moment(at)
            ));
        }
        let last = recording
            .source
            .runs
            .iter()
            .map(|run| run.last.unix_ms)
            .max();
        let ahead = last.unwrap_or(0).saturating_sub(now.0);
        if ahead > DIFFERENCE_MS {
            told.push(format!(
                "The clock of {host} is ahead of this machine's by {} at least.",
                span(ahead)
            ));
        }
    }
    for (at, one) in recordings.iter().enumerate() {
        for other in recordings.iter().skip(at + 1) {
            told.extend(difference(one, other));
        }
    }
    told
}

/// Steps of the wall clock against the one that never steps, and by how much.
fn steps(recording: &Recording) -> Vec<(Time, i64)> {
    let mut steps = Vec::new();
    let mut before: Option<(ClockReading, &str)> = None;
    for second in &recording.seconds {
        let at = second.at;
        let boot = boot_of(recording, at);
        if let Some((before, same_boot)) = before
            && boot == same_boot
        {
            let by_ms = offset(at).saturating_sub(offset(before));
            if by_ms.saturating_abs() >= STEP_MS && at.boot_ms >= before.boot_ms {
                steps.push((Time(at.unix_ms), by_ms));
            }
        }
        before = Some((at, boot));
    }
    steps
}

const fn offset(at: ClockReading) -> i64 {
    at.unix_ms.saturating_sub(at.boot_ms)
}

/// Which start of the host a moment belongs to. By the boot clock within it, for the other may step.
fn boot_of(recording: &Recording, at: ClockReading) -> &str {
    let runs = recording.source.runs.iter();
    let nearest = runs.min_by_key(|run| {
        let is_within = run.began.boot_ms <= at.boot_ms && at.boot_ms <= run.last.boot_ms;
        let distance = offset(run.began)
            .saturating_sub(offset(at))
            .saturating_abs();
        (!is_within, distance)
    });
    nearest.map_or("", |run| &run.boot_id)
}

/// When the first flag was raised on each peer.
fn first_flags(recording: &Recording) -> BTreeMap<&str, Time> {
    let mut first = BTreeMap::new();
    for (at, event) in recording.span_events() {
        first.entry(event.peer.as_str()).or_insert(at);
    }
    first
}

/// If the same peers began on both hosts, and all with the same difference, then perhaps it is the
/// clocks that differ.
fn difference(one: &Recording, other: &Recording) -> Option<String> {
    let (here, there) = (first_flags(one), first_flags(other));
    let both = here.iter().filter_map(|(peer, at)| {
        let other = there.get(peer)?;
        Some(other.0.saturating_sub(at.0))
    });
    let mut differences: Vec<i64> = both.collect();
    differences.sort_unstable();
    let (least, most) = (*differences.first()?, *differences.last()?);
    let is_same = most.saturating_sub(least) <= AGREEMENT_MS;
    let middle = differences.get(differences.len() / 2).copied()?;
    if differences.len() < WITNESSES || !is_same || middle.saturating_abs() < DIFFERENCE_MS {
        return None;
    }
    let (early, late) = if middle > 0 {
        (one.host(), other.host())
    } else {
        (other.host(), one.host())
    };
    Some(format!(
        "{} began on {late} {} after {early}, all alike: either they came to one host after the \
         other, or the clock of {late} is ahead by that much. The record cannot tell which; times \
         are shown as each host wrote them.",
        counted(differences.len() as u64, "peer", "peers"),
        span(middle)
    ))
}
