//! The past of addresses: it outlives the agent, and whoever comes with very many addresses. It is made only of
//! what ended where addresses mean what they mean to the agent; the quiet twin of each stranger is who
//! fetched as much on the host's way in.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::lab::{Family, Namespace, network_of_ones_own};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

both_families!(
    how_connections_ended_is_known_after_a_stop,
    what_ends_in_a_network_of_ones_own_is_nobodys_past,
    what_we_opened_and_sent_nothing_on_is_nobodys_past,
    who_has_very_many_addresses_makes_nobody_with_a_past_forgotten,
);

const FETCHES: u64 = 12;
/// The last one may still be closing.
const SEEN_LEAST: u64 = FETCHES - 1;

/// Whoever looks at the file that an agent leaves sees what the agents before it knew.
fn how_connections_ended_is_known_after_a_stop(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(&format!("history-{}", family.name()), family, |story| {
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let address = story.lab.addresses.client(family);
        let agent = Agent::start(story.folder())?;
        fetch(&story.lab.client, address, server.address())?;
        agent.stop(Signal::SIGTERM)?;
        let ended = ended_well(story, address)?;
        ensure!(ended >= SEEN_LEAST, "{ended}");
        // These have seen none of them.
        for _ in 0..2 {
            Agent::start(story.folder())?.stop(Signal::SIGTERM)?;
            ensure!(ended_well(story, address)? == ended, "forgotten");
        }
        Ok(())
    })
}

/// Else whoever can lay out a network makes any address pass for one that many use.
fn what_ends_in_a_network_of_ones_own_is_nobodys_past(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("history-framed-{}", family.name()),
        family,
        |story| {
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let (stranger, theirs) = network_of_ones_own()?;
            let [played, their_server] = [1, 2].map(|number| address_elsewhere(family, number));
            theirs.ip("link set lo up")?;
            for address in [played, their_server] {
                theirs.ip(&format!("address add {address} dev lo"))?;
            }
            let their_server = TinyServer::start(&theirs, their_server)?;
            let agent = Agent::start(story.folder())?;
            fetch(&theirs, played, their_server.address())?;
            let client = story.lab.addresses.client(family);
            fetch(&story.lab.client, client, server.address())?;
            agent.stop(Signal::SIGTERM)?;
            drop(stranger);
            let (ended, on_our_way) = (ended_well(story, played)?, ended_well(story, client)?);
            ensure!(on_our_way >= SEEN_LEAST, "{on_our_way}");
            ensure!(ended == 0, "{ended} connections of {played} have ended");
            Ok(())
        },
    )
}

/// Looks whether somebody listens, of this host: more than make a past, and of each sort. The twin is a request.
fn what_we_opened_and_sent_nothing_on_is_nobodys_past(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("history-opened-{}", family.name()),
        family,
        |story| {
            let theirs = story.lab.addresses.client(family);
            let (listener, refusing) = story.lab.client.enter(|| {
                let listener = TcpListener::bind(SocketAddr::new(theirs, 0))?;
                let refusing = TcpListener::bind(SocketAddr::new(theirs, 0))?.local_addr()?;
                Ok((listener, refusing))
            })?;
            let listening = listener.local_addr()?;
            let open = |times: u64, bytes: &[u8]| {
                story.server().enter(|| {
                    for _ in 0..times {
                        ensure!(TcpStream::connect(refusing).is_err(), "somebody listens");
                        let mut stream = TcpStream::connect(listening)?;
                        stream.write_all(bytes)?;
                        let (taken, _) = listener.accept()?;
                        drop(stream);
                        io::copy(&mut &taken, &mut io::sink())?;
                    }
                    Ok(())
                })
            };
            let agent = Agent::start(story.folder())?;
            open(2 * FETCHES, b"")?;
            agent.stop(Signal::SIGTERM)?;
            ensure!(ended(story, theirs, "ended_well")? == 0);
            ensure!(ended(story, theirs, "ended_early")? == 0);
            let agent = Agent::start(story.folder())?;
            open(FETCHES, b"GET / HTTP/1.0\r\n\r\n")?;
            agent.stop(Signal::SIGTERM)?;
            let requests = ended_well(story, theirs)?;
            ensure!(requests >= SEEN_LEAST, "{requests}");
            ensure!(ended(story, theirs, "ended_early")? == 0);
            Ok(())
        },
    )
}

/// Nearly four times as many addresses as the table of those that came last has room for: what was used lately
/// has a second chance there.
fn who_has_very_many_addresses_makes_nobody_with_a_past_forgotten(family: Family) -> Result<()> {
    const ADDRESSES: u16 = 61_440;
    const SELDOM: u64 = 5;
    let _machine = crate::machine();
    Story::play(
        &format!("history-flood-{}", family.name()),
        family,
        |story| {
            let network = story.server();
            let server = TinyServer::start(network, story.lab.addresses.server(family))?;
            let known = story.lab.addresses.client(family);
            // Comes too seldom to have a past.
            let seldom = address_elsewhere(family, 3);
            network.ip(&format!("address add {seldom} dev lo"))?;
            let agent = Agent::start(story.folder())?;
            fetch(&story.lab.client, known, server.address())?;
            fetch_times(network, seldom, server.address(), SELDOM)?;
            agent.stop(Signal::SIGTERM)?;
            let ended = ended_well(story, known)?;
            ensure!(ended >= SEEN_LEAST, "{ended}");
            let ended_of_seldom = ended_well(story, seldom)?;
            ensure!(ended_of_seldom + 1 >= SELDOM, "{ended_of_seldom}");

            let agent = Agent::start(story.folder())?;
            flood(network, family, ADDRESSES)?;
            agent.stop(Signal::SIGTERM)?;
            ensure!(ended_well(story, seldom)? == 0, "that was no flood");
            ensure!(ended_well(story, known)? == ended, "forgotten");
            Ok(())
        },
    )
}

