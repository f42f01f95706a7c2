//! Addresses that many share, and networks: a balancer, the edges of a CDN, the NAT of an office, the
//! customers of a provider, the phones of a carrier. Some behind them have stopped reading, others go on. And who looks so: where nobody pauses, and where one attacker has
//! the address.

use super::crafted::uneven_edge;
use crate::acts;
use crate::peers::crafted::{Peer, Policy};
use crate::peers::{KernelPeer, SlowReader};
use crate::servers::{Haproxy, TinyServer};
use crate::stage::Stage;
use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Readers on pause behind one address: a hoard, by their number.
pub(super) const PAUSED: usize = 30;
/// Of a client that pauses; thousands of those with the usual one would take the host's memory.
const BUFFER_BYTES: usize = 16_384;

/// HAProxy before nginx: thirty of its clients are paused, others are served all the time.
pub(crate) fn balancer_busy(stage: &Stage) -> Result<()> {
    let balancer = balancer(stage)?;
    let _paused = pause_all(stage, balancer.address(), PAUSED)?;
    while stage.pause(Duration::from_millis(150)) {
        fetch(stage, &balancer)?;
    }
    Ok(())
}

/// The same with twice as many of one attacker's clients behind it: nobody can tell from here.
pub(crate) fn balancer_attacked(stage: &Stage) -> Result<()> {
    let balancer = balancer(stage)?;
    let _held = pause_all(stage, balancer.address(), 2 * PAUSED)?;
    while stage.pause(Duration::from_millis(150)) {
        fetch(stage, &balancer)?;
    }
    Ok(())
}

/// The same with readers that are slow, and none that pauses.
pub(crate) fn balancer_read(stage: &Stage) -> Result<()> {
    let balancer = balancer(stage)?;
    let clients = pause_all(stage, balancer.address(), PAUSED)?;
    let _readers = read_on(clients);
    while stage.pause(Duration::from_millis(150)) {
        fetch(stage, &balancer)?;
    }
    Ok(())
}

/// At night: all day the balancer has served others, now it carries nothing but paused readers.
pub(crate) fn balancer_at_night(stage: &Stage) -> Result<()> {
    let balancer = balancer(stage)?;
    for _ in 0..PAUSED {
        fetch(stage, &balancer)?;
    }
    // Until the balancer has closed what it keeps for reuse.
    stage.wait(Duration::from_secs(8))?;
    let _paused = pause_all(stage, balancer.address(), PAUSED)?;
    stage.hold();
    Ok(())
}

/// Four edges of a CDN in one network; on each some are paused and some have read all. A neighbour of
/// theirs is an ordinary client that is paused, too.
pub(crate) fn cdn(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut peers = edges(stage, &server, |_| 3, PAUSED_EACH)?;
    peers.push(paused(stage, &server, (0, 2 + EDGES, 40_000))?);
    stage.hold();
    Ok(())
}

/// The same with one that reads on all of them together: addresses of an attacker who looks whether the
/// server still answers. For IPv6 they are one peer.
pub(crate) fn edges_probed(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _peers = edges(stage, &server, |edge| u16::from(edge == 0), PAUSED_EACH)?;
    stage.hold();
    Ok(())
}

/// Edges of a CDN whose readers have all read all.
pub(crate) fn cdn_read(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _peers = edges(stage, &server, |_| 3 + PAUSED_EACH, 0)?;
    stage.hold();
    Ok(())
}

const EDGES: u8 = 4;
const PAUSED_EACH: u16 = 7;

fn edges(
    stage: &Stage,
    server: &TinyServer,
    readers_of: fn(u8) -> u16,
    paused_each: u16,
) -> Result<Vec<Peer>> {
    let profile = stage.profile().window(edge_bytes(stage));
    let mut peers = Vec::new();
    for edge in 0..EDGES {
        let host = 2 + edge;
        for number in 0..readers_of(edge) {
            let reader = stage.crafted((0, host, 41_000 + number), server.address(), profile)?;
            acts::read_all(&reader, 50_000)?;
            peers.push(reader);
        }
        for number in 0..paused_each {
            peers.push(paused(stage, server, (0, host, 40_000 + number))?);
        }
    }
    Ok(peers)
}

