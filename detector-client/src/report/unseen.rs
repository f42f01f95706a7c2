//! What a report cannot know, and why.

use super::model::{HostPart, Time};
use super::recording::{Recording, natural};
use super::words::{moment, range, span};
use detector_api::text::counted;
use detector_recorder::RecorderError;

/// Shorter spans between two points hide nothing that a reader would look for.
const COARSE_MS: i64 = 5_000;
/// What lies closer than this to an end of the span lacks nothing.
const EDGE_MS: i64 = 60_000;

/// Everything that could not be seen.
pub(super) fn unseen(
    recordings: &[Recording],
    hosts: &[HostPart],
) -> Result<Vec<String>, RecorderError> {
    let mut told = Vec::new();
    for (recording, host) in recordings.iter().zip(hosts) {
        let name = &host.host;
        for gap in &host.gaps {
            let lasted_ms = gap.until.0.saturating_sub(gap.from.0);
            let when = match lasted_ms {
                0 => moment(gap.from),
                lasted_ms => format!("{} ({})", range(gap.from, gap.until), span(lasted_ms)),
            };
            told.push(format!("{name}, {when}: {}.", gap.text));
        }
        let wanted = recording.span;
        if host.first.0.saturating_sub(wanted.from_ms) > EDGE_MS {
            let first = moment(host.first);
            told.push(format!("{name}: nothing is recorded before {first}."));
        }
        if wanted.until_ms.saturating_sub(host.last.0) > EDGE_MS {
            let last = moment(host.last);
            told.push(format!("{name}: nothing is recorded after {last}."));
        }
        if let Some(lost) = records_lost(recording)? {
            told.push(format!(
                "{name}: the kernel side lost {lost}; counts are lower bounds."
            ));
        }
        if let Some(apart) = usual_distance_ms(host).filter(|apart| *apart > COARSE_MS) {
            told.push(format!(
                "{name}: points of the timeline stand for about {} each, and show the second in \
                 which most was held.",
                span(apart)
            ));
        }
        let is_unknown = |of: fn(&super::model::Point) -> bool| {
            !host.timeline.is_empty() && !host.timeline.iter().any(of)
        };
        if is_unknown(|point| point.held_workers.is_some()) {
            told.push(format!("{name}: how many workers waited was not recorded."));
        }
        if is_unknown(|point| point.memory_some_percent.is_some()) {
            told.push(format!("{name}: the kernel does not tell pressure (PSI)."));
        }
        if recording.source.reader.lacks_rows() {
            told.push(format!(
                "{name}: of very many gaps, starts, notes, incidents or peers only the newest, or the most costly, \
                 were read."
            ));
        }
        if recording.lacks_events {
            told.push(format!(
                "{name}: of very many events only the newest {} were read.",
                recording.events.len()
            ));
        }
    }
    Ok(told)
}

/// Records that were lost in the span, as a clause. Of a run that had begun before the span and has no second
/// before it, what was lost by its first second may be of the span or not.
fn records_lost(recording: &Recording) -> Result<Option<String>, RecorderError> {
    let (mut lost, mut undated) = (0_u64, 0_u64);
    for of_run in recording.source.reader.records_lost(recording.span)? {
        let [before, first, last] =
            [of_run.before, of_run.first, of_run.last].map(|count| count.map(natural));
        let first = first.unwrap_or(0);
        let began = recording
            .source
            .run(of_run.run)
            .map(|run| run.began.unix_ms);
        let began_in_it = began.is_some_and(|began| began >= recording.span.from_ms);
        let before = before.or(began_in_it.then_some(0)).unwrap_or_else(|| {
            undated = undated.saturating_add(first);
            first
        });
        lost = lost.saturating_add(last.unwrap_or(0).saturating_sub(before));
    }
    Ok(match (lost, undated) {
        (0, 0) => None,
        (lost, 0) => Some(counted(lost, "record", "records")),
        (lost, undated) => Some(format!(
            "{lost} to {} (some may have been lost before the span)",
            counted(lost.saturating_add(undated), "record", "records")
        )),
    })
}

fn usual_distance_ms(host: &HostPart) -> Option<i64> {
    let times: Vec<Time> = host.timeline.iter().map(|point| point.time).collect();
    let mut distances: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[1].0.saturating_sub(pair[0].0))
        .collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied()
}
