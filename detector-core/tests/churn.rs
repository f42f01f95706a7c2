//! Peers that come at the rate of 100,000 a day, hold one connection up and go: how many series scrapes see of
//! them, at once and anew in an hour. docs/sizing.md has what comes out.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::engine::Engine;
use detector_core::metrics::{MetricsSnapshot, PeerMetrics};
use detector_core::observe::observation::{Observation, Reason};
use detector_core::settings::TableSettings;
use detector_core::time::MonotonicTime;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use support::{WALL, engine_with, healthy, ms, zero_window};

const PEERS_A_DAY: u64 = 100_000;
const HOUR_MS: u64 = 3_600_000;
const SCRAPE_MS: u64 = 60_000;
const BEGAN_MS: u64 = 1_000;
/// How long each holds its connection up: several scrapes see it, and no more peers at a time than are exported;
const BRIEFLY_MS: u64 = 150_000;
/// or five times as many, so that places are contested.
const LONG_MS: u64 = 900_000;

/// So many come from one network and are of one sort: enough for a hoard of many, and its flags and verdicts.
const ALIKE: u32 = 32;
/// Series of a peer whatever it does; one more while it is flagged, with its verdict as a label. The page's own
/// tests count its lines.
const SERIES_A_PEER: usize = 9;
const SIZING: &str = include_str!("../../docs/sizing.md");

/// Series of peers.
#[derive(Debug, Default)]
struct Seen {
    /// The most that one scrape had.
    at_once: usize,
    /// The most that came within an hour.
    in_an_hour: usize,
}

/// What is played.
struct Play {
    hours: u64,
    held_ms: u64,
    /// A whole day takes a debug build minutes: of that, peers, their table and those exported are fewer by this.
    scale: u64,
}

/// Peers that come and go.
struct Rotation {
    engine: Engine,
    /// From one peer to the next.
    apart_ms: u64,
    held_ms: u64,
    came: u32,
    gone: u32,
}

fn remote(number: u32) -> String {
    let (network, host) = (number / ALIKE, number % ALIKE);
    let address = 0x0a00_0000 + (network << 8) + host;
    format!("{}:40000", Ipv4Addr::from(address))
}

/// A peer as it comes, like its neighbours and unlike others.
fn arrival(number: u32, at: MonotonicTime) -> Observation {
    Observation {
        max_window_bytes: 131_072 + 128 * (number / ALIKE),
        ..zero_window(&remote(number), at, at)
    }
}

impl Play {
    fn tables(&self) -> TableSettings {
        let tables = TableSettings::default();
        let scale = usize::try_from(self.scale).unwrap();
        TableSettings {
            peers_capacity: tables.peers_capacity / scale,
            export: tables.export / scale,
            ..tables
        }
    }

    fn apart_ms(&self) -> u64 {
        24 * HOUR_MS / PEERS_A_DAY * self.scale
    }
}

impl Rotation {
    fn new(play: &Play) -> Self {
        Self {
            engine: engine_with(play.tables()),
            apart_ms: play.apart_ms(),
            held_ms: play.held_ms,
            came: 0,
            gone: 0,
        }
    }

    /// Plays up to this moment, and scrapes.
    fn scrape(&mut self, now: u64) -> MetricsSnapshot {
        let at = |number: u32| BEGAN_MS + u64::from(number) * self.apart_ms;
        while at(self.came) <= now {
            let since = ms(at(self.came));
            self.engine.advance(since, WALL);
            self.engine.observe(&arrival(self.came, since));
            self.came += 1;
        }
        while self.gone < self.came && at(self.gone) + self.held_ms <= now {
            let mut closed = healthy(&remote(self.gone), ms(now));
            closed.reason = Reason::Closed;
            self.engine.observe(&closed);
            self.gone += 1;
        }
        self.engine.advance(ms(now), WALL);
        self.engine.metrics()
    }
}

