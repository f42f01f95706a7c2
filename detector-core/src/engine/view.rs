//! Peers and connections as they are published.

use super::Engine;
use super::export::Cost;
use super::owners;
use crate::ledger::seconds;
use crate::observe::peer_address::PeerAddress;
use crate::observe::state::PackedId;
use crate::rules::shrink;
use crate::tables::connections::Connection;
use crate::tables::peers::Peer;
use detector_api::address::network_of;
use detector_api::snapshot::{self, PeerDetail, StandingFlag};
use std::cmp::{Ordering, Reverse};
use std::net::SocketAddr;

/// A connection in a list that is yet to be shown: opaque, and small, for lists are long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKey(PackedId);

impl Engine {
    /// All peers, those that cost most first.
    #[must_use]
    pub fn peers(&self) -> Vec<snapshot::Peer> {
        self.view_peers(&self.rank_peers(usize::MAX))
    }

    /// Peers in the table.
    #[must_use]
    pub fn peers_tracked(&self) -> usize {
        self.peers.len()
    }

    /// Which peers cost most, at most `limit`, the most costly first.
    ///
    /// With [`view_peers`](Self::view_peers) it makes a long listing in steps: ranking a full table
    /// takes some milliseconds, and the views can be taken a part at a time.
    #[must_use]
    pub fn rank_peers(&self, limit: usize) -> Vec<PeerAddress> {
        let mut ranked: Vec<(Cost, PeerAddress)> = Vec::with_capacity(self.peers.len());
        ranked.extend(
            self.peers
                .iter()
                .map(|(_, peer)| (Cost::of(peer, self.clock.now), peer.address)),
        );
        keep_first(&mut ranked, limit, |(a_cost, a), (b_cost, b)| {
            b_cost.cmp(a_cost).then_with(|| a.cmp(b))
        });
        ranked.into_iter().map(|(_, address)| address).collect()
    }

    /// Which flagged peers cost most, at most `limit`, the most costly first.
    #[must_use]
    pub fn rank_flagged_peers(&self, limit: usize) -> Vec<PeerAddress> {
        let flagged = self
            .suspects
            .flagged
            .iter()
            .map(|slot| self.peers.get(*slot));
        let mut ranked: Vec<_> = flagged
            .filter(|peer| peer.flags.is_any())
            .map(|peer| (Cost::of(peer, self.clock.now), peer.address))
            .collect();
        keep_first(&mut ranked, limit, |(a_cost, a), (b_cost, b)| {
            b_cost.cmp(a_cost).then_with(|| a.cmp(b))
        });
        ranked.into_iter().map(|(_, address)| address).collect()
    }

    /// Those of `addresses` that are in the table, in that order.
    #[must_use]
    pub fn view_peers(&self, addresses: &[PeerAddress]) -> Vec<snapshot::Peer> {
        let slots = addresses.iter().filter_map(|each| self.peers.find(each));
        slots
            .map(|slot| self.view_peer(self.peers.get(slot)))
            .collect()
    }

    /// One peer, weighed, and its dearest connections. `text` is an address in any spelling, with
    /// or without a prefix length; any address within an IPv6 peer's network finds it.
    #[must_use]
    pub fn peer(&self, text: &str) -> Option<PeerDetail> {
        let peer = self.find_peer(text)?;
        let all = self.connections.of_peer(peer.connections);
        let ranked = all.map(|connection| (dearness(connection), connection));
        Some(self.view_detail(peer, ranked.collect()))
    }

    /// The same with those connections only that are stalled and that `is_wanted` wants, by network
    /// namespace, local and remote end; those that have been stalled for longest come first.
    #[must_use]
    pub fn stalled_of_peer(
        &self,
        text: &str,
        is_wanted: impl Fn(u32, SocketAddr, SocketAddr) -> bool,
    ) -> Option<PeerDetail> {
        let peer = self.find_peer(text)?;
        let all = self.connections.of_peer(peer.connections);
        let stalled = all.filter(|connection| {
            let id = connection.last.id.unpack();
            connection.stall.cause().is_some() && is_wanted(id.netns, id.local, id.remote)
        });
        let ranked = stalled.map(|connection| {
            let age = Reverse(connection.stall.since);
            ((age, connection.last.id), connection)
        });
        Some(self.view_detail(peer, ranked.collect()))
    }

