//! `POST /v1/reset`, `/v1/block`, `/v1/unblock`: what changes something, asked by somebody who may.
//!
//! Whoever may use the control socket may look. Only root and the agent's own user may act, dry
//! runs included: the kernel says who is at the other end of a Unix socket.

use crate::actions::{BlockError, Choice, Plan, ResetError};
use crate::http::{Request, Response};
use crate::state::AgentState;
use detector_api::actions::{BlockRequest, ResetRequest, UnblockRequest};
use detector_api::address::network_of;
use detector_core::engine::Engine;
use hyper::{Method, StatusCode};
use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, spawn_blocking};

const RESET: &str = "/v1/reset";
const BLOCK: &str = "/v1/block";
const UNBLOCK: &str = "/v1/unblock";
/// The longest time a connection can be asked to have been stalled for: a month.
const LONGEST_STALL_SECONDS: f64 = 30.0 * 86_400.0;

/// Whether something is done at this path.
pub(super) fn is_one(path: &str) -> bool {
    [RESET, BLOCK, UNBLOCK].contains(&path)
}

/// For those who want to look at an action.
pub(super) fn only_asked_for() -> Response {
    Response::method_not_allowed(&Method::GET, "POST")
}

/// Does what is asked, if whoever asks may.
pub(super) async fn answer(state: &Arc<AgentState>, request: &Request) -> Response {
    if !is_one(&request.path) {
        return Response::method_not_allowed(&Method::POST, "GET, HEAD");
    }
    if !request.parameters.is_empty() {
        let message = "this path takes no parameters, only a body";
        return Response::json_error(StatusCode::BAD_REQUEST, message);
    }
    let uid = match actor(request) {
        Ok(uid) => uid,
        Err(refusal) => return refusal,
    };
    let done = match request.path.as_str() {
        RESET => match read(request) {
            Ok(wanted) => Ok(reset(state, wanted, uid).await),
            Err(refusal) => Err(refusal),
        },
        BLOCK => match read(request) {
            Ok(wanted) => block(state, wanted, uid).await,
            Err(refusal) => Err(refusal),
        },
        _ => match read(request) {
            Ok(wanted) => unblock(state, wanted, uid).await,
            Err(refusal) => Err(refusal),
        },
    };
    done.unwrap_or_else(|refusal| refusal)
}

/// The user who asks, if it may act.
fn actor(request: &Request) -> Result<u32, Response> {
    let own = rustix::process::geteuid().as_raw();
    match request.client_uid {
        Some(uid) if uid == 0 || uid == own => Ok(uid),
        other => {
            let who = other.map_or("this user".to_owned(), |uid| format!("uid {uid}"));
            tracing::warn!("{who} asked for {} and may not", request.path);
            Err(Response::json_refusal(
                StatusCode::FORBIDDEN,
                &format!("{who} may look, not act"),
                "run it as root; members of the socket's group may only look",
            ))
        }
    }
}

fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    serde_json::from_slice(&request.body).map_err(|error| {
        let message = format!("cannot read the request: {error}");
        Response::json_error(StatusCode::BAD_REQUEST, &message)
    })
}

async fn reset(state: &Arc<AgentState>, wanted: ResetRequest, uid: u32) -> Response {
    if !(0.0..=LONGEST_STALL_SECONDS).contains(&wanted.stalled_for_seconds) {
        let message = format!("stalled_for_seconds lies between 0 and {LONGEST_STALL_SECONDS}");
        return Response::json_error(StatusCode::BAD_REQUEST, &message);
    }
    let choice = Choice::of(&wanted);
    let stalled = |engine: &mut Engine| {
        engine.stalled_of_peer(&wanted.peer, |netns, local, remote| {
            choice.wants(netns, local, remote)
        })
    };
    let Some(peer) = state.with_engine(stalled) else {
        return Response::json_refusal(
            StatusCode::NOT_FOUND,
            "the agent does not track this peer",
            "`detector peers` lists those that it tracks",
        );
    };
    let plan = Plan::of(&peer, &wanted);
    let state = Arc::clone(state);
    match spawn_blocking(move || state.actions.reset(plan, uid)).await {
        Ok(Ok(answer)) => Response::json(&answer),
        Ok(Err(error)) => refused(&error),
        Err(error) => {
            let message = format!("resetting failed: {error}");
            Response::json_error(StatusCode::INTERNAL_SERVER_ERROR, &message)
        }
    }
}

