use super::Control;
use crate::config::{Config, Scope};
use crate::http::{Client, Content, Handler, Request, Response};
use crate::state::AgentState;
use crate::state::tests::{stalled, state};
use detector_api::host::Host;
use detector_api::snapshot::{AgentNote, Connection, Event, EventType, FlagKind, Peer};
use hyper::StatusCode;
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// For what comes at once unless it never does.
const PATIENCE: Duration = Duration::from_secs(60);

async fn get(state: &Arc<AgentState>, target: &str) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request::parse(path, Some(query)).unwrap();
    Arc::new(Control::new(Arc::clone(state)))
        .handle(request)
        .await
}

async fn text(response: Response) -> String {
    let bytes = match response.content {
        Content::Whole(bytes) => bytes.to_vec(),
        Content::Pieces(mut pieces) => {
            let mut all = Vec::new();
            while let Some(piece) = pieces.recv().await {
                all.extend_from_slice(&piece);
            }
            all
        }
        Content::EndlessPieces(_) => panic!("has no end"),
    };
    String::from_utf8(bytes).unwrap()
}

async fn json<T: serde::de::DeserializeOwned>(state: &Arc<AgentState>, target: &str) -> T {
    let response = get(state, target).await;
    assert_eq!(response.status, StatusCode::OK, "{target}");
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test]
async fn peers_and_connections_are_arrays_also_when_empty() {
    let (state, _pings) = state(&Config::default());
    assert_eq!(json::<Vec<Peer>>(&state, "/v1/peers").await, []);
    state.feed(&[
        stalled("198.51.100.7:40000", 10),
        stalled("198.51.100.7:40001", 10),
        stalled("[2001:db8:1:2::9]:40002", 1),
    ]);
    let peers: Vec<Peer> = json(&state, "/v1/peers").await;
    assert_eq!(peers.len(), 2);
    assert_eq!(peers[0].peer, "198.51.100.7");
    assert_eq!(peers[0].stalled_connections, 2);
    assert_eq!(peers[0].pinned_bytes, 2 * 4_220_292);
    let connections: Vec<Connection> = json(&state, "/v1/connections").await;
    assert_eq!(connections.len(), 3);
}

#[tokio::test]
async fn an_array_larger_than_a_piece_arrives_whole() {
    let (state, _pings) = state(&Config::default());
    let many: Vec<_> = (1..=2_000)
        .map(|port| stalled(&format!("198.51.100.7:{port}"), 1))
        .collect();
    state.feed(&many);
    let connections: Vec<Connection> = json(&state, "/v1/connections?limit=0").await;
    assert_eq!(connections.len(), 2_000);
}

#[tokio::test]
async fn one_peer_comes_with_its_connections_and_events() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[
        stalled("198.51.100.7:40000", 10),
        stalled("198.51.100.8:40000", 10),
        stalled("[2001:db8:1:2::9]:40002", 10),
    ]);
    let page: Value = json(&state, "/v1/peers/198.51.100.7").await;
    assert_eq!(page["peer"]["peer"], "198.51.100.7");
    assert_eq!(page["connections"].as_array().map(Vec::len), Some(1));
    let events = page["events"].as_array().unwrap();
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event["peer"] == "198.51.100.7"));
    let page: Value = json(&state, "/v1/peers/2001:db8:1:2::%2F64").await;
    assert_eq!(page["peer"]["peer"], "2001:db8:1:2::/64");
    let unknown = get(&state, "/v1/peers/192.0.2.99").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let error: Value = serde_json::from_str(&text(unknown).await).unwrap();
    assert!(error["error"].is_string());
}

