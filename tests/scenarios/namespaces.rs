//! Sockets in other network namespaces are swept too, also in one that was made after the agent
//! started, named (as by `ip netns`) or not (as a container's), and carry its number. Their quiet
//! twins are half closed readers in the same namespaces, beside which a stall is still found.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Child, Family, Lab, Namespace, network_of_a_container};
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;

both_families!(
    namespace_made_after_the_agent_is_swept,
    reader_in_a_late_namespace_is_not_mentioned,
    namespace_of_a_container_is_swept,
    reader_in_a_container_is_not_mentioned,
    namespaces_that_go_away_are_passed_over,
);

/// Containers that end together, of which the sweep still knows.
const CONTAINERS: usize = 10;
fn namespace_made_after_the_agent_is_swept(family: Family) -> Result<()> {
    Story::play(&suffix("late-namespace", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let late = Lab::build()?;
        let stage = CraftedStage::set_elsewhere(&late.server, story)?;
        expect_swept(&agent, &stage, &late.server)
    })
}

fn reader_in_a_late_namespace_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("late-namespace-reader", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let late = Lab::build()?;
        let stage = CraftedStage::set_elsewhere(&late.server, story)?;
        expect_only_stall_blamed(&agent, &stage, &late.server)
    })
}

fn namespace_of_a_container_is_swept(family: Family) -> Result<()> {
    Story::play(&suffix("container", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let (_container, namespace) = network_of_a_container()?;
        let stage = CraftedStage::set_elsewhere(&namespace, story)?;
        expect_swept(&agent, &stage, &namespace)
    })
}

fn reader_in_a_container_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("container-reader", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let (_container, namespace) = network_of_a_container()?;
        let stage = CraftedStage::set_elsewhere(&namespace, story)?;
        expect_only_stall_blamed(&agent, &stage, &namespace)
    })
}

/// They end between two searches for namespaces, or in the middle of a round: either way the sweep
/// goes on with the others, and nothing counts as a failure.
fn namespaces_that_go_away_are_passed_over(family: Family) -> Result<()> {
    Story::play(&suffix("gone-namespaces", family), family, |story| {
        let containers = (0..CONTAINERS).map(|_| network_of_a_container().map(|(child, _)| child));
        let containers: Vec<Child> = containers.collect::<Result<_>>()?;
        // Its first round goes over all; the next one that does may be minutes away.
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let count = |name: &str| -> Result<u64> {
            let status = agent.status()?;
            let number = status["sweep"][name].as_u64();
            number.with_context(|| format!("no {name} in {status}"))
        };
        expect::until("the sweep knows them", PATIENCE, || {
            Ok((count("namespaces")? >= CONTAINERS as u64).then_some(()))
        })?;
        drop(containers);
        agent.wait_sweeps(1)?;
        // Told, whether or not one went away in the short time in which it is missed.
        count("namespaces_missed")?;
        expect_swept(&agent, &stage, story.server())?;
        let lost = agent.status()?["records"]["lost"]["sweep_failed"].clone();
        ensure!(lost.as_u64() == Some(0), "{lost} sweeps failed");
        Ok(())
    })
}

/// A reader raises nothing; a stall of the same address then shows that the namespace was watched,
/// and is the only one.
fn expect_only_stall_blamed(
    agent: &Agent,
    stage: &CraftedStage<'_>,
    namespace: &Namespace,
) -> Result<()> {
    let reader = stage.connect(4_002, Profile::default())?;
    acts::half_close_and_read(&reader, 500_000)?;
    expect_unblamed(agent, stage.peer_ip())?;
    expect_swept(agent, stage, namespace)?;
    let seen = agent.wait_peer(stage.peer_ip(), "the stall", PATIENCE, |seen| {
        seen.stalled_connections >= 1
    })?;
    ensure!(seen.stalled_connections == 1, "{seen:?}");
    Ok(())
}

/// Half closed, so that only the sweep can see it.
fn expect_swept(agent: &Agent, stage: &CraftedStage, namespace: &Namespace) -> Result<()> {
    let peer = stage.connect(4_001, Profile::default())?;
    acts::half_close_and_stop_reading(&peer)?;
    let found = agent.wait_connection(stage.peer_ip(), "the stall", PATIENCE, |seen| {
        seen.state == "CLOSE-WAIT" && seen.in_zero_window
    })?;
    ensure!(found.netns == namespace.inode()?, "{found:?}");
    Ok(())
}
