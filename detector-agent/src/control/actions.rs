//! `POST /v1/reset`, `/v1/block`, `/v1/unblock`: requests that change something.
//!
//! Whoever may use the control socket may look. Only root and the agent's own user may act, dry
//! runs included: the kernel says who is at the other end of a Unix socket.

use super::may_act;
use crate::actions::{Asker, BlockError, BlockOrder, Fence, ResetError, ResetFilter, ResetPlan};
use crate::http::{Client, Request, Response};
use crate::state::AgentState;
use detector_api::actions::{BlockRequest, ResetRequest, UnblockRequest};
use detector_api::address::network_of;
use detector_api::text;
use detector_core::engine::Engine;
use detector_recorder::NoteKind;
use hyper::{Method, StatusCode};
use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

const RESET: &str = "/v1/reset";
const BLOCK: &str = "/v1/block";
const UNBLOCK: &str = "/v1/unblock";
/// The longest stall that can be asked for: a month.
const LONGEST_STALL_SECONDS: f64 = 30.0 * 86_400.0;

/// What to do where the agent itself lacks the privilege.
const HOW_TO_LET_IT_ACT: &str = "run the agent as root, or give its service CAP_NET_ADMIN: the package has a \
    drop-in for that, /usr/share/doc/detector/examples/actions.conf";

/// Whether this path is that of an action.
pub(super) fn is_action(path: &str) -> bool {
    [RESET, BLOCK, UNBLOCK].contains(&path)
}

/// Answers a GET of an action.
pub(super) fn post_only() -> Response {
    Response::method_not_allowed(&Method::GET, "POST")
}

/// Carries out the request, if its sender may act.
pub(super) async fn answer(state: &Arc<AgentState>, request: &Request) -> Response {
    let answered = carry_out(state, request).await;
    answered.unwrap_or_else(|refusal| refusal)
}

async fn carry_out(state: &Arc<AgentState>, request: &Request) -> Result<Response, Response> {
    if !is_action(&request.path) {
        return Err(Response::method_not_allowed(&Method::POST, "GET, HEAD"));
    }
    if !request.parameters.is_empty() {
        let message = "this path takes no parameters, only a body";
        return Err(Response::json_error(StatusCode::BAD_REQUEST, message));
    }
    let uid = authorized_uid(state, request)?;
    if !state.actions.obeys_operators() {
        let path = &request.path;
        tracing::warn!("uid {uid} asked for {path}, but the configuration allows no actions");
        return Err(Response::json_refusal(
            StatusCode::FORBIDDEN,
            "the configuration of the agent allows no actions",
            "set control.actions = true and restart the agent",
        ));
    }
    match request.path.as_str() {
        RESET => reset(state, parse_body(request)?, uid).await,
        BLOCK => block(state, parse_body(request)?, uid).await,
        _ => unblock(state, parse_body(request)?, uid).await,
    }
}

/// The user at the other end, if it may act.
fn authorized_uid(state: &AgentState, request: &Request) -> Result<u32, Response> {
    match request.client.and_then(Client::uid) {
        Some(uid) if may_act(uid) => Ok(uid),
        other => {
            let who = other.map_or("this user".to_owned(), |uid| format!("uid {uid}"));
            if state.actions.may_tell_refusal() {
                tracing::warn!("{who} asked for {} but may not act", request.path);
            }
            Err(Response::json_refusal(
                StatusCode::FORBIDDEN,
                &format!("{who} may look, not act"),
                "run it as root; members of the socket's group may only look",
            ))
        }
    }
}

fn parse_body<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    serde_json::from_slice(&request.body).map_err(|error| {
        let message = format!("cannot read the request: {error}");
        Response::json_error(StatusCode::BAD_REQUEST, &message)
    })
}