/// Returns what was seen, and how many peers were forgotten for lack of room.
fn run(play: &Play) -> (Seen, u64) {
    let export = play.tables().export;
    let mut rotation = Rotation::new(play);
    let mut seen = Seen::default();
    let (mut peers_before, mut flagged_before) = (HashSet::new(), HashSet::new());
    let (mut in_hour, mut labels_of_hour, mut came_before_hour) = (0, 0, 0);
    for scrape in 1..=play.hours * HOUR_MS / SCRAPE_MS {
        let now = BEGAN_MS + scrape * SCRAPE_MS;
        let metrics = rotation.scrape(now);
        assert!(metrics.peers.len() <= 2 * export, "{}", metrics.peers.len());
        assert_sums(&metrics);
        let (peers, flagged) = labels(metrics.peers);
        seen.at_once = seen
            .at_once
            .max(peers.len() * SERIES_A_PEER + flagged.len());
        let new_labels = peers.difference(&peers_before).count();
        labels_of_hour += new_labels;
        in_hour += new_labels * SERIES_A_PEER + flagged.difference(&flagged_before).count();
        (peers_before, flagged_before) = (peers, flagged);
        if now % HOUR_MS < SCRAPE_MS {
            // Few get a label twice because others come and go.
            let came_in_hour = usize::try_from(rotation.came - came_before_hour).unwrap();
            assert!(
                labels_of_hour <= came_in_hour + export,
                "{labels_of_hour} of {came_in_hour}"
            );
            seen.in_an_hour = seen.in_an_hour.max(in_hour);
            (in_hour, labels_of_hour, came_before_hour) = (0, 0, rotation.came);
        }
    }
    let totals = rotation.engine.metrics().totals;
    let came = u64::from(rotation.came);
    assert_eq!(totals.ledger.zero_window_episodes, came);
    assert!(came >= PEERS_A_DAY * play.hours / 24 / play.scale);
    // At once no more than `2 × export` peers with ten series each.
    assert!(seen.at_once <= 2 * export * (SERIES_A_PEER + 1), "{seen:?}");
    (seen, totals.peer_evictions)
}

/// What scrapes show adds up, whoever has a label.
fn assert_sums(metrics: &MetricsSnapshot) {
    let episodes = metrics
        .peers
        .iter()
        .map(|peer| peer.ledger.zero_window_episodes);
    let told = episodes.sum::<u64>() + metrics.other.zero_window_episodes;
    assert_eq!(told, metrics.totals.ledger.zero_window_episodes);
}

/// Who has a label, and with which verdict.
fn labels(peers: Vec<PeerMetrics>) -> (HashSet<String>, HashSet<(String, &'static str)>) {
    let flagged = peers
        .iter()
        .filter_map(|peer| Some((peer.peer.clone(), peer.flagged?.label())))
        .collect();
    (peers.into_iter().map(|peer| peer.peer).collect(), flagged)
}

/// The page says the numbers that come out.
fn assert_told(play: &Play, seen: &Seen) {
    let told = format!(
        "{} peers at a time: {} series of peers at once, {} new ones in an hour",
        grouped(play.held_ms / play.apart_ms()),
        grouped(seen.at_once as u64),
        grouped(seen.in_an_hour as u64)
    );
    assert!(
        SIZING.contains(&told),
        "docs/sizing.md does not say: {told}"
    );
}

/// Thousands with a comma, as the page has them.
fn grouped(number: u64) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", number / 1_000, number % 1_000)
}

#[test]
fn rotating_peers_have_bounded_series_and_sums_that_add_up() {
    let play = Play {
        hours: 3,
        held_ms: BRIEFLY_MS,
        scale: 1,
    };
    assert_told(&play, &run(&play).0);
}

#[test]
fn more_of_them_than_are_exported_have_no_more_series() {
    let play = Play {
        hours: 1,
        held_ms: LONG_MS,
        scale: 1,
    };
    assert_told(&play, &run(&play).0);
}

#[test]
fn nor_in_a_day_that_fills_the_table() {
    let play = Play {
        hours: 24,
        held_ms: LONG_MS,
        scale: 50,
    };
    let (_, forgotten) = run(&play);
    assert!(forgotten > 0, "there was room for all");
}
