//! A server that answers and closes at once leaves the rest to the kernel: a peer that then closes
//! its window holds an orphan in FIN_WAIT1. Its quiet twin reads the rest.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;

both_families!(
    stalled_orphan_is_found,
    orphan_that_is_read_is_not_mentioned
);

fn stalled_orphan_is_found(family: Family) -> Result<()> {
    Story::play(&suffix("orphan", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("orphan")?;
        let found = agent.wait_connection(stage.peer_ip(), "an orphan", PATIENCE, |seen| {
            seen.is_orphan && seen.in_zero_window
        })?;
        // What was sent again before the window closed may have shown the connection to a hook.
        ensure!(
            found.state == "FIN-WAIT-1" && found.source != "hook",
            "{found:?}"
        );
        ensure!(found.pinned_bytes > 100_000, "{found:?}");
        agent
            .wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)
            .map(drop)
    })
}

fn orphan_that_is_read_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("orphan-read", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default().window(16_384))?;
        acts::make_orphan(&peer, &stage.server)?;
        acts::read_rest(&peer, acts::ORPHAN_BYTES)?;
        peer.wait_seen("FIN", |seen| seen.is_finished)?;
        peer.say().fin().send()?;
        expect_unblamed(&agent, stage.peer_ip())
    })
}
