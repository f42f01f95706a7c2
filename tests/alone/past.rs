//! What else than an end with all taken makes a past: much that was read before the peer wanted no more, a pool whose
//! connections live for days, and, for servers in networks of users' own, what has ended in these alone. Beside each
//! stands who looks so and has none.

use crate::history::{address_elsewhere, ended, fetch_times};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Family, Namespace, network_of_ones_own};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use nix::sys::signal::Signal;
use std::net::{IpAddr, SocketAddr};

both_families!(
    who_has_read_much_and_wants_no_more_has_a_past,
    a_pool_that_was_well_may_hang,
    a_busy_balancer_before_a_network_of_ones_own_is_no_attacker,
);

/// A hoard, by their number.
const HELD: usize = 24;
/// Of each that pauses: thousands of those with the usual one would take the host's memory.
const BUFFER_BYTES: usize = 16_384;
const LONG_ANSWER: &str = "/bytes/20000000";

/// Viewers who seek and close their tabs. Whoever takes no more than his buffers hold has read nothing, and whoever
/// is cut off from here may have held what he had not read.
fn who_has_read_much_and_wants_no_more_has_a_past(family: Family) -> Result<()> {
    const EACH: u64 = 4;
    let _machine = crate::machine();
    let name = format!("past-read-{}", family.name());
    Story::play(&name, family, |story| {
        let network = story.server();
        let server = TinyServer::start(network, story.lab.addresses.server(family))?;
        let [viewer, taker, cut_off] = addresses(network, family)?;
        let agent = Agent::start(story.folder())?;
        for _ in 0..EACH {
            drop(open(
                network,
                viewer,
                server.address(),
                (LONG_ANSWER, 2_000_000),
            )?);
            drop(open(
                network,
                taker,
                server.address(),
                (LONG_ANSWER, 1_000),
            )?);
            let held = open(network, cut_off, server.address(), (LONG_ANSWER, 2_000_000))?;
            cut(network, cut_off)?;
            drop(held);
        }
        agent.stop(Signal::SIGTERM)?;
        for (address, well) in [(viewer, EACH), (taker, 0), (cut_off, 0)] {
            let found = [
                ended(story, address, "ended_well")?,
                ended(story, address, "ended_early")?,
            ];
            ensure!(found == [well, EACH - well], "{address}: {found:?}");
        }
        Ok(())
    })
}

/// Connections of one application host to a server, all day; then the whole of it hangs, and an agent that has
/// not seen them well itself is asked. Whoever was never seen well is accused.
fn a_pool_that_was_well_may_hang(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("past-pool-{}", family.name());
    Story::play(&name, family, |story| {
        let network = story.server();
        let server = TinyServer::start(network, story.lab.addresses.server(family))?;
        let [pool, stranger, _] = addresses(network, family)?;
        let agent = Agent::start(story.folder())?;
        let mut members = Vec::new();
        for _ in 0..HELD {
            members.push(open(network, pool, server.address(), ("/small", 1_000))?);
        }
        let paused = pause(network, pool, server.address())?;
        agent.wait_peer(pool, "its others are counted", PATIENCE, |seen| {
            seen.verdict.as_deref() == Some("slow-client")
                && seen.stalled_connections == HELD as u64
        })?;
        expect::until("others are well", PATIENCE, || {
            let page = agent.get("/v1/peers")?.body;
            Ok(page
                .contains(&format!("\"connections_well\":{HELD}"))
                .then_some(()))
        })?;
        agent.stop(Signal::SIGTERM)?;
        drop(paused);
        drop(members);
        ensure!(ended(story, pool, "seen_well")? == HELD as u64);

        let agent = Agent::start(story.folder())?;
        let _held = pause(network, stranger, server.address())?;
        let _hung = pause(network, pool, server.address())?;
        accused_alone(&agent, stranger, pool)
    })
}

/// One connection for each request of those whom it serves, to a server in a container of its own user's. What
/// has ended there says nothing of it elsewhere.
fn a_busy_balancer_before_a_network_of_ones_own_is_no_attacker(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("past-own-{}", family.name());
    Story::play(&name, family, |story| {
        let (_container, theirs) = network_of_ones_own()?;
        theirs.ip("link set lo up")?;
        let [balancer, attacker, server] = addresses(&theirs, family)?;
        let server = TinyServer::start(&theirs, server)?;
        let agent = Agent::start(story.folder())?;
        fetch_times(&theirs, balancer, server.address(), 12)?;
        let _held = pause(&theirs, attacker, server.address())?;
        let _paused = pause(&theirs, balancer, server.address())?;
        accused_alone(&agent, attacker, balancer)?;
        agent.stop(Signal::SIGTERM)?;
        ensure!(
            ended(story, balancer, "ended_well")? == 0,
            "it has a past elsewhere"
        );
        Ok(())
    })
}

/// Three peers, that are hosts of this network.
fn addresses(network: &Namespace, family: Family) -> Result<[IpAddr; 3]> {
    let addresses = [4, 5, 6].map(|number| address_elsewhere(family, number));
    for address in addresses {
        network.ip(&format!("address add {address} dev lo"))?;
    }
    Ok(addresses)
}

/// Asks, takes so much and goes on.
fn open(
    network: &Namespace,
    from: IpAddr,
    server: SocketAddr,
    (path, taken): (&str, usize),
) -> Result<KernelPeer> {
    let source = Some(SocketAddr::new(from, 0));
    let mut peer = KernelPeer::connect_with(network, source, server, Some(BUFFER_BYTES))?;
    peer.request(path)?;
    peer.read(taken)?;
    Ok(peer)
}

/// Ends all connections to an address from this side.
fn cut(network: &Namespace, address: IpAddr) -> Result<()> {
    let cut = network.stdout_of(&format!(
        "ss --no-header --kill --tcp dst {}",
        in_a_filter(address)
    ))?;
    ensure!(!cut.is_empty(), "there is nothing to {address}");
    Ok(())
}

fn in_a_filter(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// So many that ask for a long answer and read nothing of it.
fn pause(network: &Namespace, from: IpAddr, server: SocketAddr) -> Result<Vec<KernelPeer>> {
    let paused = (0..HELD).map(|_| open(network, from, server, (LONG_ANSWER, 0)));
    paused.collect()
}

/// One is accused, the other not, however long both hold as much.
fn accused_alone(agent: &Agent, accused: IpAddr, spared: IpAddr) -> Result<()> {
    agent.wait_peer(accused, "an attack", PATIENCE, |seen| {
        seen.verdict.as_deref() == Some("zero-window-attack")
    })?;
    let seen = agent.wait_peer(spared, "a hoard", PATIENCE, |seen| {
        seen.stalled_connections >= HELD as u64 && seen.longest_stall_seconds > 40.0
    })?;
    ensure!(seen.verdict.as_deref() == Some("slow-client"), "{seen:?}");
    let report = agent.get(&format!("/v1/peers/{spared}"))?.body;
    ensure!(report.contains("others-behave"), "{report}");
    Ok(())
}
