//! In which order network namespaces are swept: those of the host and its containers each time, those that users
//! have laid out for themselves in turn, as far as there is time. That hangs on all that the machine has.

use anyhow::{Context, Result, ensure};
use detector_tests::acts;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::crafted_stage::CraftedStage;
use detector_tests::lab::{Family, Namespace, network_of_a_container, network_of_ones_own};
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::story::Story;
use detector_tests::{PATIENCE, expect};

both_families!(
    networks_of_ones_own_wait_for_their_turn,
    containers_wait_for_no_turn,
);

/// Networks in which something stands still, so that each round has a pass for each,
const NETWORKS: usize = 3;
/// and a share of the processor for which that is too much each second.
const FRUGAL: &str = "[budget]\nsweep_share_idle = \"0.1%\"\nsweep_share_busy = \"0.1%\"\n";

/// Anybody can lay out as many as he likes: what passes over them cost keeps only them waiting.
fn networks_of_ones_own_wait_for_their_turn(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("own-networks-{}", family.name());
    Story::play(&name, family, |story| {
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
    let _machine = crate::machine();
    let name = format!("container-networks-{}", family.name());
    Story::play(&name, family, |story| {
        let containers = (0..NETWORKS).map(|_| network_of_a_container());
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
        let stage = CraftedStage::set_elsewhere(network, story)?;
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
