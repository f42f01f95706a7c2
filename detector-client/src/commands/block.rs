//! `detector block`, `unblock` and `blocked`: networks that the agent has the kernel drop for a
//! time.

use super::{act, talk, understood};
use crate::layout::Align;
use crate::output::print;
use crate::session;
use crate::socket;
use crate::table::Table;
use crate::terminal::Capabilities;
use detector_api::actions::{BlockAnswer, BlockRequest, Blocked, UnblockAnswer, UnblockRequest};
use detector_api::failure::Failure;
use detector_api::text::{block_summary, unblock_summary};
use detector_api::units;
use ipnet::IpNet;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Blocks a network for a time, but not the one this session comes from.
pub fn block(
    socket: &Path,
    network: IpNet,
    span: Duration,
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    let mut clients = session::clients().into_iter();
    if let Some(own) = clients.find(|client| network.contains(client)) {
        return Err(Failure::failed(format!(
            "cannot block {network}: you are logged in from {own}"
        ))
        .hint("log in from elsewhere, or from the console, to block it"));
    }
    let request = BlockRequest {
        network: network.to_string(),
        for_seconds: span.as_secs(),
        dry_run,
    };
    let answer: BlockAnswer = act(socket, "/v1/block", &request, json)?;
    if json {
        return Ok(());
    }
    print(&(block_summary(&answer) + "\n"))
}

/// Lets a network through again.
pub fn unblock(socket: &Path, network: IpNet, dry_run: bool, json: bool) -> Result<(), Failure> {
    let request = UnblockRequest {
        network: network.to_string(),
        dry_run,
    };
    let answer: UnblockAnswer = act(socket, "/v1/unblock", &request, json)?;
    if json {
        return Ok(());
    }
    print(&(unblock_summary(&answer) + "\n"))
}

/// Prints what is blocked.
pub fn blocked(socket: &Path, json: bool) -> Result<(), Failure> {
    let sent: Value = talk(socket, socket::object(socket, "/v1/blocked"))?;
    if json {
        return print(&format!("{sent:#}\n"));
    }
    let blocked: Vec<Blocked> = understood(sent)?;
    if blocked.is_empty() {
        return print("nothing is blocked\n");
    }
    let headings = [
        ("NETWORK", Align::Left),
        ("IS", Align::Left),
        ("LEFT", Align::Right),
        ("UNTIL", Align::Left),
        ("SINCE", Align::Left),
        ("ASKED BY UID", Align::Right),
    ];
    let rows = blocked.into_iter().map(|each| {
        [
            each.network,
            if each.limit { "limited" } else { "blocked" }.to_owned(),
            units::seconds(each.seconds_left),
            each.until,
            each.since,
            if each.guard {
                "guard".to_owned()
            } else {
                each.uid.to_string()
            },
        ]
    });
    print(&Table::of_text(headings, rows.collect()).text(Capabilities::PIPE))
}