async fn reset(
    state: &Arc<AgentState>,
    request: ResetRequest,
    uid: u32,
) -> Result<Response, Response> {
    if !(0.0..=LONGEST_STALL_SECONDS).contains(&request.stalled_for_seconds) {
        let message = format!("stalled_for_seconds must be between 0 and {LONGEST_STALL_SECONDS}");
        return Err(Response::json_error(StatusCode::BAD_REQUEST, &message));
    }
    let filter = ResetFilter::of(&request);
    let stalled = |engine: &mut Engine| {
        engine.stalled_of_peer(&request.peer, |netns, local, remote| {
            filter.wants(netns, local, remote)
        })
    };
    let peer = state.with_engine(stalled).ok_or_else(|| {
        Response::json_refusal(
            StatusCode::NOT_FOUND,
            "the agent does not track this peer",
            "`detector peers` lists those that it tracks",
        )
    })?;
    let plan = ResetPlan::of(&peer, &request);
    let state = Arc::clone(state);
    let reset = move || {
        let answer = state
            .actions
            .reset(plan, Asker::User(uid), &Arc::default())?;
        note(&state, &answer.peer, &text::reset_summary(&answer), uid);
        Ok(answer)
    };
    beside(reset, reset_refusal).await
}

/// Writes down what was done, or would have been.
fn note(state: &AgentState, whom: &str, what: &str, uid: u32) {
    let text = format!("{what} (asked by uid {uid})");
    state.recording.note(NoteKind::Action, Some(whom), &text);
}

/// Does something on a thread that may wait for the kernel.
async fn beside<T: Serialize + Send + 'static, E: Send + 'static>(
    action: impl FnOnce() -> Result<T, E> + Send + 'static,
    refusal: fn(&E) -> Response,
) -> Result<Response, Response> {
    match spawn_blocking(action).await {
        Ok(Ok(answer)) => Ok(Response::json(&answer)),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(error) => Err(Response::json_failure("the action failed", &error)),
    }
}

fn reset_refusal(error: &ResetError) -> Response {
    let (status, hint) = match error {
        ResetError::NoPrivilege => (StatusCode::FORBIDDEN, HOW_TO_LET_IT_ACT),
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
    request: BlockRequest,
    uid: u32,
) -> Result<Response, Response> {
    let order = BlockOrder {
        network: network(&request.network)?,
        span: Duration::from_secs(request.for_seconds),
        fence: Fence::Drop,
        asker: Asker::User(uid),
        is_dry: request.dry_run,
    };
    let state = Arc::clone(state);
    let block = move || {
        let answer = state.actions.block(order)?;
        note(&state, &answer.network, &text::block_summary(&answer), uid);
        Ok(answer)
    };
    beside(block, block_refusal).await
}

async fn unblock(
    state: &Arc<AgentState>,
    request: UnblockRequest,
    uid: u32,
) -> Result<Response, Response> {
    let network = network(&request.network)?;
    let state = Arc::clone(state);
    let unblock = move || {
        let asker = Asker::User(uid);
        let answer = state.actions.unblock(network, request.dry_run, asker)?;
        if !answer.dry_run {
            state.guard.note_lifted(&[network]);
        }
        note(
            &state,
            &answer.network,
            &text::unblock_summary(&answer),
            uid,
        );
        Ok(answer)
    };
    beside(unblock, block_refusal).await
}

fn network(text: &str) -> Result<IpNet, Response> {
    network_of(text).ok_or_else(|| {
        Response::json_refusal(
            StatusCode::BAD_REQUEST,
            "neither an address nor a network",
            "write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64",
        )
    })
}

fn block_refusal(error: &BlockError) -> Response {
    let (status, hint) = match error {
        BlockError::Refused { refusal, .. } if refusal.is_wrong_usage() => {
            (StatusCode::BAD_REQUEST, refusal.hint())
        }
        BlockError::Refused { refusal, .. } => (StatusCode::CONFLICT, refusal.hint()),
        BlockError::Overlaps { .. } => (
            StatusCode::CONFLICT,
            "`detector unblock` that one first, or leave it as it is",
        ),
        BlockError::Full => (
            StatusCode::CONFLICT,
            "block a wider network, or `detector unblock` some; `detector blocked` lists them",
        ),
        BlockError::NotBlocked { .. } => (
            StatusCode::NOT_FOUND,
            "`detector blocked` lists what is blocked",
        ),
        BlockError::NoPrivilege => (StatusCode::FORBIDDEN, HOW_TO_LET_IT_ACT),
        BlockError::NoSupport => (
            StatusCode::NOT_IMPLEMENTED,
            "close what is stalled instead: `detector reset`; or block with the host's firewall",
        ),
        BlockError::Taken => (
            StatusCode::CONFLICT,
            "`nft list table inet detector` shows it; is a second agent running here?",
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
