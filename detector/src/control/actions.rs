//! `POST /v1/reset`: what changes something, asked by somebody who may.
//!
//! Whoever may use the control socket may look. Only root and the agent's own user may act, dry
//! runs included: the kernel says who is at the other end of a Unix socket.

use super::routes::object;
use crate::guard::{Plan, ResetError, ResetRequest};
use crate::http::{Request, Response};
use crate::live::Live;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::task::spawn_blocking;

const RESET: &str = "/v1/reset";
/// The longest time a connection can be asked to have been stalled for: a month.
const LONGEST_STALL_SECONDS: f64 = 30.0 * 86_400.0;

/// Whether something is done at this path.
pub(super) fn is_one(path: &str) -> bool {
    path == RESET
}

/// For those who want to look at an action.
pub(super) fn only_asked_for() -> Response {
    Response::method_not_allowed(&Method::GET, "POST")
}

/// Does what is asked, if whoever asks may.
pub(super) async fn answer(live: &Arc<Live>, request: &Request) -> Response {
    if !is_one(&request.path) {
        return Response::json_error(StatusCode::NOT_FOUND, "nothing is done at this path");
    }
    if !request.parameters.is_empty() {
        let message = "this path takes no parameters, only a body";
        return Response::json_error(StatusCode::BAD_REQUEST, message);
    }
    let uid = match actor(request) {
        Ok(uid) => uid,
        Err(refusal) => return refusal,
    };
    match read(request) {
        Ok(wanted) => reset(live, wanted, uid).await,
        Err(refusal) => refusal,
    }
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

async fn reset(live: &Arc<Live>, wanted: ResetRequest, uid: u32) -> Response {
    if !(0.0..=LONGEST_STALL_SECONDS).contains(&wanted.stalled_for_seconds) {
        let message = format!("stalled_for_seconds lies between 0 and {LONGEST_STALL_SECONDS}");
        return Response::json_error(StatusCode::BAD_REQUEST, &message);
    }
    let Some(peer) = live.with_engine(|engine| engine.peer(&wanted.peer)) else {
        return Response::json_refusal(
            StatusCode::NOT_FOUND,
            "the agent does not track this peer",
            "`detector peers` lists those that it tracks",
        );
    };
    let plan = Plan::of(&peer, &wanted);
    let live = Arc::clone(live);
    match spawn_blocking(move || live.guard.reset(plan, uid)).await {
        Ok(Ok(answer)) => object(&answer),
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

#[cfg(test)]
mod tests;
