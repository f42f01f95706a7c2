//! `detector incidents show`: the card of one incident.

use super::{AgentOrRecorder, converse, talk};
use crate::cards::incident_card;
use crate::clock;
use crate::output::print;
use crate::socket::{self as agent, ClientError, percent_encoded};
use crate::terminal::Capabilities;
use detector_api::failure::Failure;
use detector_api::sanitize;
use detector_api::snapshot::Incident;
use detector_recorder::{Reader, Span};
use serde_json::Value;
use std::path::Path;

/// Name of the newest.
const LAST: &str = "last";
const NOT_FOUND: u16 = 404;

/// Prints the card of the incident of this id.
pub fn incident(place: AgentOrRecorder<'_>, id: &str, json: bool) -> Result<(), Failure> {
    if let Some(reader) = place.recorder()? {
        return recorded(&reader, id, json);
    }
    let socket = place.socket;
    let id = match id {
        LAST => last(socket)?,
        id => id.to_owned(),
    };
    let target = format!("/v1/incidents/{}", percent_encoded(&id));
    let refused = |error: ClientError| match error {
        ClientError::Refused {
            status: NOT_FOUND, ..
        } => unknown(&id),
        other => other.into_failure(socket),
    };
    if json {
        let object = converse(agent::object::<Value>(socket, &target))?;
        return print(&format!("{:#}\n", object.map_err(refused)?));
    }
    let incident = converse(agent::object::<Incident>(socket, &target))?;
    let incident = incident.map_err(refused)?;
    let now = clock::unix_ns();
    print(&incident_card(&incident, now, Capabilities::of_stdout()))
}

/// Prints the card of an incident of a recorder.
fn recorded(reader: &Reader, id: &str, json: bool) -> Result<(), Failure> {
    let incident = match id {
        LAST => reader.incidents(Span::ALL)?.pop(),
        id => reader.incident(id)?,
    };
    let Some(incident) = incident else {
        let failure = if id == LAST {
            Failure::failed("cannot show an incident: the recorder has none")
        } else {
            let id = sanitize::text(id);
            Failure::failed(format!(
                "cannot show incident {id}: the recorder has no such incident"
            ))
        };
        let file = sanitize::text(&reader.file().display().to_string());
        return Err(failure.hint(format!(
            "`detector incidents --state-dir {file}` lists what it has"
        )));
    };
    if json {
        let object = serde_json::to_value(&incident)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        return print(&format!("{object:#}\n"));
    }
    let now = clock::unix_ns();
    print(&incident_card(&incident, now, Capabilities::of_stdout()))
}

/// Id of the newest.
fn last(socket: &Path) -> Result<String, Failure> {
    let newest = agent::list::<Incident>(socket, "/v1/incidents?limit=1");
    let newest = talk(socket, newest)?;
    match newest.rows.into_iter().next() {
        Some(incident) => Ok(incident.id),
        None => Err(
            Failure::failed("cannot show an incident: there has been none")
                .hint("the agent knows the last 64; --state-dir reads all that its recorder has"),
        ),
    }
}

fn unknown(id: &str) -> Failure {
    Failure::failed(format!(
        "cannot show incident {}: the agent knows no such incident",
        sanitize::text(id)
    ))
    .hint("`detector incidents` lists the last 64; with --state-dir, all that the recorder has")
}
