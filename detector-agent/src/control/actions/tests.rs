use super::{BlockError, ResetError, block_refusal, reset_refusal};
use crate::config::Config;
use crate::control::Control;
use crate::http::{Client, Content, Handler, Request, Response, Verb};
use crate::state::AgentState;
use crate::state::tests::{stalled, state};
use hyper::StatusCode;
use hyper::header;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;

async fn ask(
    state: &Arc<AgentState>,
    verb: Verb,
    path: &str,
    body: &str,
    uid: Option<u32>,
) -> Response {
    let request = Request {
        verb,
        body: body.to_owned().into(),
        client: Some(Client::User(uid)),
        ..Request::parse(path, None).unwrap()
    };
    Arc::new(Control::new(Arc::clone(state)))
        .handle(request)
        .await
}

async fn post(
    state: &Arc<AgentState>,
    path: &str,
    body: &str,
    uid: Option<u32>,
) -> (StatusCode, Value) {
    let response = ask(state, Verb::Post, path, body, uid).await;
    let Content::Whole(text) = response.content else {
        panic!("not whole");
    };
    (response.status, serde_json::from_slice(&text).unwrap())
}

#[tokio::test]
async fn only_root_and_the_agents_own_user_may_act() {
    let (state, _pings) = state(&Config::default());
    let own = rustix::process::geteuid().as_raw();
    let body = r#"{"peer": "198.51.100.7", "dry_run": true}"#;
    for (uid, expected) in [
        (Some(0), StatusCode::NOT_FOUND),
        (Some(own), StatusCode::NOT_FOUND),
        (Some(own.wrapping_add(4_242)), StatusCode::FORBIDDEN),
        (None, StatusCode::FORBIDDEN),
    ] {
        let (status, answer) = post(&state, "/v1/reset", body, uid).await;
        assert_eq!(status, expected, "{uid:?}: {answer}");
        assert!(answer["error"].is_string() && answer["hint"].is_string());
    }
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[stalled("198.51.100.7:40000", 60)]);
    for body in [
        "",
        "[]",
        "{}",
        r#"{"peer": 7}"#,
        r#"{"peer": "198.51.100.7", "dryrun": true}"#,
        r#"{"peer": "198.51.100.7", "only": [{"remote": "x", "port": 1}]}"#,
        r#"{"peer": "198.51.100.7", "stalled_for_seconds": -1}"#,
        r#"{"peer": "198.51.100.7", "stalled_for_seconds": 1e300}"#,
        r#"{"peer": "198.51.100.7"} {"#,
    ] {
        let (status, answer) = post(&state, "/v1/reset", body, Some(0)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
    }
}

#[tokio::test]
async fn methods_and_paths_must_fit() {
    let (state, _pings) = state(&Config::default());
    let response = ask(&state, Verb::Get, "/v1/reset", "", Some(0)).await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = response.headers.iter();
    let allowed = allowed.filter(|(name, value)| name == header::ALLOW && value == "POST");
    assert_eq!(allowed.count(), 1);
    let response = ask(&state, Verb::Post, "/v1/peers", "", Some(0)).await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_the_kernel_does_not_have_is_reported_gone() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[
        stalled("198.51.100.7:40000", 60),
        stalled("198.51.100.7:40001", 3),
    ]);
    let body = r#"{"peer": "198.51.100.7", "stalled_for_seconds": 0}"#;
    let (status, answer) = post(&state, "/v1/reset", body, Some(0)).await;
    // Without the capability the agent says so; the engine's namespace 1 is nowhere in any case.
    if status == StatusCode::FORBIDDEN {
        assert!(answer["error"].as_str().unwrap().contains("CAP_NET_ADMIN"));
        return;
    }
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["reset"], 0);
    assert_eq!(answer["sockets"][0]["outcome"], "failed");
    assert_eq!(state.actions.counts().reset, 0);
}

/// With a drop-in that the package has.
#[test]
fn who_may_not_act_is_told_how_to_let_it() {
    let hint = "/usr/share/doc/detector/examples/";
    for refused in [
        reset_refusal(&ResetError::NoPrivilege),
        block_refusal(&BlockError::NoPrivilege),
    ] {
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let Content::Whole(said) = refused.content else {
            panic!("not whole");
        };
        let said = String::from_utf8(said.to_vec()).unwrap();
        let (_, rest) = said.split_once(hint).unwrap();
        let name = rest.split('"').next().unwrap();
        let drop_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
        let text = fs::read_to_string(drop_in.join(name)).unwrap();
        assert!(text.contains("AmbientCapabilities=CAP_NET_ADMIN"), "{text}");
    }
}

#[tokio::test]
async fn networks_are_refused_with_the_reason_and_what_to_do() {
    let mut config = Config::default();
    config.peers.trusted = vec!["203.0.113.0/24".parse().unwrap()];
    let (state, _pings) = state(&config);
    for (network, seconds, expected, part) in [
        ("nonsense", 600, StatusCode::BAD_REQUEST, "neither"),
        ("198.51.100.7", 0, StatusCode::BAD_REQUEST, "a block lasts"),
        (
            "198.51.100.7",
            u64::MAX,
            StatusCode::BAD_REQUEST,
            "a block lasts",
        ),
        ("64.0.0.0/7", 600, StatusCode::BAD_REQUEST, "too wide"),
        ("127.0.0.1", 600, StatusCode::CONFLICT, "loopback"),
        ("203.0.113.7", 600, StatusCode::CONFLICT, "trusted"),
        ("0.0.0.0/0", 600, StatusCode::CONFLICT, "never blocked"),
    ] {
        let body =
            format!(r#"{{"network": "{network}", "for_seconds": {seconds}, "dry_run": true}}"#);
        let (status, answer) = post(&state, "/v1/block", &body, Some(0)).await;
        assert_eq!(status, expected, "{network}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
        assert!(answer["hint"].is_string(), "{answer}");
    }
    assert_eq!(state.actions.counts().blocked, 0);
    let (status, _) = post(
        &state,
        "/v1/unblock",
        r#"{"network": "198.51.100.7"}"#,
        Some(0),
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let response = ask(&state, Verb::Get, "/v1/blocked", "", None).await;
    assert_eq!(response.status, StatusCode::OK, "anybody may look");
}

#[tokio::test]
async fn who_may_not_act_cannot_fill_the_log() {
    let (state, _pings) = state(&Config::default());
    let told = (0..10_000).filter(|_| state.actions.may_tell_refusal());
    assert!((1..100).contains(&told.count()));
}
