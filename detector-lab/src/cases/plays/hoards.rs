//! Many connections at once, crafted: of one address, of one network, of many that behave alike.

use super::crafted::{Dribbler, uneven_edge};
use crate::acts::{self, LONG_ANSWER};
use crate::peers::crafted::{Peer, Policy};
use crate::servers::{ApacheModel, TinyServer};
use crate::stage::Stage;
use anyhow::Result;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections from one address.
pub(crate) fn of_address(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let places = (0..30).map(|number| (0, 2, 40_000 + number));
    let asked = (server.address(), LONG_ANSWER);
    let peers = stall_all(stage, asked, taken_edge(stage), places)?;
    note_hoard(stage, &peers);
    stage.hold();
    Ok(())
}

/// The same for as long as it takes to be no more than a pause, again and again.
pub(crate) fn renewed(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let asked = (server.address(), LONG_ANSWER);
    for round in 0.. {
        let peers = stop_all(stage, asked, taken_edge(stage), renewed_places(round))?;
        if round == 0 {
            for peer in &peers {
                stage.note_stall("zero-window-stall", peer);
            }
            note_hoard(stage, &peers);
        }
        if !renew(stage, &peers)? {
            break;
        }
    }
    Ok(())
}

/// Connections that are opened anew as often, once they have read all.
pub(crate) fn renewed_and_read(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let profile = stage.profile().window(taken_edge(stage));
    for round in 0.. {
        let mut peers = Vec::new();
        for place in renewed_places(round) {
            let peer = stage.crafted(place, server.address(), profile)?;
            acts::read_all(&peer, 50_000)?;
            peers.push(peer);
        }
        if !renew(stage, &peers)? {
            break;
        }
    }
    Ok(())
}

/// How long those are held; a pace is measured over half as long again.
const RENEWED_AFTER: Duration = Duration::from_secs(20);

fn renewed_places(round: u16) -> impl Iterator<Item = (u8, u8, u16)> {
    (0..30).map(move |number| (0, 2, 40_000 + round * 30 + number))
}

/// Resets them after a while; whether the play goes on.
fn renew(stage: &Stage, peers: &[Peer]) -> Result<bool> {
    if !stage.pause(RENEWED_AFTER) {
        return Ok(false);
    }
    for peer in peers {
        peer.say().rst().send()?;
    }
    Ok(true)
}

/// Connections from one address that offer no window from the handshake on.
pub(crate) fn without_window(stage: &Stage) -> Result<()> {
    never_read(stage, 0)
}

/// The same that offer 2 KiB from the handshake on, and take no more.
pub(crate) fn with_small_window(stage: &Stage) -> Result<()> {
    never_read(stage, 2_048)
}

fn never_read(stage: &Stage, edge: u32) -> Result<()> {
    let server = stage.tiny_server()?;
    let places = (0..30).map(|number| (0, 2, 40_000 + number));
    let peers = stall_all(stage, (server.address(), LONG_ANSWER), edge, places)?;
    note_hoard(stage, &peers);
    stage.hold();
    Ok(())
}

/// Thirty connections of one address that leave a window open into which no segment fits.
pub(crate) fn stopping_short(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let segment = stage.profile().payload_bytes();
    let edge = uneven_edge(stage.profile(), SHORT_SEGMENTS);
    let policy = Policy::StopShort {
        edge,
        room: segment,
    };
    let mut peers = Vec::new();
    for number in 0..30 {
        let place = (0, 2, 40_000 + number);
        let peer = stage.crafted(place, server.address(), stage.profile().window(edge))?;
        peer.policy(policy);
        peer.request(LONG_ANSWER)?;
        peers.push(peer);
    }
    for peer in &peers {
        peer.wait_bytes((SHORT_SEGMENTS * segment).into())?;
        stage.note_stall("small-window-stall", peer);
    }
    note_hoard(stage, &peers);
    stage.hold();
    Ok(())
}

/// Segments that each of those takes.
const SHORT_SEGMENTS: u32 = 8;

/// Twelve addresses of one network with three connections each: fewer than a warning asks for.
pub(crate) fn of_network(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let places = (0..36).map(|number| (0, 2 + (number % 12) as u8, 40_000 + number));
    let asked = (server.address(), LONG_ANSWER);
    let _peers = stall_all(stage, asked, taken_edge(stage), places)?;
    stage.hold();
    Ok(())
}

/// How many networks [`by_likeness`] needs.
pub(crate) const ALIKE: u8 = 24;

/// Addresses of unrelated networks, one connection each, that all do the same.
pub(crate) fn by_likeness(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let places = (0..ALIKE).map(|number| (number, 2, 40_001));
    let asked = (server.address(), LONG_ANSWER);
    let _peers = stall_all(stage, asked, taken_edge(stage), places)?;
    stage.hold();
    Ok(())
}

/// Players of one sort with the same film, each in a network of its own, that are paused once their
/// buffers are full.
pub(crate) fn players(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let _players = watch(stage, &server, LONG_ANSWER)?;
    stage.hold();
    Ok(())
}

