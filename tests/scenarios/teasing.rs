//! A window that goes 0, a little, 0, a little is one zero-window episode, because the head segment
//! never fits. Its twin opens the window for good and closes it again: that is two.

use crate::stage::{CraftedStage, both_families, expect_counts, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;
use detector_tests::truth;

both_families!(teasing_is_one_episode);

fn teasing_is_one_episode(family: Family) -> Result<()> {
    Story::play(&suffix("teasing", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::close_window(&peer)?;
        for _ in 0..4 {
            acts::tease(&peer)?;
            peer.wait_quiet(acts::FULL)?;
        }
        agent.wait_peer(stage.peer_ip(), "the window is closed", PATIENCE, |seen| {
            seen.zero_window_episodes == 1
        })?;
        let found = agent.wait_connection(stage.peer_ip(), "in it", PATIENCE, |seen| {
            seen.in_zero_window && seen.stall.as_deref() == Some("zero_window")
        })?;
        ensure!(found.zero_window_episodes == 1, "{found:?}");
        // The stall does not take back the word for what it did before.
        let said = agent.peer(stage.peer_ip())?.and_then(|seen| seen.verdict);
        ensure!(said.as_deref() == Some("shrinking-peer"), "{said:?}");

        // For good, and closed again after another 40,000 bytes or more.
        let taken = u32::try_from(peer.seen().bytes)?;
        let edge = (taken + 40_000).next_multiple_of(128);
        acts::read_up_to(&peer, edge)?;
        peer.wait_bytes(u64::from(edge) - 1_500)?;
        peer.wait_closed()?;
        agent.wait_peer(stage.peer_ip(), "a second episode", PATIENCE, |seen| {
            seen.zero_window_episodes == 2
        })?;
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(counts.zero_window_episodes == 2, "{counts:?}");
        expect_counts(&agent, stage.peer_ip(), &counts)
    })
}
