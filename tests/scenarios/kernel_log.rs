//! What the kernel side cannot keep it says in the agent's log at debug level: a full state table
//! here. Its quiet twin loses the same, counts it and says nothing at the usual level.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;

/// The least the agent takes.
const CAPACITY: u16 = 16;
const LINE: &str = "a connection gets no state: the table is full";

both_families!(
    a_full_table_is_told_at_debug_level,
    a_full_table_is_only_counted_otherwise
);

fn a_full_table_is_told_at_debug_level(family: Family) -> Result<()> {
    fill_the_table("kernel-log-debug", family, Some("debug"), |agent| {
        expect::until("the kernel side says it", PATIENCE, || {
            let log = agent.log()?;
            let line = log.lines().find(|line| line.contains(LINE));
            Ok(line.map(str::to_owned))
        })
        .and_then(|line| {
            ensure!(line.contains(" debug "), "of another level: {line}");
            Ok(())
        })
    })
}

fn a_full_table_is_only_counted_otherwise(family: Family) -> Result<()> {
    fill_the_table("kernel-log-info", family, None, |agent| {
        let log = agent.log()?;
        ensure!(!log.contains(LINE), "{log}");
        Ok(())
    })
}

/// Plays `then` once the agent has counted a connection that found no room in its table.
fn fill_the_table(
    name: &str,
    family: Family,
    log_level: Option<&'static str>,
    then: impl FnOnce(&Agent) -> Result<()>,
) -> Result<()> {
    Story::play(&suffix(name, family), family, |story| {
        let options = AgentOptions {
            log_level,
            ..AgentOptions::with(&format!("connections = {CAPACITY}\n"))
        };
        let agent = Agent::start_with(story.folder(), &options)?;
        let stage = CraftedStage::set(story)?;
        let mut peers = Vec::new();
        for port in 4_001..=4_001 + CAPACITY {
            let peer = stage.connect(port, Profile::default())?;
            acts::close_window(&peer)?;
            peers.push(peer);
        }
        let refused = [("stage", "table_full")];
        expect::until("a refusal is counted", PATIENCE, || {
            let count = agent
                .metrics()?
                .value("detector_records_lost_total", &refused)?;
            Ok((count >= 1.0).then_some(()))
        })?;
        then(&agent)
    })
}