/// The same that play on to the end.
pub(crate) fn players_on(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let players = watch(stage, &server, "/bytes/500000")?;
    for player in &players {
        acts::read_rest(player, 500_000)?;
    }
    stage.hold();
    Ok(())
}

/// How often a player takes a window before its buffer is full.
const BUFFERED_WINDOWS: u32 = 6;

fn watch(stage: &Stage, server: &TinyServer, film: &str) -> Result<Vec<Peer>> {
    let segment = stage.profile().payload_bytes();
    let window = uneven_edge(stage.profile(), 10);
    let mut players = Vec::new();
    for number in 0..ALIKE {
        let place = (number, 2, 40_001);
        let player = stage.crafted(place, server.address(), stage.profile().window(window))?;
        player.policy(Policy::StopReading { edge: window });
        player.request(film)?;
        for taken in 1..BUFFERED_WINDOWS {
            player.wait_bytes((taken * window - segment).into())?;
            acts::read_up_to(&player, (taken + 1) * window)?;
        }
        players.push(player);
    }
    Ok(players)
}

/// Connections from one address, each read at 300 bytes a second.
pub(crate) fn of_dribblers(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for number in 0..25 {
        readers.push(Dribbler::ask(stage, 40_000 + number, &server)?);
    }
    while stage.pause(Dribbler::PACE) {
        for reader in &mut readers {
            reader.read()?;
        }
    }
    Ok(())
}

/// Connections from one address with a window of a few hundred bytes, which take all that it lets through and say so once a
/// second: to the kernel below they are far away.
pub(crate) fn acknowledged_late(stage: &Stage) -> Result<()> {
    const WINDOW: u32 = 300;
    let server = stage.tiny_server()?;
    // An echo of what was sent again last would shorten the round trip.
    let mut profile = stage.profile().window(WINDOW).without_timestamps();
    profile.shift = None;
    let mut peers = Vec::new();
    for number in 0..25 {
        let peer = stage.crafted((0, 2, 40_000 + number), server.address(), profile)?;
        peer.policy(Policy::Silent);
        peer.request(LONG_ANSWER)?;
        peers.push(peer);
    }
    while stage.pause(Duration::from_secs(1)) {
        for peer in &peers {
            peer.say().ack(peer.seen().bytes).window(WINDOW).send()?;
        }
    }
    Ok(())
}

/// Asks nginx for a large file thirty times over and then offers no window any more.
pub(crate) fn sockstress_nginx(stage: &Stage) -> Result<()> {
    flood(stage, stage.nginx()?)
}

pub(crate) fn sockstress_prefork(stage: &Stage) -> Result<()> {
    flood(stage, stage.apache(ApacheModel::Prefork)?)
}

pub(crate) fn sockstress_event(stage: &Stage) -> Result<()> {
    flood(stage, stage.apache(ApacheModel::Event)?)
}

fn flood(stage: &Stage, server: SocketAddr) -> Result<()> {
    let places = (0..30).map(|number| (0, 2, 40_000 + number));
    let peers = stall_all(stage, (server, "/large"), taken_edge(stage), places)?;
    note_hoard(stage, &peers);
    stage.hold();
    Ok(())
}

/// What most of them take before they stop.
fn taken_edge(stage: &Stage) -> u32 {
    uneven_edge(stage.profile(), 5)
}

/// Connects from each place (network, host, port), asks a server for a path, and stops reading at
/// `edge`.
fn stall_all(
    stage: &Stage,
    (server, path): (SocketAddr, &str),
    edge: u32,
    places: impl Iterator<Item = (u8, u8, u16)>,
) -> Result<Vec<Peer>> {
    let peers = stop_all(stage, (server, path), edge, places)?;
    for peer in &peers {
        stage.note_stall("zero-window-stall", peer);
    }
    Ok(peers)
}

/// The same; nothing is noted as due.
fn stop_all(
    stage: &Stage,
    (server, path): (SocketAddr, &str),
    edge: u32,
    places: impl Iterator<Item = (u8, u8, u16)>,
) -> Result<Vec<Peer>> {
    let profile = stage.profile().window(edge);
    let mut peers = Vec::new();
    for place in places {
        let peer = stage.crafted(place, server, profile)?;
        peer.policy(Policy::StopReading { edge });
        peer.request(path)?;
        peers.push(peer);
    }
    for peer in &peers {
        peer.wait_bytes(u64::from(edge).saturating_sub(1_460))?;
        peer.wait_closed()?;
    }
    Ok(peers)
}

/// The hoard is one as soon as so many connections are stalled.
fn note_hoard(stage: &Stage, peers: &[Peer]) {
    let thresholds = stage.thresholds();
    let mut since: Vec<Instant> = peers.iter().map(Peer::progress_at).collect();
    since.sort_unstable();
    if let Some(&last) = since.get(thresholds.hoard_connections - 1) {
        stage.note_peer_due("stall-hoard", last + thresholds.stall_after);
    }
}