    /// Of `ranked`, those with the highest ranks are shown.
    fn view_detail<R: Ord>(&self, peer: &Peer, mut ranked: Vec<(R, &Connection)>) -> PeerDetail {
        let connections_total = ranked.len() as u64;
        keep_first(
            &mut ranked,
            PeerDetail::CONNECTIONS_MAX,
            |(a, _), (b, _)| b.cmp(a),
        );
        let connections = ranked.into_iter().map(|(_, each)| each);
        PeerDetail {
            peer: self.view_peer(peer),
            assessment: self.assess(peer),
            connections_total,
            connections: connections.map(|each| self.view_connection(each)).collect(),
            unit_shares: self.unit_shares(self.connections.of_peer(peer.connections)),
        }
    }

    /// All connections in the table, stalled ones first, then those that pin most.
    #[must_use]
    pub fn connections(&self) -> Vec<snapshot::Connection> {
        self.view_connections(&self.rank_connections(usize::MAX))
    }

    /// Connections in the table.
    #[must_use]
    pub fn connections_tracked(&self) -> usize {
        self.connections.len()
    }

    /// Which connections cost most, at most `limit`, the most costly first; see
    /// [`rank_peers`](Self::rank_peers).
    #[must_use]
    pub fn rank_connections(&self, limit: usize) -> Vec<ConnectionKey> {
        let mut ranked: Vec<Dearness> = Vec::with_capacity(self.connections.len());
        ranked.extend(self.connections.iter().map(dearness));
        keep_first(&mut ranked, limit, |a, b| b.cmp(a));
        let keys = ranked.into_iter().map(|(_, _, id)| ConnectionKey(id));
        keys.collect()
    }

    /// Those of `keys` that are in the table, in that order.
    #[must_use]
    pub fn view_connections(&self, keys: &[ConnectionKey]) -> Vec<snapshot::Connection> {
        let slots = keys.iter();
        let slots = slots.filter_map(|ConnectionKey(id)| self.connections.find_packed(id));
        slots
            .map(|slot| self.view_connection(self.connections.get(slot)))
            .collect()
    }

    fn find_peer(&self, text: &str) -> Option<&Peer> {
        let network = network_of(text.trim())?;
        let (address, length) = (network.addr(), network.prefix_len());
        let key = PeerAddress::of(address, self.settings.tables.ipv6_prefix);
        let is_wanted = |peer: &Peer| {
            length >= peer.address.prefix_length()
                && PeerAddress::of(address, peer.address.prefix_length()) == peer.address
        };
        let found = self.peers.find(&key).map(|slot| self.peers.get(slot));
        // Peers from before a change of the prefix length keep their network.
        found.filter(|peer| is_wanted(peer)).or_else(|| {
            let mut peers = self.peers.iter().map(|(_, peer)| peer);
            peers.find(|peer| is_wanted(peer))
        })
    }

    fn view_peer(&self, peer: &Peer) -> snapshot::Peer {
        let mut account = peer.account;
        account.settle(self.clock.now);
        let (counts, usage) = (account.counts, account.usage());
        let longest_now_ns = self
            .connections
            .of_peer(peer.connections)
            .filter_map(|connection| connection.stall.lasted_ns(self.clock.now))
            .max();
        let longest_stall_ns = peer.stalls.longest_ns.max(longest_now_ns.unwrap_or(0));
        let finding = peer.verdicts.standing.map(|(finding, _)| finding);
        let census = peer.verdicts.sharing.told(self.clock.now);
        let tracked = u64::from(peer.connections.len());
        snapshot::Peer {
            peer: peer.address.to_string(),
            verdict: finding.map(|(verdict, _)| verdict),
            confidence: finding.map(|(_, confidence)| confidence),
            trusted: self.settings.trusted.touch(&peer.address),
            flags: self.standing_flags(peer),
            severity: self.severity(peer),
            connections: tracked,
            stalled_connections: usage.stalled_connections,
            connections_all: census.map(|census| census.all(tracked)),
            connections_well: census.map(|census| census.well),
            pinned_bytes: usage.pinned_bytes,
            held_workers: self.held_workers_of(peer),
            pinned_byte_seconds: seconds(counts.pinned_byte_ns),
            zero_window_episodes: counts.zero_window_episodes,
            zero_window_seconds: seconds(counts.zero_window_ns),
            longest_stall_seconds: seconds(u128::from(longest_stall_ns)),
            window_shrinks: counts.shrinks,
            retransmits: counts.retransmits,
            retransmits_needless: counts.retransmits_needless,
            bytes_acked_per_second: peer.drain_bytes_per_second,
            direction: peer.direction,
            services: peer.services.ports().to_vec(),
            processes: self.owners_of(peer),
            first_seen: self.clock.rfc3339(peer.first_seen),
            last_seen: self.clock.rfc3339(peer.last_seen),
        }
    }

