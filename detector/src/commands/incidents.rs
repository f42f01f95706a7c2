//! `detector incidents`: spans in which this host was held up, since the agent started.
//!
//! The agent keeps them in memory: those from before its start are not among them.

use super::listing::Query;
use crate::cli::{IncidentsArgs, IncidentsVerb, ListArgs, ShowArgs};
use detector_api::failure::Failure;
use detector_api::snapshot::Incident;
use detector_client::client::percent_encoded;
use detector_client::client::{self, ClientError};
use detector_client::clock;
use detector_client::explain::{Look, incident_card};

/// Name of the newest.
const LAST: &str = "last";
const NOT_FOUND: u16 = 404;

pub(super) fn run(args: &IncidentsArgs) -> Result<(), Failure> {
    if let Some(IncidentsVerb::Show(show)) = &args.verb {
        return tell(show);
    }
    let query = Query {
        path: "/v1/incidents",
        filter: &args.filter,
        sort: args.sort.unwrap_or_default(),
        columns: args.columns.as_ref(),
        list: &ListArgs {
            limit: 0,
            since: args.since.clone(),
            json: args.json,
            control_socket: args.control_socket.clone(),
        },
    };
    query.print()
}

fn tell(args: &ShowArgs) -> Result<(), Failure> {
    let socket = &args.control_socket;
    let id = if args.id == LAST {
        last(args)?
    } else {
        args.id.clone()
    };
    let target = format!("/v1/incidents/{}", percent_encoded(&id));
    let refused = |error: ClientError| match error {
        ClientError::Refused {
            status: NOT_FOUND, ..
        } => unknown(&id),
        other => super::client_failure(socket, other),
    };
    if args.json {
        let object = super::converse(client::object::<serde_json::Value>(socket, &target))?;
        return super::print(&format!("{:#}\n", object.map_err(refused)?));
    }
    let incident = super::converse(client::object::<Incident>(socket, &target))?;
    let incident = incident.map_err(refused)?;
    super::print(&incident_card(
        &incident,
        clock::unix_ns(),
        Look::of_stdout(),
    ))
}

/// Id of the newest.
fn last(args: &ShowArgs) -> Result<String, Failure> {
    let socket = &args.control_socket;
    let newest = client::list::<Incident>(socket, "/v1/incidents?limit=1");
    let newest = super::talk(socket, newest)?;
    match newest.rows.into_iter().next() {
        Some(incident) => Ok(incident.id),
        None => Err(
            Failure::failed("cannot tell of an incident: there was none")
                .hint("the agent remembers incidents since it started, not from before"),
        ),
    }
}

fn unknown(id: &str) -> Failure {
    Failure::failed(format!(
        "cannot tell of incident {}: the agent knows none of this id",
        detector_api::sanitize::text(id)
    ))
    .hint(
        "`detector incidents` lists those since the agent started; it keeps the last 64 that are \
         over",
    )
}
