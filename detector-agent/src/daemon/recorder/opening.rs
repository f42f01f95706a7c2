//! Opens the recorder, at the start or, where that fails for a reason that may pass, as soon as it can
//! be: an agent that detects is worth more than one that does not run.

use super::unwritten::Unwritten;
use crate::config::RecorderConfig;
use crate::host::folder;
use crate::recording::now;
use crate::state::AgentState;
use detector_api::failure::Failure;
use detector_api::snapshot::Incident;
use detector_api::time::rfc3339;
use detector_recorder::{
    ClockReading, EventsWanted, Gap, GapReason, Limits, Opened, Reader, Recorder, RecorderError,
    Span,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two tries to open it.
const RETRY: Duration = Duration::from_secs(5);
/// Events and incidents of earlier runs that a new run shows.
const EVENTS_SHOWN: usize = 1_000;
const INCIDENTS_SHOWN: usize = 64;
/// Agents before this one whose readers may go on here.
const AGENTS_KNOWN: usize = 64;
/// Which start of the host this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The recorder of an agent: open, or to be opened.
#[derive(Debug)]
pub(in crate::daemon) struct Opening {
    folder: PathBuf,
    limits: Limits,
    begun: Option<Begun>,
    /// Why it could not be opened at the last try.
    reason: GapReason,
}

/// An open recorder, and where the agent is to go on in it.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) recorder: Recorder,
    /// Events up to this number are not written any more.
    pub(super) event: u64,
    /// Incidents of this agent that were over before.
    pub(super) incidents: Vec<Incident>,
    /// When nothing could be written before.
    pub(super) gaps: Vec<Gap>,
}

/// Opens the recorder. `None` where none is kept, or where none can be.
pub(in crate::daemon) fn open(
    state: &AgentState,
    folder: &Path,
    config: RecorderConfig,
) -> Result<Option<Opening>, Failure> {
    if !config.enabled {
        return Ok(None);
    }
    let mut opening = Opening {
        folder: folder.to_owned(),
        limits: limits(config),
        begun: None,
        reason: GapReason::WriteFailed,
    };
    match opening.begin(state) {
        Ok(begun) => {
            opening.begun = Some(begun);
            Ok(Some(opening))
        }
        Err(error @ RecorderError::InUse { .. }) => {
            let hint = error.hint().unwrap_or_default();
            Err(Failure::usage(error).hint(hint))
        }
        Err(error) => {
            opening.report(state, &error);
            opening.reason = gap_reason(&error);
            Ok(error.may_pass().then_some(opening))
        }
    }
}

impl Opening {
    /// Waits until it is open, and tries again and again; `None` if the thread is to end before.
    pub(super) fn wait(mut self, state: &AgentState) -> Option<Begun> {
        if let Some(begun) = self.begun.take() {
            return Some(begun);
        }
        let mut unwritten = Unwritten::since(now());
        loop {
            if state.recording.wait(RETRY) {
                return None;
            }
            unwritten.prolong(now());
            match self.begin(state) {
                Ok(mut begun) => {
                    tracing::info!("the recorder is written from now on");
                    begun.gaps = unwritten.gaps(self.reason);
                    begun.gaps.extend(unwritten.steps());
                    return Some(begun);
                }
                Err(error) => {
                    self.reason = gap_reason(&error);
                    let said = error.to_string();
                    if state.recording.lock_status().failure.as_ref() != Some(&said) {
                        self.report(state, &error);
                    }
                    if !error.may_pass() {
                        return None;
                    }
                }
            }
        }
    }

