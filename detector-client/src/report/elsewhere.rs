//! Incidents of another time than that of the report, for one that has none.

use super::model::{Report, Time};
use super::recording::{Recording, time_of};
use super::words::moment;
use detector_recorder::{RecorderError, Span};

/// The newest incident that is recorded of another time; completes a sentence.
pub(super) fn newest(
    report: &Report,
    recordings: &[Recording],
) -> Result<Option<String>, RecorderError> {
    if !report.incidents.is_empty() {
        return Ok(None);
    }
    let mut newest: Option<(Time, String, &str)> = None;
    for recording in recordings {
        let last = recording.source.reader.incidents(Span::ALL)?.pop();
        let dated = last.and_then(|last| Some((time_of(&last.began)?, last.id, recording.host())));
        newest = newest.max(dated);
    }
    Ok(newest.map(|(began, id, host)| {
        let host = match recordings {
            [_] => String::new(),
            _ => format!(" on {host}"),
        };
        format!(
            "the newest that is recorded began {}{host}, and `detector report --incident {id}` tells of it",
            moment(began)
        )
    }))
}
