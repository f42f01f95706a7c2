//! Many connections at once, crafted: of one address, of one network, of many that behave alike.

use super::super::stage::Stage;
use super::crafted::{DRIBBLE_OVER, Dribbler};
use crate::peers::crafted::{Peer, Policy};
use crate::servers::ApacheModel;
use anyhow::Result;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Stalled connections of one address from which the agent calls it a hoard.
const HOARD: usize = 20;
/// What each connection takes before its window closes.
const EDGE: u32 = 8_192;

/// Connections from one address.
pub(crate) fn of_address(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let path = "/bytes/20000000";
    let places = (0..30).map(|number| (0, 2, 40_000 + number));
    let peers = stall_all(stage, server.address(), path, places)?;
    note_hoard(stage, &peers);
    stage.hold();
    Ok(())
}

/// Twelve addresses of one network with three connections each: fewer than a warning asks for.
pub(crate) fn of_network(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let path = "/bytes/20000000";
    let places = (0..36).map(|number| (0, 2 + (number % 12) as u8, 40_000 + number));
    let _peers = stall_all(stage, server.address(), path, places)?;
    stage.hold();
    Ok(())
}

/// How many networks [`by_likeness`] needs.
pub(crate) const ALIKE: u8 = 24;

/// Addresses of unrelated networks, one connection each, that all do the same.
pub(crate) fn by_likeness(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let path = "/bytes/20000000";
    let places = (0..ALIKE).map(|number| (number, 2, 40_001));
    let _peers = stall_all(stage, server.address(), path, places)?;
    stage.hold();
    Ok(())
}

/// Connections from one address, each read at 100 bytes a second.
pub(crate) fn of_dribblers(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for number in 0..25 {
        let path = "/bytes/20000000";
        let reader = Dribbler::ask(stage, 2, 40_000 + number, server.address(), path)?;
        stage.note_due("dribble", &reader.peer, reader.limited_at + DRIBBLE_OVER);
        readers.push(reader);
    }
    while stage.pause(Dribbler::PACE) {
        for reader in &mut readers {
            reader.read()?;
        }
    }
    Ok(())
}

/// Asks nginx for a large file thirty times over and then offers no window any more.
pub(crate) fn sockstress_nginx(stage: &Stage) -> Result<()> {
    flood(stage, stage.site.nginx_port())
}

pub(crate) fn sockstress_prefork(stage: &Stage) -> Result<()> {
    flood(stage, stage.site.apache_port(ApacheModel::Prefork))
}

pub(crate) fn sockstress_event(stage: &Stage) -> Result<()> {
    flood(stage, stage.site.apache_port(ApacheModel::Event))
}

fn flood(stage: &Stage, port: u16) -> Result<()> {
    let server = SocketAddr::new(stage.server_ip(), port);
    let places = (0..30).map(|number| (0, 2, 40_000 + number));
    let peers = stall_all(stage, server, "/large", places)?;
    note_hoard(stage, &peers);
    stage.hold();
    Ok(())
}

/// Connects from each place (network, host, port), asks, and stops reading.
fn stall_all(
    stage: &Stage,
    server: SocketAddr,
    path: &str,
    places: impl Iterator<Item = (u8, u8, u16)>,
) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (network, host, port) in places {
        let profile = stage.profile().window(EDGE);
        let peer = stage.crafted(network, host, port, server, profile)?;
        peer.policy(Policy::StopReading { edge: EDGE });
        peer.request(path)?;
        peers.push(peer);
    }
    for peer in &peers {
        peer.wait_bytes(u64::from(EDGE) - 1_460)?;
        peer.wait_closed()?;
        stage.note_stall("zero-window-stall", peer);
    }
    Ok(peers)
}

/// The hoard is one as soon as so many connections are stalled.
fn note_hoard(stage: &Stage, peers: &[Peer]) {
    let mut stalled: Vec<SystemTime> = peers
        .iter()
        .map(|peer| super::super::stage::wall(peer.progress_at()) + stage.stall_after)
        .collect();
    stalled.sort_unstable();
    if let Some(&at) = stalled.get(HOARD - 1) {
        stage.note_peer_due("stall-hoard", at);
    }
}
