//! Who fetches the metrics.

use crate::http::Client;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Whoever has fetched none for so long is a scraper no more.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// Of more than these, who has fetched them for the shortest time makes room, first among the most
/// neighbours: strangers, however many, are new, or come from few networks.
const CAPACITY: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Scrapers(HashMap<IpNet, Standing>);

/// When a scraper came.
#[derive(Clone, Copy, Debug)]
struct Standing {
    first: Instant,
    last: Instant,
}

impl Standing {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < REMEMBERED
    }

    fn span(&self) -> Duration {
        self.last.saturating_duration_since(self.first)
    }
}

impl Scrapers {
    pub(super) fn note(&mut self, client: Client) {
        self.note_at(client, Instant::now());
    }

    fn note_at(&mut self, client: Client, now: Instant) {
        // Loopback is spared as it is, and has as many addresses as any user likes.
        let Some(network) = client.network().filter(|network| !is_loopback(network)) else {
            return;
        };
        let first = Standing {
            first: now,
            last: now,
        };
        let standing = self.0.entry(network).or_insert(first);
        if !standing.is_fresh(now) {
            *standing = first;
        }
        standing.last = now;
        if self.0.len() > CAPACITY {
            self.0.retain(|_, standing| standing.is_fresh(now));
        }
        if self.0.len() > CAPACITY {
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        let mut neighbours: HashMap<IpNet, usize> = HashMap::new();
        for network in self.0.keys() {
            *neighbours.entry(around(network)).or_default() += 1;
        }
        let leaves_first = |(network, standing): &(&IpNet, &Standing)| {
            let neighbours = neighbours.get(&around(network)).copied();
            // Of those that came once each, the newest.
            (
                neighbours,
                std::cmp::Reverse(standing.span()),
                standing.first,
            )
        };
        let leaves = self.0.iter().max_by_key(leaves_first);
        if let Some(network) = leaves.map(|(network, _)| *network) {
            self.0.remove(&network);
        }
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = IpNet> {
        let now = Instant::now();
        let fresh = self
            .0
            .iter()
            .filter(move |(_, standing)| standing.is_fresh(now));
        fresh.map(|(network, _)| *network)
    }
}

fn is_loopback(network: &IpNet) -> bool {
    network.network().is_loopback() || network.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST))
}

/// What one party commonly has addresses of.
fn around(network: &IpNet) -> IpNet {
    let prefix = match network {
        IpNet::V4(_) => 24,
        IpNet::V6(_) => 48,
    };
    IpNet::new(network.network(), prefix).map_or(*network, |around| around.trunc())
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, Scrapers};
    use crate::http::Client;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::time::{Duration, Instant};

    const SCRAPER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

    fn knows(scrapers: &Scrapers, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        scrapers
            .networks()
            .any(|network| network.contains(&address))
    }

    #[test]
    fn a_scraper_keeps_its_place_whoever_else_comes() {
        let strangers: [fn(u16) -> IpAddr; 3] = [
            |n| Ipv4Addr::new(203, 0, 113, n.to_be_bytes()[1]).into(),
            |n| Ipv4Addr::new(10, n.to_be_bytes()[0], n.to_be_bytes()[1], 1).into(),
            |n| Ipv6Addr::new(0x2001, 0xdb8, 0, n, 0, 0, 0, 1).into(),
        ];
        for stranger in strangers {
            let mut scrapers = Scrapers::default();
            let began = Instant::now();
            for second in [0, 15, 30] {
                let now = began + Duration::from_secs(second);
                scrapers.note_at(Client::at(SCRAPER.into()), now);
            }
            let now = began + Duration::from_secs(31);
            for number in 0..200 {
                scrapers.note_at(Client::at(stranger(number)), now);
            }
            assert!(knows(&scrapers, SCRAPER), "{}", stranger(0));
            assert_eq!(scrapers.networks().count(), CAPACITY);
        }
    }

    #[test]
    fn a_new_scraper_finds_a_place_among_many_of_one_network() {
        let mut scrapers = Scrapers::default();
        for last in 0..100 {
            scrapers.note(Client::at(Ipv4Addr::new(203, 0, 113, last).into()));
        }
        scrapers.note(Client::at(SCRAPER.into()));
        assert!(knows(&scrapers, SCRAPER));
    }

    #[test]
    fn whoever_was_away_for_long_begins_anew() {
        let mut scrapers = Scrapers::default();
        let began = Instant::now();
        let hours = |hours: u64| began + Duration::from_secs(hours * 3_600);
        scrapers.note_at(Client::at(SCRAPER.into()), began);
        scrapers.note_at(Client::at(SCRAPER.into()), hours(3));
        assert!(scrapers.0.values().all(|each| each.first == hours(3)));
    }

    #[test]
    fn loopback_and_users_take_no_place() {
        let mut scrapers = Scrapers::default();
        scrapers.note(Client::at(SCRAPER.into()));
        for last in 0..100 {
            scrapers.note(Client::at(Ipv4Addr::new(127, 0, 0, last).into()));
        }
        scrapers.note(Client::at(Ipv6Addr::LOCALHOST.into()));
        scrapers.note(Client::User(Some(0)));
        assert_eq!(scrapers.networks().count(), 1);
    }
}
