//! Without a configuration a stall is flagged after five seconds, and not before.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::lab::Family;
use detector_tests::story::Story;

both_families!(stall_is_flagged_after_five_seconds);

fn stall_is_flagged_after_five_seconds(family: Family) -> Result<()> {
    Story::play(&suffix("default-threshold", family), family, |story| {
        let agent = Agent::start_with(story.folder(), &AgentOptions::without_configuration())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("zero-window")?;
        // By the stamps of the kernel: nobody here looks at the very moment.
        let flag = agent.wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)?;
        let stalled_seconds = flag.evidence["stalled_seconds"];
        ensure!(stalled_seconds >= 5.0, "flagged too early: {flag:?}");
        Ok(())
    })
}
