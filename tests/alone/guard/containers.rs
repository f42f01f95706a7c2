//! A host with containers: what an address only behaves in is on the count of what a block would cut wherever on
//! the host that is, and an address of a container is the host's own to another one.

use super::{
    CLIENTS, JUDGED, attacker, attacker_of, connections, hoard, hoard_from, metric, start, steps,
    tables,
};
use anyhow::{Context, Result, ensure};
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Family, Namespace};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use std::net::{IpAddr, SocketAddr};

both_families!(
    who_behaves_in_another_container_is_cut_by_no_block,
    a_container_is_the_hosts_own_to_another
);

/// So long for a limit, in stories in which there is one.
const ROUNDS: f64 = 20.0;

const fn length(family: Family) -> u8 {
    match family {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// A container of the host on which the agent is, with a link to `other`: `here` is its own address, and
/// `there` what it reaches.
fn container(
    story: &Story,
    other: &Namespace,
    (here, there): (IpAddr, IpAddr),
) -> Result<Namespace> {
    let container = Namespace::create(story.lab.number(), "container")?;
    let name = container.name().context("a container without a name")?;
    let length = length(story.family);
    let flags = if here.is_ipv6() { "nodad" } else { "" };
    other.ip(&format!(
        "link add inside0 type veth peer name inside1 netns {name}"
    ))?;
    for (network, device) in [(other, "inside0"), (&container, "inside1")] {
        network.ip(&format!("link set {device} up"))?;
    }
    container.ip(&format!("address add {here}/{length} dev inside1 {flags}"))?;
    other.ip(&format!("route add {here}/{length} dev inside0"))?;
    container.ip(&format!("route add {there}/{length} dev inside1"))?;
    if here.is_ipv6() {
        // Only what is a device's own is found behind it.
        other.ip(&format!("address add {there}/{length} dev inside0 nodad"))?;
    }
    Ok(container)
}

fn is_spared_as(story: &Story, agent: &Agent, peer: IpAddr, reason: &str) -> Result<()> {
    let labels = [("reason", reason)];
    expect::until(&format!("it is spared as {reason}"), JUDGED, || {
        let spared = metric(story, agent, "detector_guard_spared_total", &labels)?;
        Ok((spared > ROUNDS).then_some(()))
    })
    .with_context(|| agent.describe(peer))?;
    let steps = steps(agent, peer)?;
    ensure!(steps.is_empty(), "{steps:?}");
    ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
    Ok(())
}

/// Nobody of them is tracked where the address behaves: they have taken all that they asked for.
fn who_behaves_in_another_container_is_cut_by_no_block(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("guard-elsewhere-{}", family.name());
    Story::play_between_hosts(&name, family, |story| {
        let agent = start(story, "enforce")?;
        let (peer, lab) = (attacker(story, family)?, &story.lab);
        let near = TinyServer::start(story.server(), lab.addresses.server(family))?;
        let idle = || -> Result<KernelPeer> {
            let from = Some(SocketAddr::new(peer, 0));
            let mut client = KernelPeer::connect_with(&lab.client, from, near.address(), None)?;
            client.request("/small")?;
            client.read(1_000)?;
            Ok(client)
        };
        let idle = [idle()?, idle()?, idle()?];
        let address: IpAddr = match family {
            Family::V4 => "198.19.253.1".parse()?,
            Family::V6 => "2001:2:0:fffd::1".parse()?,
        };
        let container = container(story, &lab.client, (address, peer))?;
        let far = TinyServer::start(&container, address)?;
        let _held = hoard(story, peer, far.address(), CLIENTS)?;
        is_spared_as(story, &agent, peer, "shared")?;
        ensure!(connections(story, peer)? == idle.len());
        Ok(())
    })
}

fn a_container_is_the_hosts_own_to_another(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("guard-containers-{}", family.name());
    Story::play_between_hosts(&name, family, |story| {
        let agent = start(story, "enforce")?;
        // Of those that the agent does not trust.
        let peer = attacker_of(story, family);
        let address = story.lab.addresses.server(family);
        let server = TinyServer::start(story.server(), address)?;
        let container = container(story, story.server(), (peer, address))?;
        let _held = hoard_from(&container, peer, server.address(), CLIENTS)?;
        is_spared_as(story, &agent, peer, "own")?;
        ensure!(connections(story, peer)? == CLIENTS);
        Ok(())
    })
}
