//! Where a command that reads looks: at the running agent, or into a recorder.

use crate::cards::{StatusFacts, moment};
use crate::clock;
use crate::output::note;
use crate::socket;
use detector_api::defaults::{CONTROL_SOCKET, STATE_DIR};
use detector_api::failure::Failure;
use detector_api::sanitize;
use detector_api::snapshot::{Incident, Peer};
use detector_api::text::counted;
use detector_api::time::rfc3339;
use detector_recorder::{Reader, RecorderError, Span};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct AgentOrRecorder<'a> {
    /// Control socket of the agent.
    pub socket: &'a Path,
    /// A recorder, or the folder that it lies in; then no agent is asked.
    pub state_dir: Option<&'a Path>,
}

impl AgentOrRecorder<'_> {
    /// The recorder, where one is named, or no agent runs on this host; stderr says so. `None` where
    /// there is an agent to ask: whoever names a socket means that agent and no files.
    pub(super) fn recorder(&self) -> Result<Option<Reader>, Failure> {
        if let Some(path) = self.state_dir {
            let reader = Reader::open(path)?;
            note(&origin(&reader)?);
            return Ok(Some(reader));
        }
        if self.socket != Path::new(CONTROL_SOCKET) {
            return Ok(None);
        }
        let Some(error) = super::converse(socket::missing(self.socket))? else {
            return Ok(None);
        };
        match Reader::open(Path::new(STATE_DIR)) {
            Ok(reader) => {
                note(&format!("{}; {}", absence(&error), origin(&reader)?));
                Ok(Some(reader))
            }
            // Then there is an agent perhaps, and it is the socket that we may not use.
            Err(_) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
            Err(failure @ RecorderError::Missing { .. }) => Err(Failure::failed(format!(
                "{}, and {failure}",
                absence(&error)
            ))
            .hint(
                "start the agent with `detector run`, name its socket with --control-socket, or \
                 a recorder with --state-dir",
            )),
            Err(failure) => {
                note(&absence(&error));
                Err(failure.into())
            }
        }
    }
}

fn absence(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "no agent can be asked here: permission denied".to_owned(),
        _ => "no agent runs here".to_owned(),
    }
}

/// `read from /var/lib/detector/recorder.db of web1, written until 2026-12-29 21:04:05 UTC, 9h ago`
pub(super) fn origin(reader: &Reader) -> Result<String, RecorderError> {
    let file = sanitize::text(&reader.file().display().to_string());
    let runs = reader.runs()?;
    let Some(run) = runs.last() else {
        return Ok(format!("read from {file}, in which no agent has written"));
    };
    let host = &run.host;
    if reader.is_written() {
        return Ok(format!(
            "read from {file} of {host}, which a running agent is still writing"
        ));
    }
    let last = rfc3339(i128::from(run.last.unix_ms) * 1_000_000);
    let last = moment(&last, clock::unix_ns());
    Ok(format!("read from {file} of {host}, written until {last}"))
}

/// The file that the agent on this socket records into, as far as it says so.
pub(super) fn recorder_of(socket: &Path) -> Option<PathBuf> {
    let status = super::converse(socket::object::<StatusFacts>(socket, "/v1/status"));
    let recorder = status.ok()?.ok()?.recorder?;
    Some(PathBuf::from(recorder.file?))
}

/// The option by which a command reads that file.
pub(super) fn state_dir_option(file: &Path) -> String {
    let folder = file.parent().unwrap_or(file);
    format!(
        "--state-dir {}",
        sanitize::text(&folder.display().to_string())
    )
}

/// Where to look for what the agent on this socket does not know any more; `command` asked it and got nothing.
pub(super) fn older(socket: &Path, command: &str, since: &str) -> Option<String> {
    let option = state_dir_option(&recorder_of(socket)?);
    let since = sanitize::text(since);
    // A date and a time may have a space between them.
    let quote = if since.contains(' ') { "'" } else { "" };
    Some(format!(
        "the agent that runs may have started since; `detector {command} --since {quote}{since}{quote} {option}` reads \
         what was recorded"
    ))
}

/// Says how much of the recorder was left out.
pub(super) fn note_left_out(reader: &Reader) {
    let count = reader.not_understood();
    if count > 0 {
        note(&format!(
            "left out {} that this version does not understand",
            counted(count, "record", "records")
        ));
    }
    if reader.lacks_rows() {
        note("left out the oldest of very many records");
    }
}

/// The peers of a recorder; none of one that cannot be read.
#[must_use]
pub fn recorded_peers(path: &Path) -> Vec<Peer> {
    let cards = Reader::open(path).and_then(|reader| reader.cards(Span::ALL));
    let cards = cards.unwrap_or_default().into_iter();
    cards.map(|card| card.detail.peer).collect()
}

/// The incidents of a recorder, oldest first; none of one that cannot be read.
#[must_use]
pub fn recorded_incidents(path: &Path) -> Vec<Incident> {
    let incidents = Reader::open(path).and_then(|reader| reader.incidents(Span::ALL));
    incidents.unwrap_or_default()
}
