use super::{LIST_LIMIT, LISTINGS, LONG_LISTINGS, Listings, Table, WORKERS};
use crate::clock::thread_time;
use crate::config::Config;
use crate::control::Control;
use crate::http::{Client, Content, Handler, Request, Response};
use crate::state::AgentState;
use crate::state::tests::{stalled, state};
use detector_api::snapshot::Peer;
use detector_core::engine::{ConnectionKey, Engine};
use hyper::StatusCode;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// As many as the table holds by default; fewer where nothing is measured.
const PEERS: u32 = if cfg!(debug_assertions) {
    4_096
} else {
    65_536
};

async fn get(state: &Arc<AgentState>, path: &str, query: &str) -> Response {
    let request = Request::parse(path, Some(query)).unwrap();
    Arc::new(Control::new(Arc::clone(state)))
        .handle(request)
        .await
}

async fn text(response: Response) -> Vec<u8> {
    let Content::Pieces(mut pieces) = response.content else {
        panic!("not in pieces");
    };
    let mut text = Vec::new();
    while let Some(piece) = pieces.recv().await {
        text.extend_from_slice(&piece);
    }
    text
}

async fn rows(response: Response) -> Vec<Value> {
    serde_json::from_slice(&text(response).await).unwrap()
}

fn feed(state: &AgentState, peers: u32) {
    let mut observations = Vec::new();
    for number in 0..peers {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
        let mut observation = stalled(&format!("{address}:40000"), 10);
        observation.pinned_bytes = 1_000 + u64::from(number);
        observation.connection.socket = u64::from(number);
        observations.push(observation);
    }
    state.feed(&observations);
}

