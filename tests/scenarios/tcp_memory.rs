//! All of TCP's memory has a holder: a program of ours that does not read, or does not even accept, is
//! named with what its queues hold, and the peer that sends is not; a stalled peer's send queue is told
//! apart. Its quiet twin is a program that reads all. A container with a limit of memory is told with
//! the share of it that a peer holds, where the kernel counts sockets against the limit.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Context, Result, bail, ensure};
use detector_lab::stage::Site;
use detector_recorder::{Reader, Span};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Child, ControlGroup, Family, require};
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::schema::Schema;
use detector_tests::story::Story;
use serde_json::Value;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

both_families!(
    program_that_does_not_read_is_named_and_no_peer,
    program_that_does_not_accept_is_named,
    program_that_reads_is_not_mentioned,
    stalled_send_queues_are_told_apart,
    container_is_told_with_its_limit,
);

const PORT: u16 = 8_001;
const SENT_BYTES: usize = 48_000;
/// Seconds read of a recorder.
const SECONDS: usize = 10_000;
/// Arguments: address, port, and what to do with clients.
const PROGRAM: &str = "
import select, socket, sys
address, port, deed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
listener = socket.create_server((address, port), family=family)
print('listening', flush=True)
clients = []
while True:
    ready, _, _ = select.select([listener, sys.stdin] + clients, [], [])
    for each in ready:
        if each is listener and deed == 'wait': select.select([sys.stdin], [], [])
        elif each is listener: clients.append(listener.accept()[0])
        elif each is sys.stdin: sys.exit()
        elif deed == 'hold': select.select([sys.stdin], [], [])
        elif not each.recv(65536): clients.remove(each)
";

fn program_that_does_not_read_is_named_and_no_peer(family: Family) -> Result<()> {
    Story::play(&suffix("unread", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let upload = Upload::play(story, "hold")?;
        let unread = wait_unread(&agent, &upload.program, 0)?;
        ensure!(unread["process"]["comm"] == "python3", "{unread}");
        let labels = [("holder", "receive")];
        let metric = agent
            .metrics()?
            .value("detector_tcp_memory_held_bytes", &labels)?;
        ensure!(metric >= 48_000.0, "{metric}");
        expect::until("a second says so", PATIENCE, || {
            let seconds =
                Reader::open(&story.folder().join("agent/state"))?.seconds(Span::ALL, SECONDS)?;
            let held = seconds.iter().map(|(_, host, _)| host.held_receive_bytes);
            Ok((held.max().flatten() >= Some(48_000)).then_some(()))
        })?;
        expect_unblamed(&agent, upload.peer_ip)
    })
}

fn program_that_does_not_accept_is_named(family: Family) -> Result<()> {
    Story::play(&suffix("not-accepted", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let upload = Upload::play(story, "wait")?;
        wait_unread(&agent, &upload.program, 1)?;
        expect_unblamed(&agent, upload.peer_ip)
    })
}

fn program_that_reads_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("read", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let reads = Upload::play(story, "read")?;
        // One that does not, beside it, shows that both were looked at.
        let address = SocketAddr::new(story.lab.addresses.tun_server(family), PORT + 1);
        let holds = start_program(story, address, "hold")?;
        let _peer = reads.send_to(address, 4_002)?;
        wait_unread(&agent, &holds, 0)?;
        let host = host(&agent)?.context("nobody has looked")?;
        ensure!(find_unread(&host, &reads.program).is_none(), "{host}");
        expect_unblamed(&agent, reads.peer_ip)
    })
}

fn stalled_send_queues_are_told_apart(family: Family) -> Result<()> {
    Story::play(&suffix("stalled-send", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::half_close_and_stop_reading(&peer)?;
        let seen = agent.wait_peer(stage.peer_ip(), "a stall", PATIENCE, |seen| {
            seen.stalled_connections == 1 && seen.pinned_bytes > 0
        })?;
        expect::until("the stalled queue is told", PATIENCE, || {
            let host = host(&agent)?.unwrap_or_default();
            let stalled = host["tcp_memory_held"]["held_bytes"]["stalled_send"].as_u64();
            // Others may stall on this kernel.
            Ok((stalled >= Some(seen.pinned_bytes)).then_some(()))
        })
    })
}

