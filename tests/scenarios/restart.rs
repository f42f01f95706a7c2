//! An agent that is stopped or killed in the middle of a stall finds it again when it is back, on
//! the same socket and state folder. Their quiet twins are clients that read before and after.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};

both_families!(
    stopped_agent_finds_the_stall_again,
    killed_agent_starts_again,
    reader_is_not_mentioned_after_a_stop,
    reader_is_not_mentioned_after_a_kill,
    how_connections_ended_is_known_after_a_stop,
);

fn stopped_agent_finds_the_stall_again(family: Family) -> Result<()> {
    Story::play(&suffix("restart", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::close_window(&peer)?;
        expect_stall(&agent, &peer)?;
        agent.stop(Signal::SIGTERM)?;
        expect_stall(&Agent::start(story.folder())?, &peer)
    })
}

fn killed_agent_starts_again(family: Family) -> Result<()> {
    Story::play(&suffix("killed", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&peer)?;
        expect_stall(&agent, &peer)?;
        // The control socket's file stays behind.
        agent.kill()?;
        let again = Agent::start(story.folder())?;
        expect_stall(&again, &peer)?;
        let before = peer.seen().retransmits;
        peer.wait_seen("a retransmit", |seen| seen.retransmits > before)?;
        let seen = again.wait_peer(peer.address().ip(), "a probe", PATIENCE, |seen| {
            seen.retransmits.window_probe >= 1
        })?;
        ensure!(seen.retransmits.loss == 0, "{seen:?}");
        Ok(())
    })
}

fn reader_is_not_mentioned_after_a_stop(family: Family) -> Result<()> {
    play_reader("restart-reader", family, |agent| {
        agent.stop(Signal::SIGTERM)
    })
}

fn reader_is_not_mentioned_after_a_kill(family: Family) -> Result<()> {
    play_reader("killed-reader", family, Agent::kill)
}

/// One connection that reads a part under the first agent and the rest under the second.
fn play_reader(name: &str, family: Family, end: impl FnOnce(Agent) -> Result<()>) -> Result<()> {
    Story::play(&suffix(name, family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        peer.request("/after/500000")?;
        acts::read_rest(&peer, 1_000)?;
        expect_unblamed(&agent, stage.peer_ip())?;
        end(agent)?;
        let again = Agent::start(story.folder())?;
        peer.send(b"more")?;
        peer.wait_bytes(501_000)?;
        expect_unblamed(&again, stage.peer_ip())
    })
}

/// Whoever looks at the file that an agent leaves sees what the agents before it knew.
fn how_connections_ended_is_known_after_a_stop(family: Family) -> Result<()> {
    /// The last one may still be closing.
    const SEEN_LEAST: u64 = FETCHES - 1;
    const FETCHES: u64 = 8;
    Story::play(&suffix("history", family), family, |story| {
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let agent = Agent::start(story.folder())?;
        let mut address = None;
        for _ in 0..FETCHES {
            let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
            client.request("/close/50000")?;
            client.read_to_end()?;
            address = Some(client.address()?.ip());
        }
        let address = address.context("nothing was fetched")?;
        agent.stop(Signal::SIGTERM)?;
        let ended = ended_well(story, address)?;
        ensure!(ended >= SEEN_LEAST, "{ended}");
        // These have seen none of them.
        for _ in 0..2 {
            Agent::start(story.folder())?.stop(Signal::SIGTERM)?;
            ensure!(ended_well(story, address)? == ended, "forgotten");
        }
        Ok(())
    })
}

/// How many connections of an address have ended well, as an agent has left it.
fn ended_well(story: &Story, address: IpAddr) -> Result<u64> {
    let file = story.folder().join("agent/state/history.json");
    let kept: Value = serde_json::from_slice(&fs::read(file)?)?;
    let peer = match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    };
    let addresses = kept["addresses"].as_array().context("no addresses")?;
    let of_peer = addresses
        .iter()
        .filter(|each| each["address"] == peer.to_string());
    let spans = of_peer.flat_map(|each| each["spans"].as_array().into_iter().flatten());
    Ok(spans.filter_map(|span| span["ended_well"].as_u64()).sum())
}

fn expect_stall(agent: &Agent, peer: &Peer) -> Result<()> {
    let ip = peer.address().ip();
    let found = agent.wait_connection(ip, "the stall", PATIENCE, |seen| {
        seen.in_zero_window && seen.stall.as_deref() == Some("zero_window")
    })?;
    ensure!(found.zero_window_episodes == 1, "{found:?}");
    agent.wait_flag(ip, "zero-window-stall", PATIENCE).map(drop)
}
