//! The quiet twins of a hoard that never read a byte, or took a few kilobytes and no more: who starts slowly
//! or reads out of small buffers is never called an attacker.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::Result;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::story::Story;
use std::time::Duration;

/// A hoard that never read is named within this time.
const SOON: Duration = Duration::from_secs(8);

both_families!(slow_starters_are_not, small_buffers_that_are_read_are_not,);

fn slow_starters_are_not(family: Family) -> Result<()> {
    honest("slow-starters", family)
}

fn small_buffers_that_are_read_are_not(family: Family) -> Result<()> {
    honest("tiny-buffers", family)
}

/// For longer than a hoard that was never read takes to be named.
fn honest(case: &'static str, family: Family) -> Result<()> {
    Story::play(&suffix(case, family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play(case)?;
        let peer = story.lab.addresses.client(family);
        expect::never(SOON + Duration::from_secs(7), || {
            let seen = agent.peer(peer)?;
            let is_quiet = |verdict: &str| matches!(verdict, "slow-client" | "benign");
            let accused = seen.filter(|seen| {
                seen.severity != "info" || !seen.verdict.as_deref().is_none_or(is_quiet)
            });
            Ok(accused.map(|seen| format!("accused: {seen:?}")))
        })
    })
}