/// One connection from each of so many addresses, all of them this network's, that is served. On all processors
/// in turn: the kernel's table keeps what came last by way of each, until as many more came that way.
fn flood(network: &Namespace, family: Family, addresses: u16) -> Result<()> {
    let server: IpAddr = match family {
        Family::V4 => {
            network.ip("route add local 10.64.0.0/16 dev lo")?;
            Ipv4Addr::LOCALHOST.into()
        }
        Family::V6 => {
            network.ip("route add local 2001:2::/48 dev lo")?;
            network.sysctl("ipv6/ip_nonlocal_bind", "1")?;
            Ipv6Addr::LOCALHOST.into()
        }
    };
    network.enter(|| {
        let listener = TcpListener::bind(SocketAddr::new(server, 0))?;
        let address = listener.local_addr()?;
        let mut processors = processors()?.into_iter().cycle();
        for number in 0..addresses {
            if let Some(processor) = processors.next() {
                // This thread ends with the flood.
                sched_setaffinity(Pid::from_raw(0), &processor)?;
            }
            let [high, low] = number.to_be_bytes();
            let from: IpAddr = match family {
                Family::V4 => [10, 64, high, low].into(),
                // Each a peer of its own.
                Family::V6 => Ipv6Addr::new(0x2001, 2, 0, number, 0, 0, 0, 1).into(),
            };
            let client = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            client.bind(&SocketAddr::new(from, 0).into())?;
            client.connect(&address.into())?;
            let (mut served, _) = listener.accept()?;
            served.write_all(b"all of it")?;
            drop(served);
            io::copy(&mut TcpStream::from(client), &mut io::sink())?;
        }
        Ok(())
    })
}

/// Each processor that this thread may run on, alone.
fn processors() -> Result<Vec<CpuSet>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let mut processors = Vec::new();
    for number in 0..CpuSet::count() {
        if allowed.is_set(number)? {
            let mut processor = CpuSet::new();
            processor.set(number)?;
            processors.push(processor);
        }
    }
    Ok(processors)
}

/// Both ends of each connection are on this host: only that in the agent's own network counts.
#[test]
fn an_agent_of_a_container_counts_what_ends_in_it_alone() -> Result<()> {
    let _machine = crate::machine();
    Story::play("history-container", Family::V4, |story| {
        let address = story.lab.addresses.server(Family::V4);
        let client = story.lab.addresses.client(Family::V4);
        let server = TinyServer::start(story.server(), address)?;
        let options = AgentOptions::with("[detect]\nscope = \"container\"\n");
        let agent = Agent::start_in_with(story.server(), story.folder(), &options)?;
        fetch(&story.lab.client, client, server.address())?;
        agent.stop(Signal::SIGTERM)?;
        let inside = ended_well(story, client)?;
        ensure!(inside >= SEEN_LEAST, "{inside}");
        let outside = ended_well(story, address)?;
        ensure!(
            outside == 0,
            "{outside} connections to {address} have ended"
        );
        Ok(())
    })
}

/// A peer of its own that no lab has.
pub(crate) fn address_elsewhere(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => [10, 65, number, 1].into(),
        Family::V6 => Ipv6Addr::new(0x2001, 2, 0, 0xff00 | u16::from(number), 0, 0, 0, 1).into(),
    }
}

/// Connections from an address that read all that they are sent.
fn fetch(namespace: &Namespace, from: IpAddr, server: SocketAddr) -> Result<()> {
    fetch_times(namespace, from, server, FETCHES)
}

pub(crate) fn fetch_times(
    namespace: &Namespace,
    from: IpAddr,
    server: SocketAddr,
    times: u64,
) -> Result<()> {
    for _ in 0..times {
        let source = Some(SocketAddr::new(from, 0));
        let mut client = KernelPeer::connect_with(namespace, source, server, None)?;
        client.request("/close/50000")?;
        client.read_to_end()?;
    }
    Ok(())
}

/// How many connections of an address have ended well, as an agent has left it.
fn ended_well(story: &Story, address: IpAddr) -> Result<u64> {
    ended(story, address, "ended_well")
}

pub(crate) fn ended(story: &Story, address: IpAddr, how: &str) -> Result<u64> {
    let file = story.folder().join("agent/state/history.json");
    let kept: Value = serde_json::from_slice(&fs::read(file)?)?;
    let peer = match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    };
    let addresses = kept["addresses"].as_array().context("no addresses")?;
    let of_peer = addresses
        .iter()
        .filter(|each| each["address"] == peer.to_string());
    let spans = of_peer.flat_map(|each| each["spans"].as_array().into_iter().flatten());
    Ok(spans.filter_map(|span| span[how].as_u64()).sum())
}