#[tokio::test]
async fn events_are_lines_and_filtered() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[
        stalled("198.51.100.7:40000", 10),
        stalled("198.51.100.8:40000", 10),
    ]);
    let lines = text(get(&state, "/v1/events?peer=198.51.100.8").await).await;
    let events: Vec<Event> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.iter().any(|event| {
        event.event == EventType::Flag && event.kind() == FlagKind::ZeroWindowStall
    }));
    assert!(events.iter().all(|event| event.peer == "198.51.100.8"));
    let none = text(get(&state, "/v1/events?since=2100-01-01T00:00:00Z").await).await;
    assert_eq!(none, "");
    let refused = get(&state, "/v1/events?sinc=1m").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_follower_gets_what_happens_and_ends_with_the_agent() {
    let (state, _pings) = state(&Config::default());
    let Content::EndlessPieces(mut pieces) = get(&state, "/v1/events?follow=1").await.content
    else {
        panic!("not endless");
    };
    state.feed(&[stalled("198.51.100.7:40000", 10)]);
    let piece = timeout(PATIENCE, pieces.recv()).await.unwrap();
    let piece = String::from_utf8(piece.unwrap().to_vec()).unwrap();
    assert!(
        piece.ends_with('\n') && piece.contains("198.51.100.7"),
        "{piece}"
    );
    // No event, and told at once all the same.
    state.tell_budget();
    let piece = timeout(PATIENCE, pieces.recv()).await.unwrap();
    let note: AgentNote = serde_json::from_slice(&piece.unwrap()).unwrap();
    assert!(note.budget.is_some_and(|budget| budget.given_up.is_empty()));
    state.stop();
    assert_eq!(timeout(PATIENCE, pieces.recv()).await, Ok(None));
}

/// They stay for as long as they like.
#[tokio::test]
async fn nobody_follows_so_often_that_others_cannot() {
    let (state, _pings) = state(&Config::default());
    let control = Arc::new(Control::new(Arc::clone(&state)));
    let follow = async |uid| {
        let mut request = Request::parse("/v1/events", Some("follow=1&kind=dribble")).unwrap();
        request.client = Some(Client::User(Some(uid)));
        Arc::clone(&control).handle(request).await
    };
    let mut following = Vec::new();
    for (uid, expected) in [(1_001, 9), (1_002, 9), (1_003, 0), (0, 6)] {
        let before = following.len();
        let refused = loop {
            let response = follow(uid).await;
            if response.status != StatusCode::OK {
                break response;
            }
            following.push(response);
        };
        assert_eq!(following.len() - before, expected, "{uid}");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        let said = text(refused).await;
        assert!(said.contains("24 may, 9 of one user"), "{said}");
    }
    let counted = || state.counters.followers.load(Ordering::Relaxed);
    assert_eq!(counted(), 24);
    following.clear();
    while counted() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(follow(1_001).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_follower_that_is_too_slow_learns_what_it_missed() {
    let mut config = Config::default();
    config.budget.events = 16;
    let (state, _pings) = state(&config);
    let Content::EndlessPieces(mut pieces) = get(&state, "/v1/events?follow=1").await.content
    else {
        panic!("not endless");
    };
    // Without a pause for the feed: it sees only the end of the flood.
    for host in 1..=200 {
        state.feed(&[stalled(&format!("198.51.100.{host}:4000"), 10)]);
    }
    let piece = timeout(PATIENCE, pieces.recv()).await.unwrap();
    let piece = String::from_utf8(piece.unwrap().to_vec()).unwrap();
    let mut lines = piece.lines();
    let first: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let dropped = first["dropped"].as_u64().unwrap();
    let next: Event = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert!(dropped > 0);
    assert_eq!(next.id, dropped + 1);
    assert_eq!(lines.count(), 15);
}

#[tokio::test]
async fn the_status_says_that_it_is_not_ready() {
    let (state, _pings) = state(&Config::default());
    let status: Value = json(&state, "/v1/status").await;
    assert_eq!(status["ready"], false);
    assert!(status["unready_reason"].is_string());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        status["kernel"]
            .as_str()
            .is_some_and(|release| !release.is_empty())
    );
    assert_eq!(status["records"]["lost"]["decode"], 0);
}

#[tokio::test]
async fn the_host_comes_with_its_sums() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[
        stalled("198.51.100.7:40000", 10),
        stalled("198.51.100.8:40000", 10),
    ]);
    let host: Host = json(&state, "/v1/host").await;
    assert_eq!(host.totals.stalled_connections, 2);
    assert_eq!(host.totals.stalled_by_cause["zero_window"], 2);
    assert_eq!(host.totals.pinned_bytes, 2 * 4_220_292);
    assert_eq!(host.totals.peers, 2);
    assert_eq!(host.agent.started, state.started_text());
    assert_eq!(host.records_lost["decode"], 0);
    assert!(host.memory.is_some() && host.sockets.is_some());
}

