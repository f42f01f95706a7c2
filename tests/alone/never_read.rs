//! A hoard that never read a byte, or took a few kilobytes and no more, is an attack within eight seconds of the
//! last condition, by the clock: other stories would take the processor that the agent needs for it. Its quiet
//! twins are among the stories that are played beside each other.

use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::crafted_stage::CraftedStage;
use detector_tests::lab::Family;
use detector_tests::story::Story;
use std::time::{Duration, Instant};

both_families!(
    no_window_is_an_attack_soon,
    a_small_window_is_an_attack_soon
);

/// From the moment when the last connection was asked and took nothing.
const SOON: Duration = Duration::from_secs(8);

fn no_window_is_an_attack_soon(family: Family) -> Result<()> {
    attack_soon("hoard-no-window", family)
}

fn a_small_window_is_an_attack_soon(family: Family) -> Result<()> {
    attack_soon("hoard-small-window", family)
}

fn attack_soon(name: &'static str, family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(&format!("{name}-{}", family.name()), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play(name)?;
        // All connections have asked by now.
        let began = Instant::now();
        let waited = agent.waited_for_processor()?;
        let seen = agent.wait_peer(stage.peer_ip(), "an attack", PATIENCE, |seen| {
            seen.verdict.as_deref() == Some("zero-window-attack")
        })?;
        let took = began.elapsed();
        let waited = agent.waited_for_processor()?.saturating_sub(waited);
        // What other programs kept the processor from it is not its own.
        ensure!(took <= SOON + waited, "{took:?}, {waited:?}, {seen:?}");
        ensure!(seen.severity == "critical", "{seen:?}");
        Ok(())
    })
}