fn refused(error: &ResetError) -> Response {
    let (status, hint) = match error {
        ResetError::NoPrivilege => (
            StatusCode::FORBIDDEN,
            "run the agent as root, or give its service CAP_NET_ADMIN",
        ),
        ResetError::NoSupport => (
            StatusCode::NOT_IMPLEMENTED,
            "close the service's connection instead, or block the peer: `detector block`",
        ),
        ResetError::Failed { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the agent's log may say more",
        ),
    };
    Response::json_refusal(status, &error.to_string(), hint)
}

async fn block(
    state: &Arc<AgentState>,
    wanted: BlockRequest,
    uid: u32,
) -> Result<Response, Response> {
    let network = network(&wanted.network)?;
    let span = Duration::from_secs(wanted.for_seconds);
    let state = Arc::clone(state);
    let blocking = spawn_blocking(move || state.actions.block(network, span, wanted.dry_run, uid));
    done(blocking.await)
}

/// What is blocked now: anybody may look.
pub(super) async fn blocked(state: &Arc<AgentState>) -> Response {
    let state = Arc::clone(state);
    match spawn_blocking(move || state.actions.blocked()).await {
        Ok(blocked) => Response::json(&blocked),
        Err(error) => {
            let message = format!("looking at what is blocked failed: {error}");
            Response::json_error(StatusCode::INTERNAL_SERVER_ERROR, &message)
        }
    }
}

async fn unblock(
    state: &Arc<AgentState>,
    wanted: UnblockRequest,
    uid: u32,
) -> Result<Response, Response> {
    let network = network(&wanted.network)?;
    let state = Arc::clone(state);
    let unblocking = spawn_blocking(move || state.actions.unblock(network, wanted.dry_run, uid));
    done(unblocking.await)
}

fn network(text: &str) -> Result<IpNet, Response> {
    network_of(text).ok_or_else(|| {
        Response::json_refusal(
            StatusCode::BAD_REQUEST,
            "no address and no network",
            "write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64",
        )
    })
}

fn done(
    outcome: Result<Result<impl Serialize, BlockError>, JoinError>,
) -> Result<Response, Response> {
    match outcome {
        Ok(Ok(answer)) => Ok(Response::json(&answer)),
        Ok(Err(error)) => Err(not_blocked(&error)),
        Err(error) => {
            let message = format!("the action failed: {error}");
            Err(Response::json_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                &message,
            ))
        }
    }
}

fn not_blocked(error: &BlockError) -> Response {
    let (status, hint) = match error {
        BlockError::Refused { refusal, .. } if refusal.is_wrong_usage() => {
            (StatusCode::BAD_REQUEST, refusal.hint())
        }
        BlockError::Refused { refusal, .. } => (StatusCode::CONFLICT, refusal.hint()),
        BlockError::Overlaps { .. } => (
            StatusCode::CONFLICT,
            "`detector unblock` that one first, or leave it at that",
        ),
        BlockError::Full => (
            StatusCode::CONFLICT,
            "block a wider network, or `detector unblock` some; `detector blocked` lists them",
        ),
        BlockError::NotBlocked { .. } => {
            (StatusCode::NOT_FOUND, "`detector blocked` lists what is")
        }
        BlockError::NoPrivilege => (
            StatusCode::FORBIDDEN,
            "run the agent as root, or give its service CAP_NET_ADMIN",
        ),
        BlockError::NoSupport => (
            StatusCode::NOT_IMPLEMENTED,
            "close what is stalled instead: `detector reset`; or block with the host's firewall",
        ),
        BlockError::Taken => (
            StatusCode::CONFLICT,
            "`nft list table inet detector` shows it; does a second agent run here?",
        ),
        BlockError::Failed { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the agent's log may say more",
        ),
    };
    Response::json_refusal(status, &error.to_string(), hint)
}

#[cfg(test)]
mod tests;
