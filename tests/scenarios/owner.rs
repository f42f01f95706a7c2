//! Whoever holds the socket of a stalled connection is named, also after it has closed it; and
//! workers that wait for peers that do not read are counted. An event loop that merely owns such
//! connections is not held by them. A server in a container is named as the host sees it.

use crate::stage::{both_families, suffix};
use anyhow::{Context, Result, bail, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, ConnectionView, HeldWorkersView, ProcessView};
use detector_tests::expect;
use detector_tests::lab::{Child, ControlGroup, Family, Namespace, require};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::{Nginx, NginxSettings};
use detector_tests::story::Story;
use nix::sys::signal::Signal;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

const LARGE_BYTES: u64 = 64 << 20;

/// Arguments: where it listens. One thread serves all connections.
const EVENT_LOOP: &str = "
import asyncio, sys
async def serve(reader, writer):
    await reader.readuntil(b'\\r\\n\\r\\n')
    writer.write(bytes(1 << 23))
    await writer.drain()
async def main():
    server = await asyncio.start_server(serve, sys.argv[1], 8000)
    await server.serve_forever()
asyncio.run(main())
";
/// Arguments: where it listens. As the runtime of Go does it: one thread waits for all sockets, others
/// write without blocking and wait for each other (`futex`), and none stays with a connection.
const SHARED_POLLER: &str = "
import queue, select, socket, sys, threading
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], 8000), family=family)
poller, runnable, connections = select.epoll(), queue.SimpleQueue(), {}
poller.register(listener, select.EPOLLIN)
def work():
    while True:
        connection = runnable.get()
        try:
            while True: connection.send(bytes(1 << 16))
        except BlockingIOError:
            poller.modify(connection, select.EPOLLOUT | select.EPOLLONESHOT)
        except OSError:
            connections.pop(connection.fileno()).close()
for _ in range(4): threading.Thread(target=work, daemon=True).start()
while True:
    for descriptor, _ in poller.poll():
        if descriptor != listener.fileno():
            runnable.put(connections[descriptor])
            continue
        connection = listener.accept()[0]
        connection.setblocking(False)
        connections[connection.fileno()] = connection
        poller.register(connection, select.EPOLLIN | select.EPOLLONESHOT)
";

both_families!(
    nginx_is_named_not_held_and_remembered,
    threads_that_wait_in_a_write_are_held,
    prefork_workers_are_held,
    nobody_of_an_event_loop_is_held,
    nobody_of_threads_that_share_a_poller_is_held,
    server_in_a_container_is_named_as_the_host_sees_it,
);

fn nginx_is_named_not_held_and_remembered(family: Family) -> Result<()> {
    Story::play(&suffix("owner-nginx", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let ip = story.lab.addresses.server(family);
        // Not the one of the tests, in which servers of other stories are held.
        let id = format!("{:08x}{:04x}", std::process::id(), story.lab.number());
        let group = ControlGroup::create(format!("docker-{id:0<64}.scope"))?;
        let settings = NginxSettings {
            group: Some(&group),
            ..NginxSettings::default()
        };
        let nginx = Nginx::start(story.server(), ip, story.folder(), settings)?;
        let client = ask(story, nginx.address())?;
        let peer = client.address()?.ip();
        let named = agent.wait_connection(peer, "its owner", PATIENCE, |seen| {
            seen.stall.is_some() && !seen.processes.is_empty()
        })?;
        let owner = named.processes.first().context("an owner")?;
        ensure!(owner.comm == "nginx", "{named:?}");
        ensure!(parent_of(owner.pid)? == nginx.pid(), "{named:?}");
        agent.wait_peer(peer, "its owner", PATIENCE, |seen| {
            seen.processes.iter().any(|each| each.pid == owner.pid)
        })?;
        let held = wait_held(&agent, owner, |held| held.stalled_connections >= 1)?;
        ensure!(held.held.is_none() && held.total >= 2, "{held:?}");
        let labels = [("service", held.service.as_str())];
        let told = agent.metrics()?.find("detector_held_workers", &labels)?;
        ensure!(told.is_none(), "{told:?} in the metrics, {held:?}");

        drop(nginx);
        let orphan = agent.wait_connection(peer, "an orphan", PATIENCE, |seen| seen.is_orphan)?;
        ensure!(orphan.processes.first() == Some(owner), "{orphan:?}");
        Ok(())
    })
}