    fn standing_flags(&self, peer: &Peer) -> Vec<StandingFlag> {
        let mut standing: Vec<_> = peer.flags.standing().collect();
        standing.sort_by_key(|&(_, since)| since);
        let view = |(kind, since)| StandingFlag {
            kind,
            since: self.clock.rfc3339(since),
            connections: u64::from(peer.flags.count(kind)),
        };
        standing.into_iter().map(view).collect()
    }

    fn view_connection(&self, connection: &Connection) -> snapshot::Connection {
        let last = &connection.last;
        let (id, totals) = (last.id.unpack(), connection.booked.totals());
        let baseline = &connection.booked.baseline;
        // What exceeds the finished total: the span that is going on.
        let unfinished_ns = baseline
            .zero_window_until(last.harmful_since, self.clock.now)
            .saturating_sub(baseline.finished_ns());
        let zero_window_ns = totals.zero_window_ns.saturating_add(unfinished_ns);
        let stalled_ns = connection.stall.lasted_ns(self.clock.now).unwrap_or(0);
        snapshot::Connection {
            peer: self.peers.get(connection.peer).address.to_string(),
            local: id.local.to_string(),
            remote: id.remote.to_string(),
            netns: id.netns,
            direction: connection.direction,
            state: last.state.rfc_name().to_owned(),
            stall: connection.stall.cause(),
            stalled_seconds: seconds(u128::from(stalled_ns)),
            in_zero_window: last.zero_window_since.is_some(),
            window_bytes: u64::from(last.window_bytes),
            window_shift: last.window_shift,
            max_window_bytes: u64::from(last.max_window_bytes),
            sequence: last.sequence(),
            retracted_bytes: u64::from(shrink::retracted_bytes(last)),
            retracted_max_bytes: u64::from(last.retracted_max_bytes),
            queued_bytes: u64::from(last.queued_bytes()),
            in_flight_bytes: u64::from(last.in_flight_bytes()),
            pinned_bytes: last.pinned_bytes(),
            mss_bytes: u64::from(last.mss_bytes),
            zero_window_episodes: totals.zero_window_episodes,
            zero_window_seconds: seconds(u128::from(zero_window_ns)),
            window_shrinks: totals.shrinks,
            granularity_retreats: totals.granularity_retreats,
            ambiguous_windows: totals.ambiguous_windows,
            ignored_segments: totals.ignored_segments,
            retransmits: totals.retransmits,
            retransmits_needless: totals.retransmits_needless,
            bytes_acked: last.bytes_acked,
            bytes_acked_per_second: connection.drain.bytes_per_second,
            rtt_seconds: f64::from(last.srtt_us) / 1e6,
            timer: last.timer.label().to_owned(),
            is_orphan: last.is_orphan,
            is_subflow: last.is_subflow,
            inode: last.inode.map(u64::from),
            processes: owners::of_connection(connection),
            owner_out_of_sight: owners::is_out_of_sight(connection),
            within_host: connection.is_within_host == Some(true),
            source: connection.source,
            first_seen: self.clock.rfc3339(connection.first_seen),
            last_seen: self.clock.rfc3339(last.at),
        }
    }
}

/// What a connection costs, to be compared: stalled ones first, then those that pin most.
type Dearness = (bool, u64, PackedId);

fn dearness(connection: &Connection) -> Dearness {
    let last = &connection.last;
    (
        connection.stall.cause().is_some(),
        last.pinned_bytes(),
        last.id,
    )
}

/// Sorts, and keeps the first `limit`; what is cut off is never sorted.
fn keep_first<T>(items: &mut Vec<T>, limit: usize, order: impl Fn(&T, &T) -> Ordering) {
    if 0 < limit && limit < items.len() {
        items.select_nth_unstable_by(limit - 1, &order);
    }
    items.truncate(limit);
    items.sort_unstable_by(order);
}
