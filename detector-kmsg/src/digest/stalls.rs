//! Peers and their stalls: lines put together.

use super::hosts::HostOf;
use super::{Place, Span};
use crate::message::WindowLine;
use crate::report::{Direction, Peer, Stall};
use std::collections::HashMap;
use std::net::IpAddr;

/// Stalls that are kept.
const MOST: usize = 1 << 16;

/// A connection, in one boot of one host.
type Connection = (IpAddr, u16, u16, u64, usize);

#[derive(Default)]
pub(super) struct Stalls {
    all: Vec<Entry>,
    /// By `snd_una`.
    by_byte: HashMap<(Connection, Option<u32>), usize>,
    /// The newest of a connection, for lines that are cut before they say the byte.
    newest: HashMap<Connection, usize>,
    /// The last host that was named.
    newest_host: usize,
    lines: u64,
    lines_not_kept: u64,
}

struct Entry {
    peer: IpAddr,
    span: Span,
    stall: Stall,
}

impl Stalls {
    pub(super) fn take(&mut self, line: &WindowLine, count: u64, of: &Place<'_>) {
        self.lines = self.lines.saturating_add(count);
        let (ports, host) = ((line.remote_port, line.local_port), of.host);
        let on = |host| (line.peer, ports.0, ports.1, of.boot, host);
        let known = |connection| match line.una {
            Some(_) => self.by_byte.get(&(connection, line.una)),
            None => self.newest.get(&connection),
        };
        // A console tells its host at some lines only.
        let maybe = match host.name() {
            Some(_) => [host.number(), 0],
            None => [self.newest_host, 0],
        };
        let is_its = |at: &usize| {
            let (name, of) = (host.name(), self.all[*at].stall.host.as_deref());
            name.is_none() || of.is_none() || name == of
        };
        let mut maybe = maybe
            .into_iter()
            .filter_map(|host| known(on(host)).copied());
        let known = maybe.find(is_its);
        if host.name().is_some() {
            self.newest_host = host.number();
        }
        let connection = on(host.number());
        let at = match known {
            Some(at) => at,
            None if self.all.len() >= MOST => {
                self.lines_not_kept = self.lines_not_kept.saturating_add(count);
                return;
            }
            None => {
                self.all.push(Entry::new(line, host));
                self.all.len() - 1
            }
        };
        self.by_byte.insert((connection, line.una), at);
        self.newest.insert(connection, at);
        let entry = &mut self.all[at];
        if entry.stall.host.is_none() {
            entry.stall.host = host.name().map(str::to_owned);
        }
        entry.add(line, count, of.span);
    }

    /// Peers with their stalls in the order of time, those with most stalls first; all lines, and
    /// those that were not kept.
    pub(super) fn finish(mut self, is_backwards: bool) -> (Vec<Peer>, u64, u64) {
        if is_backwards {
            self.all.reverse();
        }
        let mut peers: Vec<(Span, Peer)> = Vec::new();
        let mut places: HashMap<IpAddr, usize> = HashMap::new();
        for mut entry in self.all {
            let at = *places.entry(entry.peer).or_insert_with(|| {
                peers.push((Span::default(), new_peer(entry.peer)));
                peers.len() - 1
            });
            let (span, peer) = &mut peers[at];
            entry.span = entry.span.turned(is_backwards);
            span.extend(&entry.span);
            (entry.stall.first, entry.stall.last) = entry.span.times();
            peer.lines = peer.lines.saturating_add(entry.stall.lines);
            peer.stalls.push(entry.stall);
        }
        let mut peers: Vec<Peer> = peers
            .into_iter()
            .map(|(span, mut peer)| {
                (peer.first, peer.last) = span.times();
                peer
            })
            .collect();
        peers.sort_by_key(|peer| std::cmp::Reverse((peer.stalls.len(), peer.lines)));
        (peers, self.lines, self.lines_not_kept)
    }
}

impl Entry {
    fn new(line: &WindowLine, host: HostOf<'_>) -> Self {
        Self {
            peer: line.peer,
            span: Span::default(),
            stall: Stall {
                remote_port: line.remote_port,
                local_port: line.local_port,
                direction: direction(line.local_port, line.remote_port),
                host: host.name().map(str::to_owned),
                snd_una: None,
                snd_nxt: None,
                in_flight_bytes: None,
                window_bytes: None,
                lines: 0,
                first: None,
                last: None,
                lasted_seconds: None,
                silent_seconds: None,
            },
        }
    }

    fn add(&mut self, line: &WindowLine, count: u64, span: &Span) {
        let stall = &mut self.stall;
        stall.lines = stall.lines.saturating_add(count);
        stall.snd_una = stall.snd_una.or(line.una);
        // More may have been sent into the same stall.
        if let (Some(una), Some(in_flight)) = (line.una, line.in_flight)
            && stall.in_flight_bytes.is_none_or(|known| known < in_flight)
        {
            stall.in_flight_bytes = Some(in_flight);
            stall.snd_nxt = Some(una.wrapping_add(in_flight));
        }
        if let Some(window) = line.window {
            stall.window_bytes = Some(stall.window_bytes.map_or(window, |known| known.min(window)));
        }
        let lasted = line.lasting_ms.map(seconds);
        if lasted > stall.lasted_seconds {
            stall.lasted_seconds = lasted;
            stall.silent_seconds = line.heard_ms_ago.map(seconds);
        }
        self.span.extend(span);
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds of a 32-bit counter"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn new_peer(address: IpAddr) -> Peer {
    let network = match address {
        IpAddr::V4(_) => address.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    };
    Peer {
        peer: address.to_string(),
        network,
        lines: 0,
        first: None,
        last: None,
        stalls: Vec::new(),
    }
}

/// Who opened a connection, by its ports: a service's, a reserved one, or one that Linux gives to
/// clients.
pub(crate) fn direction(local: u16, remote: u16) -> Direction {
    /// Services whose port clients do not use.
    const SERVICES: [u16; 40] = [
        20, 21, 22, 23, 25, 53, 80, 110, 111, 143, 179, 389, 443, 445, 465, 512, 513, 514, 515,
        548, 554, 587, 631, 636, 873, 993, 995, 1433, 1521, 2049, 3128, 3306, 3389, 5432, 5672,
        6379, 6443, 8080, 8443, 9092,
    ];
    const RESERVED: u16 = 1024;
    const FIRST_EPHEMERAL: u16 = 32_768;
    let ranks = |port: u16| {
        [
            SERVICES.contains(&port),
            port < RESERVED && !SERVICES.contains(&port),
            port < FIRST_EPHEMERAL,
        ]
    };
    let (ours, theirs) = (ranks(local), ranks(remote));
    match (ours[0], theirs[0]) {
        (true, false) => return Direction::Inbound,
        (false, true) => return Direction::Outbound,
        (true, true) => return Direction::Unknown,
        (false, false) => {}
    }
    match (ours[1], theirs[1]) {
        (true, false) => return Direction::Inbound,
        (false, true) => return Direction::Outbound,
        (true, true) => return Direction::Unknown,
        (false, false) => {}
    }
    match (ours[2], theirs[2]) {
        // Linux 2.4 gave its clients ports from 1024 on, and so did others for longer.
        (true, _) => Direction::Inbound,
        (false, true) => Direction::Outbound,
        (false, false) => Direction::Unknown,
    }
}