fn threads_that_wait_in_a_write_are_held(family: Family) -> Result<()> {
    Story::play(&suffix("owner-threads", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let (server, address) = start_python(story, family, Command::new("python3"))?;
        let clients = [ask(story, address)?, ask(story, address)?];
        let peer = clients[0].address()?.ip();
        let named = wait_for_writer(&agent, peer)?;
        let owner = named.processes.first().context("an owner")?;
        ensure!(owner.pid == server.pid(), "{named:?}");
        // The first thread accepts; others serve.
        ensure!(owner.thread != Some(owner.pid), "{named:?}");
        let held = wait_held(&agent, owner, |held| held.held >= Some(2))?;
        ensure!(Some(held.total) > held.held, "{held:?}");
        let labels = [("service", held.service.as_str())];
        let value = agent.metrics()?.value("detector_held_workers", &labels)?;
        ensure!(value >= 2.0, "{value} in the metrics, {held:?}");
        Ok(())
    })
}

fn prefork_workers_are_held(family: Family) -> Result<()> {
    Story::play(&suffix("owner-prefork", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let (server, address) = start_apache(story, family)?;
        let clients = [
            ask(story, address)?,
            ask(story, address)?,
            ask(story, address)?,
        ];
        let peer = clients[0].address()?.ip();
        let what = "all three workers";
        let seen = agent.wait_peer(peer, what, PATIENCE, |seen| seen.processes.len() == 3)?;
        for process in &seen.processes {
            ensure!(parent_of(process.pid)? == server.pid(), "{seen:?}");
        }
        wait_held(&agent, &seen.processes[0], |held| held.held >= Some(3)).map(drop)
    })
}

fn nobody_of_an_event_loop_is_held(family: Family) -> Result<()> {
    nobody_is_held(family, "owner-loop", EVENT_LOOP)
}

fn nobody_of_threads_that_share_a_poller_is_held(family: Family) -> Result<()> {
    nobody_is_held(family, "owner-poller", SHARED_POLLER)
}

/// Of a server that leaves no task with a connection, it is told how many connections are stalled and for
/// how long, and nothing of workers.
fn nobody_is_held(family: Family, name: &str, program: &str) -> Result<()> {
    const CLIENTS: u64 = 12;
    Story::play(&suffix(name, family), family, |story| {
        require(&[("python3", "python3")])?;
        let agent = Agent::start(story.folder())?;
        let id = format!("{:08x}{:04x}", std::process::id(), story.lab.number());
        let group = ControlGroup::create(format!("docker-{id:0<64}.scope"))?;
        let address = SocketAddr::new(story.lab.addresses.server(family), 8_000);
        let mut command = Command::new("python3");
        command.args(["-c", program, &address.ip().to_string()]);
        group.place(&mut command)?;
        let server = start(story, command, address)?;
        let clients = (0..CLIENTS).map(|_| ask(story, address));
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let peer = clients[0].address()?.ip();
        let named = agent.wait_connection(peer, "its owner, and since when", PATIENCE, |seen| {
            seen.stall.is_some() && seen.stalled_seconds >= 2.0 && !seen.processes.is_empty()
        })?;
        let owner = named.processes.first().context("an owner")?;
        ensure!(owner.pid == server.pid(), "{named:?}");
        ensure!(owner.thread.is_none(), "{named:?}");
        let unit = format!("docker:{id}");
        let held = wait_held(&agent, owner, |held| {
            held.service == unit && held.stalled_connections == CLIENTS
        })?;
        ensure!(held.held.is_none(), "{held:?}");
        let labels = [("service", unit.as_str())];
        let told = agent.metrics()?.find("detector_held_workers", &labels)?;
        ensure!(told.is_none(), "{told:?} in the metrics, {held:?}");
        Ok(())
    })
}

fn server_in_a_container_is_named_as_the_host_sees_it(family: Family) -> Result<()> {
    Story::play(&suffix("owner-container", family), family, |story| {
        require(&[("unshare", "util-linux")])?;
        let agent = Agent::start(story.folder())?;
        let id = format!("{:08x}{:04x}", std::process::id(), story.lab.number());
        let group = ControlGroup::create(format!("docker-{id:0<64}.scope"))?;
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "python3"]);
        group.place(&mut command)?;
        let (container, address) = start_python(story, family, command)?;
        let client = ask(story, address)?;
        let peer = client.address()?.ip();
        let named = wait_for_writer(&agent, peer)?;
        let owner = named.processes.first().context("an owner")?;
        ensure!(parent_of(owner.pid)? == container.pid(), "{named:?}");
        let pids = numbers_of(owner.pid, "NSpid")?;
        ensure!(pids == [owner.pid, 1], "{pids:?}, {named:?}");
        let thread = owner.thread.context("a thread")?;
        let task = format!("/proc/{}/task/{thread}", owner.pid);
        ensure!(Path::new(&task).exists(), "{named:?}");
        let unit = format!("docker:{id}");
        ensure!(owner.unit.as_ref() == Some(&unit), "{named:?}");
        wait_held(&agent, owner, |held| {
            held.service == unit && held.held >= Some(1)
        })?;
        // The first process of a namespace heeds no other signal that it has no handler for.
        container.signal(Signal::SIGKILL)
    })
}

