//! One host over the span: its seconds, where nothing was seen, and what stands out.

use super::kills::kills;
use super::model::{GapPart, HostPart, Mark, MarkKind, Point, Time};
use super::recording::{Recording, natural};
use super::words;
use detector_recorder::{Gap, GapReason, Run, Second};
use std::collections::BTreeSet;

/// The host as a report shows it.
pub(super) fn host_part(recording: &Recording) -> HostPart {
    let source = &recording.source;
    let boots: BTreeSet<_> = source.runs.iter().map(|run| &run.boot_id).collect();
    let (first, last) = source.extent().unwrap_or_default();
    HostPart {
        host: source.host.clone(),
        file: detector_api::sanitize::text(&source.reader.file().display().to_string()),
        is_written: source.reader.is_written(),
        boots: boots.len() as u64,
        first,
        last,
        timeline: recording.seconds.iter().map(point).collect(),
        gaps: gaps(recording),
        marks: marks(recording),
    }
}

fn point(second: &Second) -> Point {
    let host = &second.host;
    // A file may say anything; a plot cannot show what is no number.
    let float = |value: Option<f64>| value.filter(|value| value.is_finite() && *value >= 0.0);
    let count = |value: Option<i64>| value.map(natural);
    Point {
        time: Time(second.at.unix_ms),
        load_one: float(host.load_one),
        cpu_some_percent: float(host.cpu_some_percent),
        memory_some_percent: float(host.memory_some_percent),
        memory_full_percent: float(host.memory_full_percent),
        io_some_percent: float(host.io_some_percent),
        memory_available_bytes: count(host.memory_available_bytes),
        memory_total_bytes: count(host.memory_total_bytes),
        tcp_memory_bytes: count(host.tcp_memory_bytes),
        tcp_memory_limit_bytes: count(host.tcp_memory_limit_bytes),
        tcp_memory_held: host.tcp_memory_held(),
        pinned_bytes: count(host.pinned_bytes),
        stalled_connections: count(host.stalled_connections),
        held_workers: count(host.held_workers),
        oom_kills: count(host.oom_kills),
    }
}

fn gaps(recording: &Recording) -> Vec<GapPart> {
    let gaps = recording.gaps.iter();
    let seen = recording.seconds.iter().map(|second| second.at.unix_ms);
    let mut seen: Vec<i64> = seen.collect();
    seen.sort_unstable();
    // A clock that was set back made a span come twice, and hid none.
    let hides = |gap: &Gap| {
        let after = seen.partition_point(|at| *at <= gap.from_ms);
        let is_seen = seen.get(after).is_some_and(|at| *at < gap.until_ms);
        gap.reason != GapReason::ClockStep || !is_seen
    };
    let parts = gaps.map(|gap| GapPart {
        from: Time(gap.from_ms),
        // One that ends before it begins, by a clock that was set, hid nothing either.
        until: Time(if hides(gap) {
            gap.until_ms.max(gap.from_ms)
        } else {
            gap.from_ms
        }),
        reason: gap.reason.label().to_owned(),
        text: words::gap(gap.reason).to_owned(),
    });
    parts.collect()
}

fn marks(recording: &Recording) -> Vec<Mark> {
    let mut marks = Vec::new();
    let from_ms = recording.span.from_ms;
    let mut before: Option<&Run> = None;
    for run in &recording.source.runs {
        // When the host started, by the clock that the agent then saw.
        let started_ms = run.began.unix_ms.saturating_sub(run.began.boot_ms);
        let (at, kind, text) = match before {
            // By another clock than that of the agent before it, it may seem to have started before
            // the span, though that agent still wrote in it.
            Some(before)
                if before.boot_id != run.boot_id
                    && started_ms.max(before.last.unix_ms) >= from_ms =>
            {
                // Nor did it before that one wrote for the last time.
                let earliest_ms = from_ms.max(before.last.unix_ms);
                (
                    Time(started_ms.max(earliest_ms).min(run.began.unix_ms)),
                    MarkKind::Reboot,
                    "the host started".to_owned(),
                )
            }
            _ => (
                Time(run.began.unix_ms),
                MarkKind::AgentStart,
                format!("the agent started (version {})", run.version),
            ),
        };
        before = Some(run);
        if recording.contains(at) {
            marks.push(Mark {
                time: at,
                kind,
                text,
            });
        }
    }
    marks.extend(kills(recording).into_iter().map(|kill| Mark {
        time: kill.by,
        kind: MarkKind::OomKill,
        text: kill.text(),
    }));
    marks.sort_by_key(|mark| mark.time);
    marks
}