fn paused(stage: &Stage, server: &TinyServer, place: (u8, u8, u16)) -> Result<Peer> {
    let edge = edge_bytes(stage);
    let profile = stage.profile().window(edge);
    let peer = stage.crafted(place, server.address(), profile)?;
    peer.policy(Policy::StopReading { edge });
    peer.request(acts::LONG_ANSWER)?;
    Ok(peer)
}

fn edge_bytes(stage: &Stage) -> u32 {
    uneven_edge(stage.profile(), 5)
}

/// Customers of one provider, each with an address of its own: half of them are paused, alike in all that
/// can be seen of them, and the others have read all.
pub(crate) fn provider(stage: &Stage) -> Result<()> {
    customers(stage, CUSTOMERS / 2)
}

/// The same who have all read all.
pub(crate) fn provider_read(stage: &Stage) -> Result<()> {
    customers(stage, 0)
}

const CUSTOMERS: u8 = 48;

fn customers(stage: &Stage, paused_customers: u8) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut peers = Vec::new();
    for number in 0..CUSTOMERS {
        let place = (0, 2 + number, 40_000 + u16::from(number));
        // Those who read were there before.
        let is_paused = number >= CUSTOMERS - paused_customers;
        peers.push(customer(stage, &server, place, is_paused)?);
    }
    stage.hold();
    Ok(())
}

/// One of them: on pause, or has read all.
fn customer(
    stage: &Stage,
    server: &TinyServer,
    place: (u8, u8, u16),
    is_paused: bool,
) -> Result<Peer> {
    if is_paused {
        return paused(stage, server, place);
    }
    let profile = stage.profile().window(edge_bytes(stage));
    let reader = stage.crafted(place, server.address(), profile)?;
    acts::read_all(&reader, 50_000)?;
    Ok(reader)
}

/// How many networks [`carrier`] needs.
pub(crate) const CARRIER: u8 = 8;

/// A carrier's phones in several networks of its own, three of each on pause, alike in all that can be seen of them,
/// while others of each have read all. Of IPv4 those of a network are behind one address; of IPv6 each has its own.
pub(crate) fn carrier(stage: &Stage) -> Result<()> {
    phones(stage, PAUSED_PHONES)
}

/// The same who have all read all.
pub(crate) fn carrier_read(stage: &Stage) -> Result<()> {
    phones(stage, 0)
}

const PHONES: u8 = 15;
const PAUSED_PHONES: u8 = 3;

fn phones(stage: &Stage, paused_phones: u8) -> Result<()> {
    let server = stage.tiny_server()?;
    let is_behind_nat = stage.peer_ip().is_ipv4();
    let mut peers = Vec::new();
    for number in 0..PHONES {
        for network in 0..CARRIER {
            let host = if is_behind_nat { 2 } else { 2 + number };
            let place = (network, host, 40_000 + u16::from(number));
            let is_paused = number >= PHONES - paused_phones;
            peers.push(customer(stage, &server, place, is_paused)?);
        }
    }
    stage.hold();
    Ok(())
}

/// The NAT of an office: thirty paused players, and three who download.
pub(crate) fn office(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _readers = downloads(stage, &server)?;
    let _paused = players(stage, &server)?;
    note_hoard(stage);
    stage.hold();
    Ok(())
}

/// The same whose downloads begin once the players are paused.
pub(crate) fn office_late(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _paused = players(stage, &server)?;
    stage.wait(Duration::from_secs(12))?;
    let _readers = downloads(stage, &server)?;
    stage.hold();
    Ok(())
}