/// A client that asks for much and reads nothing.
fn ask(story: &Story, server: SocketAddr) -> Result<KernelPeer> {
    let mut client = KernelPeer::connect(&story.lab.client, server)?;
    client.request("/large")?;
    Ok(client)
}

/// Waits until the thread that writes into a stalled connection of `peer` is known.
fn wait_for_writer(agent: &Agent, peer: IpAddr) -> Result<ConnectionView> {
    agent.wait_connection(peer, "the writing thread", PATIENCE, |seen| {
        let mut processes = seen.processes.iter();
        processes.any(|process| process.thread.is_some())
    })
}

/// Waits for the tasks of the service that `owner` is of: its unit, or what runs its executable.
fn wait_held(
    agent: &Agent,
    owner: &ProcessView,
    is_met: impl Fn(&HeldWorkersView) -> bool,
) -> Result<HeldWorkersView> {
    let executable = owner.executable.as_deref().context("an executable")?;
    let what = format!("held workers of {executable}");
    expect::until(&what, PATIENCE, || {
        let services = agent.held_workers()?;
        let of_executable = format!("({executable})");
        let mut found = services.into_iter().filter(|each| {
            let is_unit = owner.unit.as_ref() == Some(&each.service);
            is_unit || each.service.ends_with(&of_executable)
        });
        Ok(found.find(|each| is_met(each)))
    })
    .with_context(|| format!("agent says {:?}", agent.held_workers()))
}

fn parent_of(pid: u32) -> Result<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(')').context("a command")?.1;
    let parent = rest.split_whitespace().nth(1).context("a parent")?;
    Ok(parent.parse()?)
}

/// The numbers of the line `name` in the status of process `pid`.
fn numbers_of(pid: u32, name: &str) -> Result<Vec<u32>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, numbers) = lines.find(|line| line.0 == name).context("the line")?;
    let numbers = numbers.split_whitespace().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// Starts python by `command`, which lacks only its arguments.
fn start_python(
    story: &Story,
    family: Family,
    mut command: Command,
) -> Result<(Child, SocketAddr)> {
    require(&[("python3", "python3")])?;
    let address = SocketAddr::new(story.lab.addresses.server(family), 8_000);
    command
        .args(["-m", "http.server", "8000", "--bind"])
        .arg(address.ip().to_string())
        .arg("--directory")
        .arg(story.folder());
    start(story, command, address).map(|server| (server, address))
}

fn start_apache(story: &Story, family: Family) -> Result<(Child, SocketAddr)> {
    require(&[("apache2", "apache2")])?;
    let address = SocketAddr::new(story.lab.addresses.server(family), 80);
    let folder = story.folder();
    let configuration = folder.join("apache.conf");
    std::fs::write(&configuration, configure_apache(address, folder))?;
    let mut command = Command::new("apache2");
    command.args(["-D", "FOREGROUND", "-f"]).arg(&configuration);
    start(story, command, address).map(|server| (server, address))
}

fn configure_apache(address: SocketAddr, folder: &Path) -> String {
    format!(
        "ServerRoot /usr/lib/apache2
ServerName server
Listen {address}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache-error.log
LoadModule mpm_prefork_module modules/mod_mpm_prefork.so
LoadModule authz_core_module modules/mod_authz_core.so
StartServers 4
MinSpareServers 2
MaxRequestWorkers 8
TimeOut 300
User www-data
DocumentRoot {folder}
",
        folder = folder.display()
    )
}

fn start(story: &Story, mut command: Command, address: SocketAddr) -> Result<Child> {
    // The file's size is what matters: it is sparse and costs nothing.
    File::create(story.folder().join("large"))?.set_len(LARGE_BYTES)?;
    let log = story.folder().join("server.log");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let namespace: &Namespace = story.server();
    namespace.place(&mut command);
    let mut child = Child::start(command)?;
    expect::until("the server accepts connections", PATIENCE, || {
        if let Some(status) = child.status()? {
            bail!("it ended early ({status}), see {}", log.display());
        }
        namespace.enter(|| Ok(TcpStream::connect(address).ok().map(drop)))
    })?;
    Ok(child)
}
