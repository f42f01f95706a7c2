//! A hoard that never read a byte, or took a few kilobytes and no more, is an attack within eight
//! seconds of the last condition. Its quiet twins, which start slowly or read out of small buffers,
//! are never called one.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::story::Story;
use std::time::{Duration, Instant};

/// From the moment when the last connection was asked and took nothing.
const SOON: Duration = Duration::from_secs(8);

both_families!(
    no_window_is_an_attack_soon,
    a_small_window_is_an_attack_soon,
    slow_starters_are_not,
    small_buffers_that_are_read_are_not,
);

fn no_window_is_an_attack_soon(family: Family) -> Result<()> {
    attack_soon("hoard-no-window", family)
}

fn a_small_window_is_an_attack_soon(family: Family) -> Result<()> {
    attack_soon("hoard-small-window", family)
}

fn attack_soon(case: &'static str, family: Family) -> Result<()> {
    Story::play(&suffix(case, family), family, |story| {
        let agent = Agent::start_with(story.folder(), &AgentOptions::without_configuration())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play(case)?;
        // All connections have asked by now.
        let began = Instant::now();
        let peer = stage.peer_ip();
        let seen = agent.wait_peer(peer, "an attack", PATIENCE, |seen| {
            seen.verdict.as_deref() == Some("zero-window-attack")
        })?;
        ensure!(began.elapsed() <= SOON, "{:?}, {seen:?}", began.elapsed());
        ensure!(seen.severity == "critical", "{seen:?}");
        Ok(())
    })
}

fn slow_starters_are_not(family: Family) -> Result<()> {
    honest("slow-starters", family)
}

fn small_buffers_that_are_read_are_not(family: Family) -> Result<()> {
    honest("tiny-buffers", family)
}

/// For longer than a hoard that was never read takes to be named.
fn honest(case: &'static str, family: Family) -> Result<()> {
    Story::play(&suffix(case, family), family, |story| {
        let agent = Agent::start_with(story.folder(), &AgentOptions::without_configuration())?;
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
