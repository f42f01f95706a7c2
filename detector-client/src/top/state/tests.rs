pub(crate) mod actions;
mod intake;
pub(crate) mod past;

use super::{Facts, Listing, Location, Now, Overlay, Snapshot, State};
use crate::columns::Grouping;
use crate::filter::Filter;
use crate::top::keys::{self, Key};
use crate::top::state::Effects;
use detector_api::fixtures::{assessment, connection, peer, process};
use detector_api::page::PeerPage;
use detector_api::snapshot::{Peer, PeerDetail, Severity, Verdict};
use std::time::Duration;

/// Presses a key as the user would.
pub(crate) fn press(state: &mut State, key: Key) -> Effects {
    match keys::of(key, state.focus()) {
        Some(command) => state.apply(command),
        None => Effects::default(),
    }
}

pub(crate) fn type_text(state: &mut State, text: &str) {
    for character in text.chars() {
        press(state, Key::Char(character));
    }
}

/// Just started: nothing was heard of the agent.
pub(crate) fn started() -> State {
    State {
        size: (80, 24),
        ..State::new(Duration::from_secs(1), Filter::default())
    }
}

fn now(seconds: u32) -> Now {
    let start = detector_api::time::rfc3339_unix_ns("2026-12-29T21:05:00.000Z").unwrap();
    Now {
        seconds: f64::from(seconds),
        unix_ns: start + i128::from(seconds) * 1_000_000_000,
    }
}

fn facts(stalled: u64) -> Facts {
    Facts {
        host: "web1".to_owned(),
        kernel: "6.12.48".to_owned(),
        agent_version: "0.1.0".to_owned(),
        uptime_seconds: 12_000.0,
        unready_reason: None,
        load: vec![0.52, 0.4, 12.31],
        pressure_percent: [Some(3.0), Some(0.4), None],
        memory_bytes: Some((3_100_000_000, 8_300_000_000)),
        tcp_memory_bytes: Some((412_000_000 + stalled * 1_000_000, 780_000_000)),
        tcp_memory_held: None,
        is_tcp_memory_short: false,
        orphans: Some(12),
        stalled_connections: Some(stalled),
        incident_began: (stalled > 0).then(|| "2026-12-29T21:04:05.123Z".to_owned()),
        pinned_bytes: Some(stalled * 400_000),
        peers: Some(5_000),
        connections: Some(20_000),
        agent_cpu_share: Some(0.003),
        agent_memory_bytes: Some(24_000_000),
        records_lost: 7,
        given_up: Vec::new(),
    }
}

fn refresh(state: &mut State, second: u32, peers: Vec<Peer>, total: usize) {
    let snapshot = Snapshot {
        facts: facts(u64::from(second) * 10),
        listing: Some(Listing {
            peers: peers
                .into_iter()
                .map(detector_api::row::PeerRow::from)
                .collect(),
            total,
        }),
        page: None,
    };
    state.take(now(second), Ok(snapshot));
}

fn numbered(count: u32) -> Vec<Peer> {
    let each = (0..count).map(|number| {
        let address = format!("203.0.{}.{}", 113 + number / 200, number % 200);
        let pinned = u64::from(count - number) * 1_000;
        peer(&address, pinned).peer
    });
    each.collect()
}

/// Watched for some seconds, with that many peers alike.
pub(crate) fn at_night(peers: u32) -> State {
    let mut state = started();
    refresh(&mut state, 1, numbered(peers), peers as usize);
    state
}

/// Peers of all kinds, IPv4 and IPv6, with and without owner.
pub(crate) fn attacked() -> State {
    let mut state = started();
    for second in 1..=30 {
        refresh(&mut state, second, attackers(), 1_234);
    }
    state
}

