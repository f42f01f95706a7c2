//! Who fetches the metrics.

use crate::http::Client;
use ipnet::IpNet;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Whoever has fetched none for so long is a scraper no more.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// The one that has not come for longest makes room.
const CAPACITY: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Scrapers(HashMap<IpNet, Instant>);

impl Scrapers {
    pub(super) fn note(&mut self, client: Client) {
        let Some(network) = client.network() else {
            return;
        };
        self.0.insert(network, Instant::now());
        if self.0.len() > CAPACITY {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at);
            if let Some(network) = oldest.map(|(network, _)| *network) {
                self.0.remove(&network);
            }
        }
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = IpNet> {
        let fresh = self.0.iter().filter(|(_, at)| at.elapsed() < REMEMBERED);
        fresh.map(|(network, _)| *network)
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, Scrapers};
    use crate::http::Client;
    use std::net::Ipv4Addr;

    #[test]
    fn there_is_room_for_the_newest() {
        let mut scrapers = Scrapers::default();
        for last in 0..100 {
            scrapers.note(Client::at(Ipv4Addr::new(203, 0, 113, last).into()));
        }
        scrapers.note(Client::User(Some(0)));
        assert_eq!(scrapers.networks().count(), CAPACITY);
        let newest = "203.0.113.99/32".parse().unwrap();
        assert!(scrapers.networks().any(|network| network == newest));
    }
}
