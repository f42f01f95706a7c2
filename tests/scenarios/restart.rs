//! An agent that is stopped or killed in the middle of a stall finds it again when it is back, on
//! the same socket and state folder. Their quiet twins are clients that read before and after.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::story::Story;
use nix::sys::signal::Signal;

both_families!(
    stopped_agent_finds_the_stall_again,
    killed_agent_starts_again,
    reader_is_not_mentioned_after_a_stop,
    reader_is_not_mentioned_after_a_kill,
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
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        peer.request("/after/500000")?;
        acts::read_rest(&peer, 1_000)?;
        expect_unblamed(&agent, stage.peer_ip())?;
        end(agent)?;
        let again = Agent::start_beside_readers(story.folder())?;
        peer.send(b"more")?;
        peer.wait_bytes(501_000)?;
        expect_unblamed(&again, stage.peer_ip())
    })
}

fn expect_stall(agent: &Agent, peer: &Peer) -> Result<()> {
    let ip = peer.address().ip();
    let found = agent.wait_connection(ip, "the stall", PATIENCE, |seen| {
        seen.in_zero_window && seen.stall.as_deref() == Some("zero_window")
    })?;
    ensure!(found.zero_window_episodes == 1, "{found:?}");
    agent.wait_flag(ip, "zero-window-stall", PATIENCE).map(drop)
}
