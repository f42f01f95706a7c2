//! Names of verdicts, severities and causes as filters and cells know them, and values that peers
//! and connections share.

use super::Context;
use super::value::Value;
use detector_api::snapshot::{
    EventType, FlagKind, IncidentEnd, Process, Severity, Shrinks, SourceName, StallCause, Verdict,
};
use detector_api::time;
use std::borrow::Cow;

pub(super) const VERDICTS: [&str; 8] = [
    Verdict::SlowReadAttack.label(),
    Verdict::ZeroWindowAttack.label(),
    Verdict::ShrinkingPeer.label(),
    Verdict::Tarpit.label(),
    Verdict::PathLoss.label(),
    Verdict::Vanished.label(),
    Verdict::SlowClient.label(),
    Verdict::Benign.label(),
];
pub(super) const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];
pub(super) const STALLS: [&str; 4] = [
    StallCause::ZeroWindow.label(),
    StallCause::SmallWindow.label(),
    StallCause::Dribble.label(),
    StallCause::Unanswered.label(),
];
pub(super) const SOURCES: [&str; 3] = ["hook", "sweep", "both"];

pub(super) const END_NAMES: [&str; 4] = [
    IncidentEnd::ReadOn.label(),
    IncidentEnd::Closed.label(),
    IncidentEnd::BelowWarning.label(),
    IncidentEnd::PressureOver.label(),
];

pub(super) const EVENT_TYPES: [&str; 3] = ["flag", "cleared", "episode"];
pub(super) const KINDS: [&str; 7] = [
    FlagKind::WindowShrink.label(),
    FlagKind::ZeroWindowStall.label(),
    FlagKind::SmallWindowStall.label(),
    FlagKind::Dribble.label(),
    FlagKind::Unanswered.label(),
    FlagKind::TinyWindow.label(),
    FlagKind::StallHoard.label(),
];

/// A name and its place among `names`.
fn named(label: &'static str, names: &[&str]) -> Value<'static> {
    Value::Name(label, place_of(label, names))
}

fn place_of(label: &str, names: &[&str]) -> usize {
    let place = names.iter().position(|name| *name == label);
    place.unwrap_or(names.len())
}

pub(super) fn verdict(verdict: Verdict) -> Value<'static> {
    named(verdict.label(), &VERDICTS)
}

pub(super) fn severity(severity: Severity) -> Value<'static> {
    let label = detector_api::text::severity_label(severity);
    Value::Level(label, place_of(label, &SEVERITIES))
}

pub(super) fn stall(cause: StallCause) -> Value<'static> {
    named(cause.label(), &STALLS)
}

pub(super) fn source(source: SourceName) -> Value<'static> {
    named(detector_api::text::source_label(source), &SOURCES)
}

pub(super) fn kind(kind: FlagKind) -> Value<'static> {
    named(kind.label(), &KINDS)
}

pub(super) fn incident_end(end: IncidentEnd) -> Value<'static> {
    named(end.label(), &END_NAMES)
}

pub(super) fn event_type(event: EventType) -> Value<'static> {
    let label = match event {
        EventType::Flag => EVENT_TYPES[0],
        EventType::Cleared => EVENT_TYPES[1],
        EventType::Episode => EVENT_TYPES[2],
    };
    named(label, &EVENT_TYPES)
}

pub(super) fn shrinks(shrinks: Shrinks) -> Value<'static> {
    Value::Parts([shrinks.polite, shrinks.below_flight, shrinks.treason], 3)
}

/// Seconds since a time in a row.
#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds of an age are enough"
)]
pub(super) fn age(time: &str, context: &Context) -> Value<'static> {
    match time::rfc3339_unix_ns(time) {
        Some(unix_ns) => {
            let ns = context.now_unix_ns.saturating_sub(unix_ns).max(0);
            Value::Seconds(ns as f64 / 1e9)
        }
        None => Value::Absent,
    }
}

/// Unit of each process, its name where it has none; each once.
pub(super) fn units(processes: &[Process]) -> Value<'_> {
    Value::Texts(owners(processes, |process| {
        process.unit.as_deref().unwrap_or(&process.comm)
    }))
}

/// Name of each process; each once.
pub(super) fn commands(processes: &[Process]) -> Value<'_> {
    Value::Texts(owners(processes, |process| &process.comm))
}

fn owners<'a>(processes: &'a [Process], name: fn(&'a Process) -> &'a str) -> Vec<Cow<'a, str>> {
    let mut names: Vec<Cow<'a, str>> = Vec::new();
    for process in processes {
        let name = name(process);
        if !names.iter().any(|known| known == name) {
            names.push(Cow::Borrowed(name));
        }
    }
    names
}

/// Without its fraction.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates"
)]
pub(super) const fn whole(number: f64) -> u64 {
    number as u64
}