fn attackers() -> Vec<Peer> {
    let mut worst = peer("198.51.100.7", 48_200_000).peer;
    worst.severity = Severity::Critical;
    worst.connections = 64;
    worst.stalled_connections = 60;
    worst.longest_stall_seconds = 725.0;
    let mut treason = peer("2001:db8:1:2::/64", 9_600_000).peer;
    treason.verdict = Some(Verdict::ShrinkingPeer);
    treason.processes = vec![process(80, "größe 漢字", None)];
    let mut slow = peer("198.51.100.9", 80_000).peer;
    slow.verdict = Some(Verdict::SlowClient);
    slow.severity = Severity::Info;
    slow.processes.clear();
    let mut unjudged = peer("203.0.113.200", 0).peer;
    unjudged.verdict = None;
    unjudged.severity = Severity::Info;
    unjudged.stalled_connections = 0;
    vec![worst, treason, slow, unjudged]
}

/// The same with an owner of this name.
pub(crate) fn named(name: &str) -> State {
    let mut peers = attackers();
    peers[1].processes = vec![process(80, name, Some(name))];
    let mut state = started();
    for second in 1..=30 {
        refresh(&mut state, second, peers.clone(), 1_234);
    }
    state
}

/// The page that is open comes, `seconds` times.
pub(crate) fn page(state: &mut State, seconds: u32) {
    let Some(name) = state.location.peer().map(str::to_owned) else {
        return;
    };
    let mut shown = attackers().remove(0);
    shown.peer.clone_from(&name);
    for second in 0..seconds {
        let connections = (0..3_u32).map(|number| {
            let mut connection = connection(&format!("{name}:{}", 40_000 + number), 800_000);
            connection.peer.clone_from(&name);
            let open = 65_535_u64.saturating_sub(u64::from(second) * 4_000);
            connection.window_bytes = if number == 0 { open } else { 0 };
            connection.retracted_bytes = u64::from(number) * 20_000;
            connection.queued_bytes = u64::from(second) * 25_000;
            connection
        });
        let page = PeerPage {
            detail: PeerDetail {
                unit_shares: Vec::new(),
                peer: shown.clone(),
                assessment: assessment(),
                connections_total: 64,
                connections: connections.collect(),
            },
            events: vec![detector_api::fixtures::event(
                1,
                detector_api::snapshot::FlagKind::ZeroWindowStall,
                &[("stalled_seconds", 5.0), ("pinned_bytes", 800_000.0)],
            )],
        };
        let snapshot = Snapshot {
            facts: facts(300),
            listing: None,
            page: Some(Some(page)),
        };
        state.take(now(100 + second), Ok(snapshot));
    }
}

fn shown(state: &State) -> Vec<&str> {
    let rows = state.table.rows.iter();
    rows.map(|row| row.peer.peer.as_str()).collect()
}

#[test]
fn the_cursor_follows_its_peer_and_rests_at_the_top() {
    let mut state = at_night(5);
    let mut peers = numbered(5);
    peers[4].pinned_bytes = 1_000_000;
    refresh(&mut state, 2, peers.clone(), 5);
    assert_eq!(state.table.cursor.index, 0, "{:?}", shown(&state));
    press(&mut state, Key::Down);
    let followed = shown(&state)[1].to_owned();
    peers[3].pinned_bytes = 2_000_000;
    refresh(&mut state, 3, peers.clone(), 5);
    assert_eq!(shown(&state)[state.table.cursor.index], followed);
    assert_eq!(state.table.cursor.index, 2);
    peers.retain(|peer| peer.peer != followed);
    refresh(&mut state, 4, peers, 4);
    assert_eq!(state.table.cursor.index, 2, "stays where it was");
    refresh(&mut state, 5, Vec::new(), 0);
    assert_eq!(state.table.cursor.index, 0);
}

#[test]
fn only_as_many_rows_as_needed_are_asked_for() {
    let mut state = at_night(128);
    assert_eq!(state.query().peers, Some(128));
    for _ in 0..100 {
        press(&mut state, Key::Down);
    }
    assert_eq!(state.query().peers, Some(256));
    press(&mut state, Key::Char('g'));
    assert_eq!(state.query().peers, Some(128));
    press(&mut state, Key::Tab);
    assert_eq!(state.query().peers, Some(0), "groups need all of them");
    press(&mut state, Key::BackTab);
    assert!(press(&mut state, Key::Right).fetches);
    assert_eq!(
        state.query().peers,
        Some(0),
        "another order needs all of them"
    );
}