fn container_is_told_with_its_limit(family: Family) -> Result<()> {
    Story::play(&suffix("limited-container", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let id = format!("{:08x}{:04x}", std::process::id(), story.lab.number());
        let group = ControlGroup::create(format!("docker-{id:0<64}.scope"))?;
        let counts_sockets = group.limit_memory(64 << 20)?;
        let address = SocketAddr::new(story.lab.addresses.server(family), 8_000);
        let mut command = Command::new("python3");
        command.args(["-m", "http.server", "8000", "--bind"]);
        command.arg(address.ip().to_string());
        command.arg("--directory").arg(story.folder());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        group.place(&mut command)?;
        story.server().place(&mut command);
        File::create(story.folder().join("large"))?.set_len(64 << 20)?;
        let _container = Child::start(command)?;
        let mut client = expect::until("the container serves", PATIENCE, || {
            Ok(KernelPeer::connect(&story.lab.client, address).ok())
        })?;
        client.request("/large")?;
        let unit = format!("docker:{id}");
        let told = || -> Result<Option<Value>> {
            let status = agent.status()?;
            let mut services = status["held_workers"].as_array().into_iter().flatten();
            Ok(services
                .find(|each| each["service"] == unit.as_str())
                .cloned())
        };
        let peer = client.address()?.ip();
        let page = || -> Result<Value> {
            let page = agent.get(&format!("/v1/peers/{peer}"))?;
            Ok(serde_json::from_str(&page.body)?)
        };
        if !counts_sockets {
            let service = expect::until("the container is told", PATIENCE, told)?;
            // Not a guess from the other hierarchy.
            ensure!(service["memory"].is_null(), "{service}");
            let page = page()?;
            ensure!(page["unit_shares"] == serde_json::json!([]), "{page}");
            return Ok(());
        }
        let is_told = |memory: &Value| {
            memory["limit_bytes"] == 64 << 20 && memory["pinned_bytes"].as_u64() > Some(0)
        };
        let both = expect::until("the container is told with its limit", PATIENCE, || {
            let is_of_service = told()?.is_some_and(|service| is_told(&service["memory"]));
            let share = &page()?["unit_shares"][0];
            let is_of_page = share["unit"] == unit.as_str() && is_told(share);
            Ok((is_of_service && is_of_page).then_some(()))
        });
        both.with_context(|| format!("{:?}, {:?}", told(), page()))
    })
}

/// A crafted peer that sends to a program of ours.
struct Upload {
    program: Child,
    site: Site,
    peer_ip: IpAddr,
    _peers: Vec<Peer>,
}

impl Upload {
    fn play(story: &Story, deed: &str) -> Result<Self> {
        let tun = story.lab.open_tun()?;
        let site = Site::between(story.server(), &story.lab.client, tun)?;
        let addresses = story.lab.addresses;
        let address = SocketAddr::new(addresses.tun_server(story.family), PORT);
        let mut upload = Self {
            program: start_program(story, address, deed)?,
            site,
            peer_ip: addresses.crafted(story.family, 0),
            _peers: Vec::new(),
        };
        let peer = upload.send_to(address, 4_001)?;
        upload._peers.push(peer);
        Ok(upload)
    }

    fn send_to(&self, server: SocketAddr, port: u16) -> Result<Peer> {
        let local = SocketAddr::new(self.peer_ip, port);
        let peer = self.site.connect(local, server, Profile::default())?;
        for _ in 0..SENT_BYTES / 1_000 {
            peer.send(&[b'x'; 1_000])?;
        }
        Ok(peer)
    }
}

fn start_program(story: &Story, address: SocketAddr, deed: &str) -> Result<Child> {
    require(&[("python3", "python3")])?;
    let log = story
        .folder()
        .join(format!("{deed}-{}.log", address.port()));
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]);
    command
        .arg(address.ip().to_string())
        .arg(address.port().to_string());
    command
        .arg(deed)
        .stdin(Stdio::piped())
        .stdout(File::create(&log)?);
    story.server().place(&mut command);
    let mut program = Child::start(command)?;
    expect::until("the program listens", PATIENCE, || {
        if let Some(status) = program.status()? {
            bail!("it ended early ({status})");
        }
        let said = std::fs::read_to_string(&log)?;
        Ok(said.contains("listening").then_some(()))
    })?;
    Ok(program)
}

/// What `/v1/host` says of the program, once all it was sent is told, on so many connections that it
/// has not accepted.
fn wait_unread(agent: &Agent, program: &Child, not_accepted: u64) -> Result<Value> {
    let found = expect::until("the program is named", PATIENCE, || {
        let unread = host(agent)?.and_then(|host| find_unread(&host, program));
        Ok(unread.filter(|unread| {
            unread["bytes"].as_u64() >= Some(SENT_BYTES as u64)
                && unread["not_accepted"] == not_accepted
        }))
    });
    found.with_context(|| format!("{:#?}", host(agent)))
}

fn find_unread(host: &Value, program: &Child) -> Option<Value> {
    let unread = host["tcp_memory_held"]["unread"].as_array()?;
    let found = unread
        .iter()
        .find(|each| each["process"]["pid"] == program.pid());
    found.cloned()
}

/// `/v1/host`, checked against its schema, once somebody has looked who holds what; what holders have adds up.
fn host(agent: &Agent) -> Result<Option<Value>> {
    let host: Value = serde_json::from_str(&agent.get("/v1/host")?.body)?;
    Schema::read("host")?.check(&host)?;
    let held = &host["tcp_memory_held"];
    if held.is_null() {
        return Ok(None);
    }
    let holders = held["held_bytes"].as_object().context("holders")?;
    let sum: u64 = holders.values().filter_map(Value::as_u64).sum();
    ensure!(Some(sum) >= held["counted_bytes"].as_u64(), "{held}");
    Ok(Some(host))
}
