//! A stall that began before the agent is found by its first sweep. Its quiet twin is a connection
//! that was idle before the agent.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;

both_families!(older_stall_is_found, older_idle_connection_is_not_mentioned);

fn older_stall_is_found(family: Family) -> Result<()> {
    Story::play(&suffix("before-agent", family), family, |story| {
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("before-agent")?;
        let agent = Agent::start(story.folder())?;
        let found = agent.wait_connection(stage.peer_ip(), "it", PATIENCE, |seen| {
            seen.in_zero_window && seen.stall.as_deref() == Some("zero_window")
        })?;
        ensure!(found.zero_window_episodes == 1, "{found:?}");
        ensure!(
            found.window_shrinks.total() == 0,
            "nothing is known of older edges: {found:?}"
        );
        agent
            .wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)
            .map(drop)
    })
}

fn older_idle_connection_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("before-agent-idle", family), family, |story| {
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::read_all(&peer, 100_000)?;
        let agent = Agent::start_beside_readers(story.folder())?;
        expect_unblamed(&agent, peer.address().ip())
    })
}
