//! Sockets in other network namespaces are swept too, also in one that was made after the agent
//! started, named (as by `ip netns`) or not (as a container's), and carry its number. Their quiet
//! twins are half closed readers in the same namespaces, beside which a stall is still found.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::expect;
use detector_tests::lab::{
    Child, Family, Lab, Namespace, network_of_ones_own, require, tun_with_addresses,
};
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::story::Story;
use std::process::Command;

both_families!(
    namespace_made_after_the_agent_is_swept,
    reader_in_a_late_namespace_is_not_mentioned,
    namespace_of_a_container_is_swept,
    reader_in_a_container_is_not_mentioned,
    namespaces_that_go_away_are_passed_over,
    networks_of_ones_own_wait_for_their_turn,
    containers_wait_for_no_turn,
);

/// Containers that end together, of which the sweep still knows.
const CONTAINERS: usize = 10;
/// Networks in which something stands still, so that each round has a pass for each,
const NETWORKS: usize = 3;
/// and a share of the processor for which that is too much each second.
const FRUGAL: &str = "[budget]\nsweep_share_idle = \"0.1%\"\nsweep_share_busy = \"0.1%\"\n";

fn namespace_made_after_the_agent_is_swept(family: Family) -> Result<()> {
    Story::play(&suffix("late-namespace", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let late = Lab::build()?;
        let stage = set_in(&late.server, story)?;
        expect_swept(&agent, &stage, &late.server)
    })
}

fn reader_in_a_late_namespace_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("late-namespace-reader", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let late = Lab::build()?;
        let stage = set_in(&late.server, story)?;
        expect_only_stall_blamed(&agent, &stage, &late.server)
    })
}

fn namespace_of_a_container_is_swept(family: Family) -> Result<()> {
    Story::play(&suffix("container", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let (_container, namespace) = start_container()?;
        let stage = set_in(&namespace, story)?;
        expect_swept(&agent, &stage, &namespace)
    })
}

fn reader_in_a_container_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("container-reader", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let (_container, namespace) = start_container()?;
        let stage = set_in(&namespace, story)?;
        expect_only_stall_blamed(&agent, &stage, &namespace)
    })
}

/// They end between two searches for namespaces, or in the middle of a round: either way the sweep
/// goes on with the others, and nothing counts as a failure.
fn namespaces_that_go_away_are_passed_over(family: Family) -> Result<()> {
    Story::play(&suffix("gone-namespaces", family), family, |story| {
        let containers = (0..CONTAINERS).map(|_| start_container().map(|(child, _)| child));
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

/// Anybody can lay out as many as he likes: what passes over them cost keeps only them waiting.
fn networks_of_ones_own_wait_for_their_turn(family: Family) -> Result<()> {
    Story::play(&suffix("own-networks", family), family, |story| {
        let networks = (0..NETWORKS).map(|_| network_of_ones_own());
        let networks: Vec<_> = networks.collect::<Result<_>>()?;
        let agent = start_frugal(story)?;
        let _stalls = stall_in(networks.iter().map(|(_, network)| network), story)?;
        expect::until("they have to wait", PATIENCE, || {
            Ok((put_off(&agent)? > 0).then_some(()))
        })
    })
}

/// The same in networks of the host.
fn containers_wait_for_no_turn(family: Family) -> Result<()> {
    Story::play(&suffix("containers", family), family, |story| {
        let containers = (0..NETWORKS).map(|_| start_container());
        let containers: Vec<_> = containers.collect::<Result<_>>()?;
        let agent = start_frugal(story)?;
        let stalls = stall_in(containers.iter().map(|(_, network)| network), story)?;
        let ip = stalls[0].0.peer_ip();
        agent.wait_peer(ip, "all stalls", PATIENCE, |seen| {
            seen.stalled_connections == NETWORKS as u64
        })?;
        agent.wait_sweeps(2)?;
        let times = put_off(&agent)?;
        ensure!(times == 0, "they were put off {times} times");
        Ok(())
    })
}

fn start_frugal(story: &Story) -> Result<Agent> {
    let options = AgentOptions {
        configuration: Some(FRUGAL.to_owned()),
        ..AgentOptions::without_configuration()
    };
    Agent::start_with(story.folder(), &options)
}

/// A connection in each that only the sweep can see, and that stalls.
fn stall_in<'s>(
    networks: impl Iterator<Item = &'s Namespace>,
    story: &'s Story,
) -> Result<Vec<(CraftedStage<'s>, Peer)>> {
    let stalls = networks.map(|network| {
        let stage = set_in(network, story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::half_close_and_stop_reading(&peer)?;
        Ok((stage, peer))
    });
    stalls.collect()
}

fn put_off(agent: &Agent) -> Result<u64> {
    let status = agent.status()?;
    let times = status["sweep"]["namespaces_put_off"].as_u64();
    times.with_context(|| format!("no networks put off in {status}"))
}

pub(crate) fn set_in<'s>(namespace: &Namespace, story: &'s Story) -> Result<CraftedStage<'s>> {
    let addresses = story.lab.addresses;
    let tun = namespace.enter(move || tun_with_addresses(Lab::TUN, &addresses))?;
    CraftedStage::set_in(namespace, tun, story)
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

/// A process in a namespace without a name.
fn start_container() -> Result<(Child, Namespace)> {
    require(&[("unshare", "util-linux")])?;
    let own = Namespace::here()?.inode()?;
    let mut command = Command::new("unshare");
    command.args(["--net", "sleep", "600"]);
    let container = Child::start(command)?;
    let namespace = expect::until("the container is in its namespace", PATIENCE, || {
        let namespace = Namespace::of_process(container.pid()).context("namespace of the child")?;
        Ok((namespace.inode()? != own).then_some(namespace))
    })?;
    Ok((container, namespace))
}
