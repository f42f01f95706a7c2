//! The curves of a timeline: what is drawn of each host, in text and on the page.

use super::model::Point;
use detector_api::units;

/// One curve.
pub(super) struct Series {
    /// What stands before it.
    pub(super) label: &'static str,
    /// What it shows, for somebody who sees it for the first time.
    pub(super) about: &'static str,
    /// The value; `None` where it is not known.
    pub(super) value: fn(&Point) -> Option<f64>,
    /// The value in words.
    pub(super) shown: fn(f64) -> String,
    /// This much is in sight in any case.
    pub(super) at_least: f64,
}

/// All curves, in the order in which trouble spreads.
pub(super) const ALL: [Series; 7] = [
    Series {
        label: "stalled",
        about: "connections that took nothing while data waited",
        value: |point| count(point.stalled_connections),
        shown: whole,
        at_least: 5.0,
    },
    Series {
        label: "pinned",
        about: "kernel memory that those connections held",
        value: |point| count(point.pinned_bytes),
        shown: bytes,
        at_least: 1e6,
    },
    Series {
        label: "workers",
        about: "workers of servers that waited on those connections",
        value: |point| count(point.held_workers),
        shown: whole,
        at_least: 5.0,
    },
    Series {
        label: "TCP",
        about: "all memory of the kernel's TCP",
        value: |point| count(point.tcp_memory_bytes),
        shown: bytes,
        at_least: 1e6,
    },
    Series {
        label: "memory",
        about: "memory in use, as a share of the host's",
        value: |point| {
            let total = count(point.memory_total_bytes).filter(|total| *total > 0.0)?;
            let available = count(point.memory_available_bytes)?;
            Some((100.0 - available / total * 100.0).clamp(0.0, 100.0))
        },
        shown: percent,
        at_least: 100.0,
    },
    Series {
        label: "pressure",
        about: "time in which some task waited for memory (PSI)",
        value: |point| point.memory_some_percent,
        shown: percent,
        at_least: 10.0,
    },
    Series {
        label: "load",
        about: "load average over one minute",
        value: |point| point.load_one,
        shown: |value| format!("{value:.1}"),
        at_least: 2.0,
    },
];

#[allow(clippy::cast_precision_loss, reason = "drawn with few digits")]
fn count(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates"
)]
fn bytes(value: f64) -> String {
    units::bytes(value as u64)
}

fn percent(value: f64) -> String {
    units::percent(value / 100.0)
}

/// The highest value of all points, and at least what is in sight in any case.
pub(super) fn highest<'a>(series: &Series, points: impl Iterator<Item = &'a Point>) -> Option<f64> {
    points.filter_map(series.value).reduce(f64::max)
}