    /// Begins a run in the recorder and has the engine go on where it ended.
    fn begin(&self, state: &AgentState) -> Result<Begun, RecorderError> {
        let identity = Identity::read();
        let started = state.started();
        let opened = Recorder::open(&self.folder, self.limits, &identity.at(started));
        let (recorder, aside) = opened?;
        if let Some(aside) = aside {
            report_set_aside(state, &aside);
        }
        let numbering = recorder.numbering()?;
        let last_incident_ms = i128::from(numbering.last_incident_ms);
        let until = numbering.last_event_id;
        let above = state.engine().last_event_id();
        state.recording.skip_numbers(above, until);
        let (lost, incidents) = state.with_engine(|engine| {
            // Of an agent that has just started, there are none.
            let lost = engine.last_event_id().min(until);
            let mut incidents = engine.incidents();
            incidents.retain(|incident| !incident.open);
            engine.go_on_after(until, last_incident_ms);
            (lost, incidents)
        });
        if let Err(error) = show_past(state, &recorder, &identity) {
            tracing::warn!("what was recorded before cannot be shown: {error}");
        }
        let shown = state.engine();
        let newest = shown.events_after(0).take_while(|event| event.id <= until);
        let above = newest.last().map_or(0, |event| event.id);
        drop(shown);
        state.recording.skip_numbers(above, until);
        let mut status = state.recording.lock_status();
        status.file = Some(recorder.file().display().to_string());
        status.failure = None;
        status.is_awaited = false;
        status.counts.events_lost += lost;
        drop(status);
        Ok(Begun {
            recorder,
            event: until,
            incidents,
            gaps: Vec::new(),
        })
    }

    /// Says why it cannot be opened, and what to do.
    fn report(&self, state: &AgentState, error: &RecorderError) {
        let hint = error.hint().map(|hint| format!("; {hint}"));
        let again = if error.may_pass() {
            format!(
                "; it tries again every {} s, and what is found meanwhile waits in memory",
                RETRY.as_secs()
            )
        } else {
            String::new()
        };
        let hint = hint.unwrap_or_default();
        tracing::error!("{error}: the agent runs without a recorder{again}{hint}");
        let mut status = state.recording.lock_status();
        status.failure = Some(error.to_string());
        status.is_awaited = error.may_pass();
        status.counts.failures += 1;
    }
}

/// Why nothing was written while this was so.
pub(super) fn gap_reason(error: &RecorderError) -> GapReason {
    if error.is_want_of_room() {
        GapReason::DiskFull
    } else {
        GapReason::WriteFailed
    }
}

/// Says that a damaged file is out of the way.
pub(super) fn report_set_aside(state: &AgentState, aside: &Path) {
    tracing::error!(
        "the recorder was damaged and is set aside as {}; a new one is begun",
        aside.display()
    );
    state.recording.lock_status().counts.files_set_aside += 1;
}

/// What was recorded of late is shown.
fn show_past(
    state: &AgentState,
    recorder: &Recorder,
    identity: &Identity,
) -> Result<(), RecorderError> {
    let reader = Reader::open(recorder.file())?;
    let events = reader.events(&EventsWanted {
        span: Span::ALL,
        peer: None,
        kind: None,
        limit: EVENTS_SHOWN,
    })?;
    let mut incidents = reader.incidents(Span::ALL)?;
    incidents.drain(..incidents.len().saturating_sub(INCIDENTS_SHOWN));
    let mut runs = reader.runs()?;
    // The last is this one.
    runs.pop();
    if let Some(before) = runs.last().filter(|run| run.host != identity.host) {
        tracing::warn!(
            "{} was written by host {} until {}; this host, {}, goes on in it: move the file away \
             if it is another machine's",
            recorder.file().display(),
            before.host,
            rfc3339(i128::from(before.last.unix_ms) * 1_000_000),
            identity.host
        );
    }
    let started = runs.iter().rev().take(AGENTS_KNOWN).map(|run| {
        let began_ns = i128::from(run.began.unix_ms) * 1_000_000;
        rfc3339(began_ns)
    });
    *state.recording.earlier_agents() = started.collect();
    state.with_engine(|engine| engine.remember(events, incidents));
    Ok(())
}

fn limits(config: RecorderConfig) -> Limits {
    Limits {
        bytes: config.size.0,
        age_ms: i64::try_from(config.age.0.as_millis()).unwrap_or(i64::MAX),
    }
}

/// Which host and which start of it.
#[derive(Debug)]
pub(super) struct Identity {
    host: String,
    boot_id: String,
}

impl Identity {
    pub(super) fn read() -> Self {
        let host = rustix::system::uname();
        let boot_id = folder::text(BOOT_ID).unwrap_or_default();
        Self {
            host: detector_api::sanitize::text(&host.nodename().to_string_lossy()),
            boot_id: boot_id.trim().to_owned(),
        }
    }

    pub(super) fn at(&self, at: ClockReading) -> Opened<'_> {
        Opened {
            host: &self.host,
            boot_id: &self.boot_id,
            version: env!("CARGO_PKG_VERSION"),
            at,
        }
    }
}
