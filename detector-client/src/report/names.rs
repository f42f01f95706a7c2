//! Reverse names of peers: asked for only when somebody wants them, for the question itself tells the
//! name servers of the peer who looks.

use super::model::PeerPart;
use detector_api::sanitize;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// For all names together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses asked for of a peer that is a network.
const ADDRESSES: usize = 2;

/// Fills in the names that are found in time.
pub(super) fn resolve(peers: &mut [PeerPart]) {
    let (sender, answers) = mpsc::channel();
    let mut asked = 0;
    for (place, peer) in peers.iter().enumerate() {
        for address in addresses(peer) {
            let sender = sender.clone();
            // A resolver that does not answer would hold up the whole report; such a thread ends with
            // the program.
            thread::spawn(move || {
                let name = dns_lookup::lookup_addr(&address).ok();
                drop(sender.send((place, name)));
            });
            asked += 1;
        }
    }
    let end = Instant::now() + PATIENCE;
    for _ in 0..asked {
        let left = end.saturating_duration_since(Instant::now());
        let Ok((place, name)) = answers.recv_timeout(left) else {
            return;
        };
        if let (Some(name), Some(peer)) = (name, peers.get_mut(place)) {
            let name = sanitize::text(&name);
            // Whoever owns the zone writes what they like, another's address for instance.
            let is_address = name.parse::<IpAddr>().is_ok();
            if !is_address && !peer.names.contains(&name) {
                peer.names.push(name);
            }
        }
    }
}

/// The address, or addresses that were seen of a network.
fn addresses(peer: &PeerPart) -> BTreeSet<IpAddr> {
    if let Ok(address) = peer.peer.parse() {
        return BTreeSet::from([address]);
    }
    let connections = peer.hosts.iter().flat_map(|host| &host.connections);
    let seen = connections.filter_map(|each| each.remote.parse::<SocketAddr>().ok());
    seen.map(|remote| remote.ip().to_canonical())
        .take(ADDRESSES)
        .collect()
}
