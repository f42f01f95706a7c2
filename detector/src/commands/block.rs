//! `detector block`, `unblock` and `blocked`: networks that the agent has the kernel drop for a
//! time.

use super::grid::grid;
use crate::cli::{BlockArgs, BlockedArgs, UnblockArgs};
use detector_api::actions::{BlockAnswer, BlockRequest, Blocked, UnblockAnswer, UnblockRequest};
use detector_api::failure::Failure;
use detector_api::text::block_summary;
use detector_api::units;
use detector_client::client;
use detector_client::session;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

pub(super) fn block(args: &BlockArgs) -> Result<(), Failure> {
    if let Some(own) = session::clients()
        .into_iter()
        .find(|client| args.network.contains(client))
    {
        return Err(Failure::failed(format!(
            "cannot block {}: you are logged in from {own}",
            args.network
        ))
        .hint("log in from elsewhere, or from the console, to block it"));
    }
    let request = BlockRequest {
        network: args.network.to_string(),
        for_seconds: args.span.as_secs(),
        dry_run: args.action.dry_run,
    };
    let socket = &args.action.control_socket;
    let answer: BlockAnswer = act(socket, "/v1/block", &request, args.action.json)?;
    if !args.action.json {
        super::print(&(block_summary(&answer) + "\n"))?;
    }
    Ok(())
}

pub(super) fn unblock(args: &UnblockArgs) -> Result<(), Failure> {
    let request = UnblockRequest {
        network: args.network.to_string(),
        dry_run: args.action.dry_run,
    };
    let socket = &args.action.control_socket;
    let answer: UnblockAnswer = act(socket, "/v1/unblock", &request, args.action.json)?;
    if args.action.json {
        return Ok(());
    }
    let done = if answer.dry_run {
        "would let through"
    } else {
        "lets through"
    };
    super::print(&format!(
        "{done} {} again, blocked until {} otherwise\n",
        answer.network, answer.was_blocked_until
    ))
}

/// Has it done; prints what the agent sent if that is wanted.
fn act<T: DeserializeOwned>(
    socket: &Path,
    target: &str,
    request: &impl Serialize,
    is_printed: bool,
) -> Result<T, Failure> {
    let asked = client::act::<serde_json::Value>(socket, target, request);
    let sent = super::talk(socket, asked)?;
    if is_printed {
        super::print(&format!("{sent:#}\n"))?;
    }
    serde_json::from_value(sent)
        .map_err(|error| Failure::failed(format!("cannot read the agent's answer: {error}")))
}

pub(super) fn blocked(args: &BlockedArgs) -> Result<(), Failure> {
    let asked = client::object::<serde_json::Value>(&args.control_socket, "/v1/blocked");
    let sent = super::talk(&args.control_socket, asked)?;
    if args.json {
        return super::print(&format!("{sent:#}\n"));
    }
    let blocked: Vec<Blocked> = serde_json::from_value(sent)
        .map_err(|error| Failure::failed(format!("cannot read the agent's answer: {error}")))?;
    if blocked.is_empty() {
        return super::print("nothing is blocked\n");
    }
    let rows = blocked.into_iter().map(|each| {
        [
            each.network,
            units::seconds(each.seconds_left),
            each.until,
            each.since,
            each.uid.to_string(),
        ]
    });
    let headings = ["NETWORK", "LEFT", "UNTIL", "SINCE", "ASKED BY UID"];
    super::print(&grid(&headings, &rows.collect::<Vec<_>>()))
}
