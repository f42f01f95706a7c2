//! What came of it: kills and restarts, as a sentence.

use super::kills::{Kill, kills};
use super::model::{MarkKind, Report};
use super::recording::{Recording, natural};
use super::words::{are_of_one_day, clock, listed, moment};
use detector_api::text::{counted, oom_kill_at_limit};
use detector_api::units;
use detector_recorder::RecorderError;

/// A kill to which stalled connections added at least this share of the host's memory, or this many
/// waiting workers.
const MATTERS_PART: u64 = 20;
const MATTERS_WORKERS: u64 = 8;

/// What came of it, as a sentence.
pub(super) fn outcome(report: &Report, recordings: &[Recording]) -> Result<String, RecorderError> {
    let is_one_day = are_of_one_day(&[report.span.from, report.span.until]);
    let told = if is_one_day { clock } else { moment };
    let marks = report.hosts.iter().flat_map(|host| {
        let of_host = host.marks.iter();
        of_host.map(|mark| (host.host.as_str(), mark))
    });
    let reboots: Vec<String> = marks
        .filter(|(_, mark)| mark.kind == MarkKind::Reboot)
        .map(|(host, mark)| format!("{host} started again at {}", told(mark.time)))
        .collect();
    let restarted = match reboots.as_slice() {
        [] => String::new(),
        some => format!("; {}", listed(some)),
    };
    let kills = recordings.iter().flat_map(|recording| {
        let of_host = kills(recording).into_iter();
        of_host.map(move |kill| (recording, kill))
    });
    let kills: Vec<_> = kills.collect();
    let Some((recording, first)) = kills.iter().min_by_key(|(_, kill)| kill.by) else {
        return Ok(match reboots.as_slice() {
            [] => "The kernel killed no process for want of memory and no host restarted, as far \
                   as was recorded."
                .to_owned(),
            some => format!(
                "No kill for want of memory was recorded, but {}.",
                listed(some)
            ),
        });
    };
    let counts = kills.iter().map(|(_, kill)| kill.count);
    let more = counts.fold(0, u64::saturating_add).saturating_sub(1);
    let times = match more {
        0 => String::new(),
        more => format!(", and {}", counted(more, "more time", "more times")),
    };
    let when = match first.note {
        Some(_) => format!("at {}", told(first.by)),
        None => format!("by {} (which one is not recorded)", told(first.by)),
    };
    let added = added(recording, first, more > 0)?;
    let kill = first.note.as_ref().and_then(|note| note.kill.as_ref());
    let name = kill.and_then(|kill| kill.name.as_ref());
    let name = name.map_or_else(String::new, |name| format!(" ({name})"));
    Ok(format!(
        "For want of memory the kernel killed a process{name} on {} {when}{times}{added}{restarted}.",
        recording.host()
    ))
}

/// What is known of how a kill came about.
fn added(recording: &Recording, kill: &Kill, has_more: bool) -> Result<String, RecorderError> {
    let before = kill.second_before(recording)?;
    let host = before.map(|second| second.host);
    let told = kill.note.as_ref().and_then(|note| note.kill.as_ref());
    if let Some(at_limit) = told.and_then(oom_kill_at_limit) {
        let which = if has_more { "the first" } else { "that" };
        let workers = host.and_then(|host| host.held_workers).map_or(0, natural);
        // Each has a process of its own, of which the limit may be full.
        let waiting = match workers {
            ..MATTERS_WORKERS => String::new(),
            workers => format!(
                "; on the whole host {} of servers waited on stalled connections then",
                counted(workers, "worker", "workers")
            ),
        };
        return Ok(format!("; {which} was{at_limit}{waiting}"));
    }
    let Some(host) = host else {
        return Ok(String::new());
    };
    let Some((pinned, total)) = host.pinned_bytes.zip(host.memory_total_bytes) else {
        return Ok(String::new());
    };
    let (pinned, total) = (natural(pinned), natural(total));
    let workers = natural(host.held_workers.unwrap_or(0));
    let held = units::bytes(pinned);
    Ok(
        if pinned >= total / MATTERS_PART || workers >= MATTERS_WORKERS {
            let waiting = match workers {
                0 => String::new(),
                workers => format!(
                    " and {} waited on them",
                    counted(workers, "worker", "workers")
                ),
            };
            format!(", when such connections held {held} that cannot be swapped out{waiting}")
        } else {
            // Little for the host; not every log tells that no control group was short of it.
            let total = units::bytes(total);
            format!(", when such connections held {held} of the {total} that the host has")
        },
    )
}
