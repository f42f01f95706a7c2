//! Values that several kinds of rows share.

use super::Context;
use super::value::Value;
use detector_api::labelled::Labelled;
use detector_api::snapshot::{Process, Severity, Shrinks};
use detector_api::time;
use std::borrow::Cow;

/// One of a closed list of words.
pub(super) fn name(word: impl Labelled) -> Value<'static> {
    Value::Name(word.label(), word.place())
}

pub(super) fn severity(severity: Severity) -> Value<'static> {
    Value::Level(severity.label(), severity.place())
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
pub(crate) const fn whole(number: f64) -> u64 {
    number as u64
}
