//! Neighbours on one kernel. A proxy of ours shows each client twice: the client is found, and what the
//! proxy holds up in turn counts nowhere. Its counterpart is a stranger to whose address the kernel has
//! given one of ours (SNAT): it is judged. An agent that does not see the processes of its neighbours
//! says that a socket is theirs; one that does, says that it has none.

use crate::stage::{both_families, suffix};
use anyhow::{Context, Result, bail, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, ConnectionView, in_a_container};
use detector_tests::expect;
use detector_tests::lab::{Child, Family, Namespace, require};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

both_families!(
    client_of_a_proxy_of_ours_is_counted_once,
    stranger_under_our_address_is_judged,
    sockets_of_neighbours_are_told,
    two_nodes_on_one_kernel_know_their_own,
);

const CLIENTS: usize = 6;
const PORT: u16 = 8_001;
const NODE_PORT: u16 = 8_000;
/// Arguments: where it listens, and the server; it calls the server from where it listens.
const PROXY: &str = "
import socket, sys, threading
own, port, server, server_port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ':' in own else socket.AF_INET
listener = socket.create_server((own, port), family=family)
print('listening', flush=True)
def pump(source, sink):
    while data := source.recv(65536): sink.sendall(data)
while True:
    client = listener.accept()[0]
    inner = socket.create_connection((server, server_port), source_address=(own, 0))
    for ends in (client, inner), (inner, client):
        threading.Thread(target=pump, args=ends, daemon=True).start()
";

fn client_of_a_proxy_of_ours_is_counted_once(family: Family) -> Result<()> {
    Story::play(&suffix("own-proxy", family), family, |story| {
        let _tun = story.lab.open_tun()?;
        let addresses = story.lab.addresses;
        // The gateway's address is of the link, the server's of the TUN device.
        let own = SocketAddr::new(addresses.server(family), PORT);
        let server = TinyServer::start(story.server(), addresses.tun_server(family))?;
        let _proxy = start_proxy(story, own, server.address())?;
        let agent = Agent::start_in(story.server(), story.folder())?;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = KernelPeer::connect(&story.lab.client, own)?;
            client.request("/bytes/40000000")?;
            clients.push(client);
        }
        let client_ip = addresses.client(family);
        agent.wait_peer(client_ip, "its stalls, each once", PATIENCE, |seen| {
            seen.stalled_connections == CLIENTS as u64
        })?;
        let inner = expect::until("what the proxy holds up", PATIENCE, || {
            let mut seen = agent.connections(own.ip())?;
            seen.retain(|each| each.within_host && each.stall.is_some());
            Ok((seen.len() == CLIENTS).then_some(seen))
        })?;
        let local = server.address().to_string();
        ensure!(inner.iter().all(|each| each.local == local), "{inner:?}");
        let client = agent.peer(client_ip)?.context("the client")?;
        ensure!(client.stalled_connections == CLIENTS as u64, "{client:?}");
        ensure!(client.verdict.as_deref() != Some("benign"), "{client:?}");
        // An IPv6 peer is a network, which has both addresses.
        if family == Family::V4 {
            let gateway = agent.wait_peer(own.ip(), "the gateway let off", PATIENCE, |seen| {
                seen.verdict.as_deref() == Some("benign")
            })?;
            ensure!(gateway.stalled_connections == 0, "{gateway:?}");
            ensure!(gateway.severity == "info", "{gateway:?}");
        }
        Ok(())
    })
}

fn stranger_under_our_address_is_judged(family: Family) -> Result<()> {
    Story::play(&suffix("snat", family), family, |story| {
        let _tun = story.lab.open_tun()?;
        let addresses = story.lab.addresses;
        let server = TinyServer::start(story.server(), addresses.server(family))?;
        let shown = addresses.tun_server(family);
        let (client, ip) = match family {
            Family::V4 => (addresses.client(family), "ip"),
            Family::V6 => (addresses.client(family), "ip6"),
        };
        for line in [
            "nft add table inet stranger".to_owned(),
            "nft add chain inet stranger input { type nat hook input priority 100 ; }".to_owned(),
            format!(
                "nft add rule inet stranger input {ip} saddr {client} tcp dport {} snat {ip} to {shown}",
                server.address().port()
            ),
        ] {
            story.server().stdout_of(&line)?;
        }
        let agent = Agent::start_in(story.server(), story.folder())?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        agent.wait_peer(shown, "the stranger under our address", PATIENCE, |seen| {
            seen.stalled_connections == 1 && seen.verdict.as_deref() == Some("slow-client")
        })?;
        // Longer than the other end is looked up.
        agent.wait_sweeps(3)?;
        let seen = agent.connections(shown)?;
        ensure!(seen.iter().all(|each| !each.within_host), "{seen:?}");
        ensure!(
            agent
                .peer(shown)?
                .is_some_and(|seen| seen.stalled_connections == 1)
        );
        Ok(())
    })
}