#[test]
fn the_last_row_is_the_very_last_one() {
    let mut state = at_night(1);
    refresh(&mut state, 2, numbered(128), 300);
    assert!(press(&mut state, Key::Char('G')).fetches);
    assert_eq!(state.query().peers, Some(0));
    refresh(&mut state, 3, numbered(300), 300);
    assert_eq!(state.table.cursor.index, 299);
    assert_eq!(state.query().peers, Some(384), "and it stays in sight");
}

#[test]
fn enter_and_escape_go_in_and_out() {
    let mut state = attacked();
    assert!(press(&mut state, Key::Enter).fetches);
    assert_eq!(state.location, Location::Peer("198.51.100.7".to_owned()));
    assert_eq!(state.query().peers, None);
    assert_eq!(state.query().page.as_deref(), Some("198.51.100.7"));
    press(&mut state, Key::Enter);
    assert_eq!(
        state.location.peer(),
        Some("198.51.100.7"),
        "the page is not there yet"
    );
    page(&mut state, 1);
    press(&mut state, Key::Down);
    press(&mut state, Key::Enter);
    assert!(matches!(state.location, Location::Connection(..)));
    assert_eq!(state.connection().unwrap().remote, "198.51.100.7:40001");
    press(&mut state, Key::Esc);
    assert_eq!(state.opened.cursor.index, 1);
    assert!(press(&mut state, Key::Esc).fetches);
    assert_eq!(state.location, Location::Table);
}

#[test]
fn a_group_opens_into_its_peers() {
    let mut state = attacked();
    press(&mut state, Key::Tab);
    assert_eq!(shown(&state).len(), 3, "{:?}", shown(&state));
    assert_eq!(shown(&state)[0], "198.51.100.0/24");
    press(&mut state, Key::Enter);
    assert_eq!(shown(&state), ["198.51.100.7", "198.51.100.9"]);
    press(&mut state, Key::Enter);
    assert_eq!(state.location.peer(), Some("198.51.100.7"));
    press(&mut state, Key::Esc);
    press(&mut state, Key::Esc);
    assert_eq!(state.grouping(), Grouping::Net);
    assert_eq!(shown(&state).len(), 3);
}

#[test]
fn a_filter_is_typed_refused_mended_and_dropped() {
    let mut state = attacked();
    press(&mut state, Key::Char('/'));
    type_text(&mut state, "pined>1M");
    press(&mut state, Key::Enter);
    let Overlay::Prompt(prompt) = &state.overlay else {
        panic!("a wrong filter stays to be mended");
    };
    let said = prompt.error.as_ref().unwrap().to_string();
    assert!(said.contains("did you mean `pinned`"), "{said}");
    for _ in 0.."ed>1M".len() {
        press(&mut state, Key::Backspace);
    }
    type_text(&mut state, "ned>1M");
    assert!(press(&mut state, Key::Enter).fetches);
    assert_eq!(shown(&state), ["198.51.100.7", "2001:db8:1:2::/64"]);
    press(&mut state, Key::Esc);
    assert_eq!(shown(&state).len(), 4);
}

#[test]
fn orders_are_chosen_from_a_menu_and_turned_around() {
    let mut state = attacked();
    press(&mut state, Key::Char('s'));
    press(&mut state, Key::Down);
    assert!(press(&mut state, Key::Enter).saves);
    assert_eq!(state.settings.sort.key(), "peer");
    assert_eq!(shown(&state)[0], "198.51.100.7");
    press(&mut state, Key::Char('r'));
    assert_eq!(shown(&state)[0], "2001:db8:1:2::/64");
    press(&mut state, Key::Left);
    assert_eq!(state.settings.sort.key(), "cost");
    assert_eq!(press(&mut state, Key::Left), Effects::default());
}
