//! The commands that ask the agent once or read its recorder, or have it do something, and print what
//! they learn.
//!
//! In: what was asked for, as the command line has read it. Out: text or JSON on stdout, notes on
//! stderr, or the failure with its hint.

mod block;
mod dmesg;
mod events;
mod explain;
#[cfg(test)]
mod fake_agent;
mod fleet;
mod incident;
mod list;
mod place;
mod reset;

pub use block::{block, blocked, unblock};
pub use dmesg::dmesg;
pub use events::{EventsQuery, events};
pub use explain::explain;
pub use fleet::fleet_peers;
pub use incident::incident;
pub use list::{ListQuery, connections, incidents, peers};
pub use place::{AgentOrRecorder, recorded_incidents, recorded_peers};
pub use reset::reset;

use crate::output::print;
use crate::socket::{self as agent, ClientError};
use detector_api::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Runs a conversation with the agent to its end.
fn talk<T>(
    socket: &Path,
    conversation: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, Failure> {
    converse(conversation)?.map_err(|error| error.into_failure(socket))
}

/// The same for those who know what to make of an error of the agent.
fn converse<T>(conversation: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    Ok(runtime.block_on(conversation))
}

/// Has the agent do something; prints what it sent if that is wanted.
fn act<T: DeserializeOwned>(
    socket: &Path,
    target: &str,
    request: &impl Serialize,
    json: bool,
) -> Result<T, Failure> {
    let sent: Value = talk(socket, agent::act(socket, target, request))?;
    if json {
        print(&format!("{sent:#}\n"))?;
    }
    understood(sent)
}

/// What the agent sent, if it is what was expected.
fn understood<T: DeserializeOwned>(sent: Value) -> Result<T, Failure> {
    serde_json::from_value(sent)
        .map_err(|error| Failure::failed(format!("cannot read the agent's answer: {error}")))
}