/// Nobody looks who holds TCP's memory there, so nobody is waited for.
#[tokio::test]
async fn of_a_container_nobody_is_asked_who_holds_memory() {
    let mut config = Config::default();
    config.detect.scope = Scope::Container;
    let (state, _pings) = state(&config);
    let host: Host = json(&state, "/v1/host").await;
    assert_eq!(host.tcp_memory_held, None);
    assert_eq!(state.host.tcp_memory.due_in(false, false), None);
}

#[tokio::test]
async fn a_reader_goes_on_where_it_stopped_unless_the_agent_is_another_one() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[
        stalled("198.51.100.7:40000", 10),
        stalled("198.51.100.8:40000", 10),
    ]);
    let all = text(get(&state, "/v1/events").await).await;
    let started = state.started_text();
    let target = format!("/v1/events?after=1&agent={started}");
    let rest = text(get(&state, &target).await).await;
    assert_eq!(rest.lines().count() + 1, all.lines().count());
    let other = text(get(&state, "/v1/events?after=1&agent=another").await).await;
    assert_eq!(other, all);
    let response = get(&state, "/v1/status").await;
    let header = response
        .headers
        .iter()
        .find(|(name, _)| name == "x-agent-started");
    assert_eq!(header.unwrap().1.as_bytes(), started.as_bytes());
}

#[tokio::test]
async fn unknown_paths_and_parameters_are_refused() {
    let (state, _pings) = state(&Config::default());
    assert_eq!(
        get(&state, "/v1/nonsense").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        get(&state, "/v1/status?x=1").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_reader_that_wants_no_event_gives_others_their_turn() {
    const STEPS: u32 = 8;
    let (state, _pings) = state(&Config::default());
    let peers = (0..STEPS * 512).map(|number| {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
        stalled(&format!("{address}:40000"), 10)
    });
    state.feed(&peers.collect::<Vec<_>>());
    assert!(state.engine().last_event_id() >= u64::from(STEPS * 512));
    let asking = Arc::clone(&state);
    let reading = tokio::spawn(async move {
        text(get(&asking, "/v1/events?since=2100-01-01T00:00:00Z").await).await
    });
    let mut turns = 0;
    while !reading.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert_eq!(reading.await.unwrap(), "");
    assert!(turns >= STEPS, "{turns} turns");
}

/// The page of a peer is as long as a list: whoever has all connections there are must not keep the event
/// loop from its turn.
#[tokio::test]
async fn the_page_of_a_peer_is_made_beside_the_event_loop() {
    let (state, _pings) = state(&Config::default());
    state.feed(&[stalled("198.51.100.7:40000", 10)]);
    let (has_it, held) = oneshot::channel();
    let (give_back, given_back) = mpsc::channel::<()>();
    let holding = Arc::clone(&state);
    let holder = std::thread::spawn(move || {
        let _engine = holding.engine();
        has_it.send(()).unwrap();
        given_back.recv_timeout(PATIENCE).is_ok()
    });
    held.await.unwrap();
    let asking = Arc::clone(&state);
    let page = tokio::spawn(async move { json::<Value>(&asking, "/v1/peers/198.51.100.7").await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!page.is_finished());
    give_back.send(()).unwrap();
    assert_eq!(page.await.unwrap()["peer"]["peer"], "198.51.100.7");
    assert!(
        holder.join().unwrap(),
        "the event loop waited for the engine"
    );
}
