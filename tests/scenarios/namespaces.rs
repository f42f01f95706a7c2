//! Sockets in other network namespaces are swept too, also in one that was made after the agent
//! started, named (as by `ip netns`) or not (as a container's), and carry its number.

use crate::stage::{CraftedStage, WITHIN_SWEEPS};
use anyhow::{Context, Result, ensure};
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Child, Family, Lab, Namespace, require, tun_with_addresses};
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;
use std::process::Command;
use std::time::Duration;

#[test]
fn namespace_made_after_the_agent_is_swept() -> Result<()> {
    Story::play("late-namespace", Family::V4, |story| {
        let agent = Agent::start(story.folder())?;
        let late = Lab::build()?;
        let addresses = story.lab.addresses;
        let tun = late
            .server
            .enter(move || tun_with_addresses(Lab::TUN, &addresses))?;
        let stage = CraftedStage::set_in(&late.server, tun, story)?;
        expect_swept(&agent, &stage, &late.server)
    })
}

#[test]
fn namespace_of_a_container_is_swept() -> Result<()> {
    Story::play("container", Family::V6, |story| {
        let agent = Agent::start(story.folder())?;
        let (_container, namespace) = start_container()?;
        let addresses = story.lab.addresses;
        let tun = namespace.enter(move || tun_with_addresses(Lab::TUN, &addresses))?;
        let stage = CraftedStage::set_in(&namespace, tun, story)?;
        expect_swept(&agent, &stage, &namespace)
    })
}

/// Half closed, so that only the sweep can see it.
fn expect_swept(agent: &Agent, stage: &CraftedStage, namespace: &Namespace) -> Result<()> {
    let peer = stage.connect(4_001, Profile::default())?;
    acts::half_close_and_stop_reading(&peer)?;
    let found = agent.wait_connection(stage.peer_ip(), "the stall", WITHIN_SWEEPS, |seen| {
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
    command.args(["--net", "sleep", "120"]);
    let container = Child::start(command)?;
    let namespace = expect::until(
        "the container is in its namespace",
        Duration::from_secs(5),
        || {
            let namespace =
                Namespace::of_process(container.pid()).context("namespace of the child")?;
            Ok((namespace.inode()? != own).then_some(namespace))
        },
    )?;
    Ok((container, namespace))
}