fn sockets_of_neighbours_are_told(family: Family) -> Result<()> {
    Story::play(&suffix("neighbours", family), family, |story| {
        require(&[("unshare", "util-linux")])?;
        let folder = story.folder().join("host");
        std::fs::create_dir(&folder)?;
        let of_host = Agent::start(&folder)?;
        let options = AgentOptions {
            under: in_a_container(),
            ..AgentOptions::default()
        };
        let contained = Agent::start_with(story.folder(), &options)?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        let peer = client.address()?.ip();
        contained.wait_connection(peer, "that its socket is a neighbour's", PATIENCE, |seen| {
            seen.owner_out_of_sight && seen.processes.is_empty()
        })?;
        let status = contained.status()?;
        ensure!(status["shared_kernel"] == true, "{status}");
        ensure!(
            status["connections_of_others"].as_u64() >= Some(1),
            "{status}"
        );
        let seen = of_host.wait_connection(peer, "its owner", PATIENCE, |seen| {
            !seen.processes.is_empty()
        })?;
        ensure!(!seen.owner_out_of_sight, "{seen:?}");
        let status = of_host.status()?;
        ensure!(status["shared_kernel"] == false, "{status}");
        ensure!(status["connections_of_others"] == 0, "{status}");
        Ok(())
    })
}

/// Each node has a network, processes and mounts of its own, an agent, and a server that the other calls.
fn two_nodes_on_one_kernel_know_their_own(family: Family) -> Result<()> {
    Story::play_between_hosts(&suffix("two-nodes", family), family, |story| {
        require(&[("unshare", "util-linux"), ("python3", "python3")])?;
        let (server, client) = (story.server(), &story.lab.client);
        let addresses = story.lab.addresses;
        let [here, there] = [addresses.server(family), addresses.client(family)];
        let of_server = start_node(&story.folder().join("server"), server, here)?;
        let of_client = start_node(&story.folder().join("client"), client, there)?;
        let _calls = [
            call(client, SocketAddr::new(here, NODE_PORT))?,
            call(server, SocketAddr::new(there, NODE_PORT))?,
        ];
        let is_of_server = |seen: &ConnectionView| seen.local.ends_with(&format!(":{NODE_PORT}"));
        for (agent, of_own, of_other) in [(&of_server, there, here), (&of_client, here, there)] {
            let own = agent.wait_connection(of_own, "its owner", PATIENCE, |seen| {
                is_of_server(seen) && seen.stall.is_some() && !seen.processes.is_empty()
            })?;
            ensure!(!own.owner_out_of_sight, "{own:?}");
            let what = "that a socket is the other's";
            agent.wait_connection(of_other, what, PATIENCE, |seen| {
                is_of_server(seen) && seen.owner_out_of_sight && seen.processes.is_empty()
            })?;
            let status = agent.status()?;
            ensure!(status["shared_kernel"] == true, "{status}");
            let others = status["connections_of_others"].as_u64();
            ensure!(others >= Some(1), "{status}");
        }
        Ok(())
    })
}

/// An agent and, among the processes that it sees, a server at this address.
fn start_node(folder: &Path, network: &Namespace, ip: IpAddr) -> Result<Agent> {
    std::fs::create_dir(folder)?;
    File::create(folder.join("large"))?.set_len(64 << 20)?;
    let serve = format!(
        "python3 -m http.server {NODE_PORT} --bind {ip} --directory '{}' >/dev/null 2>&1 & exec \"$@\"",
        folder.display()
    );
    let mut under = in_a_container();
    under.extend(["sh", "-c", &serve, "sh"].map(str::to_owned));
    let options = AgentOptions {
        under,
        ..AgentOptions::default()
    };
    Agent::start_in_with(network, folder, &options)
}

/// A client that asks for much and reads nothing, once the server is there.
fn call(network: &Namespace, server: SocketAddr) -> Result<KernelPeer> {
    let mut client = expect::until("a server that accepts", PATIENCE, || {
        Ok(KernelPeer::connect(network, server).ok())
    })?;
    client.request("/large")?;
    Ok(client)
}

fn start_proxy(story: &Story, own: SocketAddr, server: SocketAddr) -> Result<Child> {
    require(&[("python3", "python3")])?;
    let log = story.folder().join("proxy.log");
    let mut command = Command::new("python3");
    command.args(["-c", PROXY]);
    for end in [own, server] {
        command
            .arg(end.ip().to_string())
            .arg(end.port().to_string());
    }
    command.stdin(Stdio::null()).stdout(File::create(&log)?);
    story.server().place(&mut command);
    let mut proxy = Child::start(command)?;
    expect::until("the proxy listens", PATIENCE, || {
        if let Some(status) = proxy.status()? {
            bail!("it ended early ({status})");
        }
        let said = std::fs::read_to_string(&log)?;
        Ok(said.contains("listening").then_some(()))
    })?;
    Ok(proxy)
}
