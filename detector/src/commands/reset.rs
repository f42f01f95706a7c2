//! `detector reset`: has the agent close a peer's stalled sockets.

use super::grid::grid;
use crate::cli::ResetArgs;
use detector_api::actions::{ResetAnswer, ResetRequest, SocketName};
use detector_api::failure::Failure;
use detector_api::text::{owner, reset_failures, reset_summary};
use detector_api::units;
use detector_client::client;
use std::io::{self, Write};

const HEADINGS: [&str; 7] = [
    "LOCAL", "REMOTE", "STATE", "STALLED", "MEMORY", "OWNER", "OUTCOME",
];

pub(super) fn run(args: &ResetArgs) -> Result<(), Failure> {
    let only = args.peer.connection.map(|connection| {
        vec![SocketName {
            local: None,
            remote: connection.to_string(),
            netns: None,
        }]
    });
    let request = ResetRequest {
        peer: args.peer.name(),
        stalled_for_seconds: args.stalled_for.as_secs_f64(),
        only,
        dry_run: args.action.dry_run,
    };
    let socket = &args.action.control_socket;
    let asked = client::act::<serde_json::Value>(socket, "/v1/reset", &request);
    let sent = super::talk(socket, asked)?;
    let answer: ResetAnswer = serde_json::from_value(sent.clone())
        .map_err(|error| Failure::failed(format!("cannot read the agent's answer: {error}")))?;
    if args.action.json {
        super::print(&format!("{sent:#}\n"))?;
    } else {
        super::print(&text(&answer))?;
    }
    if answer.not_looked_at > 0 {
        let more = answer.not_looked_at;
        let advice = if answer.dry_run {
            "without --dry-run, running it again gets at them"
        } else {
            "run it again"
        };
        // A lost note is no failure.
        drop(writeln!(
            io::stderr().lock(),
            "note: {more} more stalled connections of this peer were not looked at; {advice}"
        ));
    }
    match reset_failures(&answer) {
        0 => Ok(()),
        failed => Err(Failure::failed(format!(
            "cannot reset {failed} of {} sockets: the reasons are above",
            answer.sockets.len()
        ))),
    }
}

fn text(answer: &ResetAnswer) -> String {
    let mut text = reset_summary(answer) + "\n";
    let rows = answer.sockets.iter().map(|socket| {
        let outcome = socket.outcome.label();
        [
            socket.local.clone(),
            socket.remote.clone(),
            socket.state.clone(),
            units::seconds(socket.stalled_seconds),
            units::bytes(socket.pinned_bytes),
            owner(&socket.processes),
            match &socket.reason {
                Some(reason) => format!("{outcome}: {reason}"),
                None => outcome.to_owned(),
            },
        ]
    });
    text += &grid(&HEADINGS, &rows.collect::<Vec<_>>());
    text
}
