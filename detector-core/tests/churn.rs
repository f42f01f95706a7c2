//! Peers that come at the rate of 100,000 a day, hold one connection up and go: how many series scrapes
//! see of them.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::observe::observation::Reason;
use detector_core::settings::TableSettings;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use support::{WALL, engine_with, healthy, ms, zero_window};

const HOURS: u64 = 3;
const PEERS_A_DAY: u64 = 100_000;
const HOUR_MS: u64 = 3_600_000;
const SCRAPE_MS: u64 = 60_000;
/// From one peer to the next.
const APART_MS: u64 = 24 * HOUR_MS / PEERS_A_DAY;
/// How long each holds its connection up: several scrapes see it.
const HELD_MS: u64 = 150_000;
const BEGAN_MS: u64 = 1_000;

fn remote(number: u32) -> String {
    format!("{}:40000", Ipv4Addr::from(0x0a00_0000 + number))
}

#[test]
fn rotating_peers_have_bounded_series_and_sums_that_add_up() {
    let tables = TableSettings {
        peers_capacity: 2_000,
        ..TableSettings::default()
    };
    let export = tables.export;
    let mut engine = engine_with(tables);
    let (mut came, mut gone) = (0, 0);
    let mut shown_before = HashSet::new();
    let mut labels_of_hour = 0;
    let mut came_before_hour = 0;
    for scrape in 1..=HOURS * HOUR_MS / SCRAPE_MS {
        let now = BEGAN_MS + scrape * SCRAPE_MS;
        let at = |number: u32| BEGAN_MS + u64::from(number) * APART_MS;
        while at(came) <= now {
            let since = ms(at(came));
            engine.advance(since, WALL);
            engine.observe(&zero_window(&remote(came), since, since));
            came += 1;
        }
        while gone < came && at(gone) + HELD_MS <= now {
            let mut closed = healthy(&remote(gone), ms(now));
            closed.reason = Reason::Closed;
            engine.observe(&closed);
            gone += 1;
        }
        engine.advance(ms(now), WALL);
        let metrics = engine.metrics();
        assert!(metrics.peers.len() <= 2 * export, "{}", metrics.peers.len());
        let episodes = metrics
            .peers
            .iter()
            .map(|peer| peer.ledger.zero_window_episodes);
        let told = episodes.sum::<u64>() + metrics.other.zero_window_episodes;
        assert_eq!(told, metrics.totals.ledger.zero_window_episodes);
        let shown: HashSet<String> = metrics.peers.into_iter().map(|peer| peer.peer).collect();
        labels_of_hour += shown.difference(&shown_before).count();
        shown_before = shown;
        if now % HOUR_MS < SCRAPE_MS {
            // Hardly anybody gets a label twice because others come and go.
            let came_in_hour = usize::try_from(came - came_before_hour).unwrap();
            let bounds = came_in_hour * 9 / 10..=came_in_hour + export / 10;
            assert!(
                bounds.contains(&labels_of_hour),
                "{labels_of_hour} of {came_in_hour}"
            );
            (labels_of_hour, came_before_hour) = (0, came);
        }
    }
    let episodes = engine.metrics().totals.ledger.zero_window_episodes;
    assert_eq!(episodes, u64::from(came));
    assert!(u64::from(came) >= HOURS * PEERS_A_DAY / 24);
}