#[tokio::test]
async fn the_most_costly_come_first_and_the_total_is_given() {
    let (state, _pings) = state(&Config::default());
    feed(&state, 3_000);
    for path in ["/v1/peers", "/v1/connections"] {
        let response = get(&state, path, "").await;
        let total = response
            .headers
            .iter()
            .find(|(name, _)| name == "x-total-count");
        assert_eq!(total.map(|(_, value)| value.as_bytes()), Some(&b"3000"[..]));
        let shown = rows(response).await;
        assert_eq!(shown.len(), LIST_LIMIT);
        assert_eq!(shown[0]["pinned_bytes"], 3_999);
        assert_eq!(shown[LIST_LIMIT - 1]["pinned_bytes"], 3_000);
        let few = rows(get(&state, path, "limit=3").await).await;
        let peers = |rows: &[Value]| {
            rows.iter()
                .map(|row| row["peer"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(peers(&few), peers(&shown[..3]));
        assert_eq!(rows(get(&state, path, "limit=0").await).await.len(), 3_000);
    }
}

/// Who ask, and the agent that answers.
struct Askers(Arc<Control>);

impl Askers {
    async fn ask(&self, uid: u32, path: &str, query: &str) -> Response {
        let mut request = Request::parse(path, Some(query)).unwrap();
        request.client = Some(Client::User(Some(uid)));
        Arc::clone(&self.0).handle(request).await
    }

    async fn list(&self, uid: u32, limit: usize) -> Response {
        let query = format!("limit={limit}");
        self.ask(uid, "/v1/peers", &query).await
    }

    /// Begins to ask; `None` where there is no place.
    async fn begin(&self, uid: u32, path: &str) -> Option<Response> {
        let response = self.ask(uid, path, "").await;
        let is_refused = response.status == StatusCode::SERVICE_UNAVAILABLE;
        (!is_refused).then_some(response)
    }

    /// Has a user begin lists and read none, until one is refused.
    async fn all_for(&self, uid: u32, limit: usize) -> Vec<Response> {
        let mut begun = Vec::new();
        loop {
            let response = self.list(uid, limit).await;
            if response.status != StatusCode::OK {
                assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
                let mut headers = response.headers.iter();
                assert!(headers.any(|(name, _)| name == "retry-after"));
                return begun;
            }
            begun.push(response);
        }
    }
}

#[tokio::test]
async fn readers_who_stop_in_the_middle_hold_up_nobody_else() {
    let (state, _pings) = state(&Config::default());
    feed(&state, 1_000);
    let askers = Askers(Arc::new(Control::new(Arc::clone(&state))));
    let first = askers.all_for(1_001, 0).await;
    assert!(!first.is_empty() && first.len() < LISTINGS / 2);
    assert_eq!(rows(askers.list(1_002, 0).await).await.len(), 1_000);
    let second = askers.all_for(1_002, 0).await;
    let third = askers.all_for(1_003, 0).await;
    let others = first.len() + second.len() + third.len();
    let mut of_root = askers.all_for(0, 0).await;
    assert!(others < LISTINGS);
    assert_eq!(others + of_root.len(), LISTINGS);
    assert_eq!(rows(of_root.remove(0)).await.len(), 1_000);
    // Whoever goes makes room.
    drop(first);
    loop {
        let response = askers.list(1_001, 0).await;
        if response.status == StatusCode::OK {
            assert_eq!(rows(response).await.len(), 1_000);
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Each is made whole and kept until it is read, or has some pieces waiting.
#[tokio::test]
async fn pages_and_events_that_nobody_reads_are_as_few_as_lists() {
    let (state, _pings) = state(&Config::default());
    feed(&state, 1_000);
    for path in ["/v1/peers/10.0.0.1", "/v1/events", "/v1/peers/192.0.2.1"] {
        let askers = Askers(Arc::new(Control::new(Arc::clone(&state))));
        let mut begun = Vec::new();
        // What is not there is told at once, and that may fill no memory either.
        while let Some(response) = askers.begin(1_001, path).await {
            begun.push(response);
        }
        assert!(!begun.is_empty() && begun.len() < LISTINGS / 2, "{path}");
        // All kinds together.
        let lists = askers.all_for(0, 0).await;
        assert_eq!(begun.len() + lists.len(), LISTINGS, "{path}");
        // Who has read all, or hangs up, makes room.
        let read = begun.pop().unwrap();
        assert!(!text(read).await.is_empty(), "{path}");
        drop((begun, lists));
        while askers.all_for(0, 0).await.len() < LISTINGS {
            tokio::task::yield_now().await;
        }
    }
}

/// They keep what others do not need to wait for: the keys of a full table.
#[tokio::test]
async fn of_long_lists_fewer_are_begun_and_short_ones_go_on_beside_them() {
    let (state, _pings) = state(&Config::default());
    feed(&state, 1_001);
    let askers = Askers(Arc::new(Control::new(Arc::clone(&state))));
    let of_one = askers.all_for(1_001, 0).await;
    let of_another = askers.all_for(1_002, 1_001).await;
    let of_root = askers.all_for(0, 0).await;
    let all = of_one.len() + of_another.len() + of_root.len();
    assert_eq!(all, LONG_LISTINGS);
    assert!(!of_one.is_empty() && !of_another.is_empty() && !of_root.is_empty());
    for uid in [0, 1_001, 1_003] {
        assert_eq!(
            rows(askers.list(uid, LIST_LIMIT).await).await.len(),
            LIST_LIMIT
        );
    }
    for list in of_one {
        assert_eq!(rows(list).await.len(), 1_001);
    }
}

/// By the formula of `docs/scaling.md`, in kB.
#[test]
fn long_lists_of_full_tables_stay_below_what_the_unit_allows() {
    let unit = include_str!("../../../../packaging/systemd/detector.service");
    let limit = |name: &str| {
        let mut lines = unit.lines();
        let limit = lines.find_map(|line| line.strip_prefix(name)?.strip_suffix('M'));
        limit.unwrap().parse::<usize>().unwrap() * 1_024
    };
    let (high, most) = (limit("MemoryHigh="), limit("MemoryMax="));
    let Config { budget, peers, .. } = Config::default();
    let (connections, events) = (budget.connections as usize, budget.events);
    let tables = 38_000 + (900 * peers.capacity + 700 * connections + 1_300 * events) / 1_000;
    let ring = usize::try_from(budget.ring.0).unwrap();
    let kernel = 5_000 + ring / 1_024 + 330 * connections / 1_000;
    let key = size_of::<ConnectionKey>();
    // A ranking has the cost of each beside its key.
    let of_each = LONG_LISTINGS * key + WORKERS * (key + 16);
    assert!(of_each <= 420, "{of_each} bytes of a connection");
    let readers = 32_000 + 420 * connections / 1_000;
    let full = tables + kernel;
    assert!(full < high, "{full} kB of {high}");
    // What the kernel slows down it does not end.
    assert!(high + readers <= most, "{high} kB and {readers} of {most}");
}

#[tokio::test]
async fn other_parameters_are_refused() {
    let (state, _pings) = state(&Config::default());
    for query in ["limit=", "limit=-1", "limit=x", "limit=1&limit=2", "top=3"] {
        let response = get(&state, "/v1/peers", query).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_row_that_goes_away_meanwhile_is_left_out() {
    let (state, _pings) = state(&Config::default());
    feed(&state, 2);
    let table = Table {
        count: Engine::peers_tracked,
        rank: |engine, limit| {
            let mut keys = engine.rank_peers(limit);
            let gone = "192.0.2.99".parse().unwrap();
            keys.insert(
                1,
                detector_core::observe::peer_address::PeerAddress::of(gone, 64),
            );
            keys
        },
        view: Engine::view_peers,
    };
    let request = Request::parse("/v1/peers", None).unwrap();
    let response = Listings::new(&Arc::default())
        .answer(&state, &request, table)
        .await;
    let shown = rows(response).await;
    let peers: Vec<Peer> = shown
        .into_iter()
        .map(|row| serde_json::from_value(row).unwrap())
        .collect();
    assert_eq!(peers[0].peer, "10.0.0.1");
    assert_eq!(peers[1].peer, "10.0.0.0");
    assert_eq!(peers.len(), 2);
}

/// What a task of the event loop feels while all of a full table is listed: the longest time it
/// has to wait, for its turn and then for the engine. All of it is one thread, so its own
/// processor time is the wait, whatever else the machine does.
#[tokio::test]
#[allow(
    clippy::print_stdout,
    reason = "the number is what the test is run for"
)]
async fn a_listing_of_a_full_table_does_not_hold_up_the_event_loop() {
    let (state, _pings) = state(&Config::default());
    feed(&state, PEERS);
    for path in ["/v1/peers", "/v1/connections"] {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            best = best.min(longest_wait(&state, path).await);
        }
        println!("{path}?limit=0 of {PEERS}: event loop held up for at most {best:?}");
        // Without optimization ranking alone takes longer.
        assert!(cfg!(debug_assertions) || best < Duration::from_millis(25));
    }
}

async fn longest_wait(state: &Arc<AgentState>, path: &'static str) -> Duration {
    let listing = {
        let state = Arc::clone(state);
        tokio::spawn(async move { text(get(&state, path, "limit=0").await).await })
    };
    let mut longest = Duration::ZERO;
    let mut last = thread_time();
    while !listing.is_finished() {
        tokio::task::yield_now().await;
        drop(state.engine());
        let now = thread_time();
        longest = longest.max(now - last);
        last = now;
    }
    let text = listing.await.unwrap();
    // A line a row, between one for each bracket.
    assert_eq!(
        text.iter().filter(|byte| **byte == b'\n').count(),
        PEERS as usize + 2
    );
    longest
}
