//! `detector reset`: has the agent close a peer's stalled sockets.

use super::act;
use crate::layout::Align;
use crate::output::{note, print};
use crate::peer_address::PeerAddress;
use crate::table::Table;
use crate::terminal::Capabilities;
use detector_api::actions::{ResetAnswer, ResetRequest, ResetSocket, SocketName};
use detector_api::failure::Failure;
use detector_api::text::{owner, reset_failures, reset_summary};
use detector_api::units;
use std::path::Path;
use std::time::Duration;

/// Resets what has been stalled for so long, and prints what came of it.
pub fn reset(
    socket: &Path,
    peer: PeerAddress,
    stalled_for: Duration,
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    let only = peer.connection.map(|connection| {
        vec![SocketName {
            local: None,
            remote: connection.to_string(),
            netns: None,
        }]
    });
    let request = ResetRequest {
        peer: peer.to_string(),
        stalled_for_seconds: stalled_for.as_secs_f64(),
        only,
        dry_run,
    };
    let answer: ResetAnswer = act(socket, "/v1/reset", &request, json)?;
    if !json {
        print(&text(&answer))?;
    }
    if answer.not_looked_at > 0 {
        let more = answer.not_looked_at;
        let advice = if answer.dry_run {
            "without --dry-run, run it again to reset them too"
        } else {
            "run it again"
        };
        note(&format!(
            "{more} more stalled connections of this peer were not looked at; {advice}"
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
    let summary = reset_summary(answer) + "\n";
    if answer.sockets.is_empty() {
        return summary;
    }
    let headings = [
        ("LOCAL", Align::Left),
        ("REMOTE", Align::Left),
        ("STATE", Align::Left),
        ("STALLED", Align::Right),
        ("MEMORY", Align::Right),
        ("OWNER", Align::Left),
        ("OUTCOME", Align::Left),
    ];
    let rows = answer.sockets.iter().map(row).collect();
    summary + &Table::of_text(headings, rows).text(Capabilities::PIPE)
}

fn row(socket: &ResetSocket) -> [String; 7] {
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
}
