//! Without a configuration a stall is flagged after five seconds, and not before.

use crate::stage::{CraftedStage, SOON, both_families, suffix};
use anyhow::Result;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;
use detector_tests::{acts, expect};
use std::time::Duration;

both_families!(stall_is_flagged_after_five_seconds);

fn stall_is_flagged_after_five_seconds(family: Family) -> Result<()> {
    Story::play(&suffix("default-threshold", family), family, |story| {
        let agent = Agent::start_with(story.folder(), &AgentOptions::without_configuration())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::close_window(&peer)?;
        // Half a second less: the last acknowledgement came before the act was over.
        expect::never(Duration::from_millis(4_500), || {
            let flags = agent.flags(stage.peer_ip())?;
            Ok((!flags.is_empty()).then(|| format!("flagged too early: {flags:?}")))
        })?;
        agent
            .wait_flag(stage.peer_ip(), "zero-window-stall", SOON)
            .map(drop)
    })
}