/// The same whose downloads are limited to 200 kB/s, as curl does it: much at once, and nothing for seconds.
pub(crate) fn office_paced(stage: &Stage) -> Result<()> {
    const PACE: Duration = Duration::from_millis(8_500);
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for _ in 0..DOWNLOADS {
        readers.push(ask_for_download(stage, &server)?);
    }
    let _paused = players(stage, &server)?;
    note_hoard(stage);
    loop {
        for reader in &mut readers {
            reader.read(1_700_000)?;
        }
        if !stage.pause(PACE) {
            return Ok(());
        }
    }
}

/// The same whose players play.
pub(crate) fn office_read(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _readers = downloads(stage, &server)?;
    let _players = read_on(players(stage, &server)?);
    stage.hold();
    Ok(())
}

/// Thirty paused readers of one address, and one that reads all: an attacker who looks whether the
/// server still answers. Who does so again has others, as far as can be told from here.
pub(crate) fn probed(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _paused = players(stage, &server)?;
    stage.wait(Duration::from_secs(8))?;
    let mut probe = stage.kernel(0, server.address(), None)?;
    probe.request("/close/50000")?;
    probe.read_to_end()?;
    stage.hold();
    Ok(())
}

const DOWNLOADS: usize = 3;

fn downloads(stage: &Stage, server: &TinyServer) -> Result<Vec<SlowReader>> {
    let mut readers = Vec::new();
    for _ in 0..DOWNLOADS {
        let client = ask_for_download(stage, server)?;
        readers.push(client.read_slowly(65_536, Duration::from_millis(50)));
    }
    Ok(readers)
}

fn ask_for_download(stage: &Stage, server: &TinyServer) -> Result<KernelPeer> {
    let mut client = stage.kernel(0, server.address(), None)?;
    client.request(acts::ENDLESS_ANSWER)?;
    Ok(client)
}

/// Clients that have asked for a long answer and do not read yet.
fn players(stage: &Stage, server: &TinyServer) -> Result<Vec<KernelPeer>> {
    let mut players = Vec::new();
    for _ in 0..PAUSED {
        let mut client = stage.kernel(0, server.address(), Some(BUFFER_BYTES))?;
        client.request(acts::LONG_ANSWER)?;
        players.push(client);
    }
    Ok(players)
}

/// Each reads 40 kB/s from now on.
pub(super) fn read_on(clients: Vec<KernelPeer>) -> Vec<SlowReader> {
    let pause = Duration::from_millis(100);
    let readers = clients.into_iter();
    readers
        .map(|client| client.read_slowly(4_000, pause))
        .collect()
}

/// What is paused from now on is a hoard that is called one. A kernel takes a little longer than its program.
fn note_hoard(stage: &Stage) {
    let after = stage.thresholds().dribble_over;
    stage.note_peer_due("stall-hoard", Instant::now() + after);
}

/// HAProxy where clients are, before nginx. Its own clients are on loopback, which nobody judges.
fn balancer(stage: &Stage) -> Result<Haproxy> {
    let loopback = match stage.peer_ip() {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let address = SocketAddr::new(loopback, stage.own_port());
    let ends = (stage.peer_ip(), stage.nginx()?);
    Haproxy::start(
        stage.clients()?,
        address,
        ends,
        (stage.folder()?, &stage.name()),
    )
}

fn client(stage: &Stage, server: SocketAddr) -> Result<KernelPeer> {
    KernelPeer::connect_with(stage.clients()?, None, server, Some(BUFFER_BYTES))
}

/// Clients that ask for a large file and do not read it.
pub(super) fn pause_all(
    stage: &Stage,
    server: SocketAddr,
    count: usize,
) -> Result<Vec<KernelPeer>> {
    let mut paused = Vec::new();
    for _ in 0..count {
        let mut client = client(stage, server)?;
        client.request("/large")?;
        paused.push(client);
    }
    Ok(paused)
}

/// A client that asks for a small file and reads all of it.
fn fetch(stage: &Stage, balancer: &Haproxy) -> Result<()> {
    let mut client = client(stage, balancer.address())?;
    client.request("/small")?;
    client.read_to_end().map(drop)
}
