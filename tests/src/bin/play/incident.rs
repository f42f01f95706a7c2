//! The night of an incident: two web servers, real ones, held by the same peers; the memory of one
//! runs out and the kernel kills, its agent dies and comes back, an operator acts on the other.
//!
//! Each host is a network namespace, a name, a control group with a limit of memory, and an agent
//! that watches no more than these. Load and memory are those of the one machine behind them.

use crate::demo::{IS_OVER, end_early_on_signals};
use crate::say;
use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::lab::{ControlGroup, Namespace, require};
use detector_tests::peers::{KernelPeer, SlowReader};
use detector_tests::servers::{Apache, ApacheModel, Nginx, NginxSettings};
use detector_tests::{expect, story};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Links are of use once nobody looks for duplicates of their addresses any more.
const DUPLICATES: &str = "ipv6/conf/default/accept_dad";
/// Labs of stories count from 0.
const LAB: u32 = 950;
/// What is seen before anything happens.
const QUIET: Duration = Duration::from_secs(10);
/// Between the first who do not read and the rest.
const GROWING: Duration = Duration::from_secs(10);
/// Without an agent.
const BLIND: Duration = Duration::from_secs(5);
/// For what is certain to come; nothing may stand for a minute before an incident is over.
const PATIENCE: Duration = Duration::from_secs(90);
/// Memory that web1 has left in the end: another process or two of Apache.
const MEMORY_LEFT: u64 = 1 << 20;
/// What it is given when that is over.
const MORE_MEMORY: u64 = 100 << 20;
/// Readers that ask for much and never read, in one address; and those that read a byte a second, from
/// a few addresses of one network. Addresses are set aside for documentation.
const NEVER: &str = "203.0.113.9";
const BYTES: [&str; 4] = [
    "2001:db8:bad::1",
    "2001:db8:bad::2",
    "2001:db8:bad::3",
    "2001:db8:bad::4",
];
/// Who reads as people do.
const HONEST: [&str; 3] = ["198.51.100.20", "198.51.100.21", "2001:db8:60d::1"];
/// As small as the kernel lets it be.
const SMALL_BUFFER: usize = 2_048;

/// Plays it; what was recorded is then in `folder`, below the names of the hosts.
pub(crate) fn play(folder: &Path) -> Result<()> {
    end_early_on_signals()?;
    require(&[
        ("ip", "iproute2"),
        ("apache2", "apache2-bin"),
        ("nginx", "nginx-light"),
    ])?;
    detector_tests::lab::reap_leftovers()?;
    // Servers give up root's rights before they read their files: not everybody may read `folder`.
    story::in_folder("incident", |scratch| {
        let outcome = night(scratch);
        for host in ["web1", "web2"] {
            let recorded = scratch.join(host).join("agent/state/recorder.db");
            if recorded.exists() {
                let kept = folder.join(format!("{host}.db"));
                std::fs::copy(&recorded, &kept).context("keep a recorder")?;
            }
        }
        outcome
    })
}

fn night(scratch: &Path) -> Result<()> {
    let began = Instant::now();
    let tell = |line: &str| say(&format!("{:>4} s  {line}", began.elapsed().as_secs()));
    let internet = Internet::create()?;
    let web1 = Host::create("web1", 1, &internet, scratch)?;
    let web2 = Host::create("web2", 2, &internet, scratch)?;
    let apache = Apache::start(
        &web1.namespace,
        Ipv6Addr::UNSPECIFIED.into(),
        &web1.files,
        ApacheModel::Prefork,
    )?;
    web1.group.take(apache.pid())?;
    let settings = NginxSettings::default();
    let nginx = Nginx::start(
        &web2.namespace,
        Ipv6Addr::UNSPECIFIED.into(),
        &web2.files,
        settings,
    )?;
    web2.group.take(nginx.pid())?;
    std::fs::copy(web2.files.join("small"), web1.files.join("small"))?;
    std::fs::File::create(web1.files.join("large"))?.set_len(settings.large_bytes)?;
    let ports = [apache.address().port(), nginx.address().port()];
    let hosts = [&web1, &web2];
    let servers: Vec<_> = hosts.into_iter().zip(ports).collect();

    let mut agent1 = web1.start_agent()?;
    let agent2 = web2.start_agent()?;
    tell("web1 (apache2 prefork) and web2 (nginx) serve; an agent watches each");
    let _honest = HONEST
        .iter()
        .flat_map(|from| servers.iter().map(move |server| (from, server)))
        .map(|(from, (host, port))| {
            let mut peer = internet.connect(from, host, *port, None)?;
            peer.request("/large")?;
            Ok(peer.read_slowly(65_536, Duration::from_millis(100)))
        })
        .collect::<Result<Vec<SlowReader>>>()?;
    pause(QUIET)?;

    let mut holding = Vec::new();
    for (host, port) in &servers {
        holding.extend(internet.hold(NEVER, host, *port, 25)?);
    }
    tell(&format!(
        "{NEVER} asks both for 64 MiB, 25 times each, and reads nothing"
    ));
    pause(GROWING)?;
    let mut slow = Vec::new();
    for (host, port) in &servers {
        for from in BYTES {
            slow.extend(internet.hold(from, host, *port, 15)?);
        }
        holding.extend(internet.hold(NEVER, host, *port, 40)?);
    }
    let slow = ByteReaders::start(slow);
    tell(
        "2001:db8:bad::/64 joins with 60 connections to each, a byte a second; 203.0.113.9 takes 40 more",
    );
    pause(GROWING)?;
    let held = exhaust(&web1, &apache, &agent1, &internet)?;
    holding.extend(held);
    tell("web1 is out of memory: the kernel has killed a process of apache2");
    web1.group.leave_memory(MORE_MEMORY)?;
    pause(BLIND)?;

    agent1.kill()?;
    tell("the agent of web1 is killed");
    pause(BLIND)?;
    agent1 = web1.start_agent()?;
    tell("it is started again");
    let reset = command(&["reset", NEVER, "--stalled-for", "5s", "--control-socket"])?
        .arg(agent2.control_socket())
        .output()?;
    ensure!(reset.status.success(), "detector reset: {reset:?}");
    tell(&format!(
        "an operator of web2: detector reset {NEVER} --stalled-for 5s"
    ));
    pause(GROWING)?;

    drop(slow);
    drop(holding);
    tell("the peers leave");
    for agent in [&agent1, &agent2] {
        expect::until("the incident is over", PATIENCE, || {
            check_over()?;
            let incidents = agent.get("/v1/incidents")?.body;
            let has_any = incidents.contains("\"open\"");
            Ok((has_any && !incidents.contains("\"open\":true")).then_some(()))
        })?;
    }
    tell("a minute later: both incidents are over");
    for agent in [agent1, agent2] {
        agent.stop(nix::sys::signal::Signal::SIGTERM)?;
    }
    Ok(())
}

/// Where all peers live.
struct Internet {
    namespace: Namespace,
}

impl Internet {
    fn create() -> Result<Self> {
        let namespace = Namespace::create(LAB, "internet")?;
        namespace.sysctl(DUPLICATES, "0")?;
        namespace.sysctl("ipv4/ip_forward", "1")?;
        for from in BYTES.iter().chain(&HONEST).chain([&NEVER]) {
            let address: IpAddr = from.parse()?;
            let flags = if address.is_ipv6() {
                "/128 nodad"
            } else {
                "/32"
            };
            namespace.ip(&format!("address add {address}{flags} dev lo"))?;
        }
        Ok(Self { namespace })
    }

    fn connect(
        &self,
        from: &str,
        host: &Host,
        port: u16,
        receive_buffer: Option<usize>,
    ) -> Result<KernelPeer> {
        let from: IpAddr = from.parse()?;
        let server = host.addresses[usize::from(from.is_ipv6())];
        KernelPeer::connect_with(
            &self.namespace,
            Some(SocketAddr::new(from, 0)),
            SocketAddr::new(server, port),
            receive_buffer,
        )
    }

    /// Asks for much and reads nothing, so many times.
    fn hold(&self, from: &str, host: &Host, port: u16, times: u32) -> Result<Vec<KernelPeer>> {
        let hold = |_| {
            check_over()?;
            let mut peer = self.connect(from, host, port, Some(SMALL_BUFFER))?;
            peer.request("/large")?;
            Ok(peer)
        };
        (0..times).map(hold).collect()
    }
}

/// Peers of which each reads a byte a second; one thread for all, so that they leave together.
struct ByteReaders {
    are_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ByteReaders {
    fn start(mut peers: Vec<KernelPeer>) -> Self {
        let are_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&are_over);
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                // One whose server process was killed is gone.
                peers.retain_mut(|peer| peer.read(1).is_ok());
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self {
            are_over,
            thread: Some(thread),
        }
    }
}

impl Drop for ByteReaders {
    fn drop(&mut self) {
        self.are_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// One web server.
struct Host {
    name: &'static str,
    namespace: Namespace,
    /// Outlives what runs in it.
    group: ControlGroup,
    addresses: [IpAddr; 2],
    /// Of its servers.
    files: std::path::PathBuf,
}

impl Host {
    fn create(name: &'static str, number: u8, internet: &Internet, scratch: &Path) -> Result<Self> {
        let namespace = Namespace::create(LAB, name)?;
        namespace.sysctl(DUPLICATES, "0")?;
        let files = scratch.join(name);
        std::fs::create_dir(&files)?;
        let ends = [&namespace, &internet.namespace].map(Namespace::name);
        let [Some(own), Some(other)] = ends else {
            anyhow::bail!("a namespace has no name");
        };
        detector_tests::lab::run(&format!(
            "ip link add eth0 netns {own} type veth peer name {name} netns {other}"
        ))?;
        let v4 = |last: u8| format!("192.0.2.{}", number * 16 + last);
        let v6 = |last: u8| format!("2001:db8:{number}::{last}");
        for (namespace, device, last) in [(&namespace, "eth0", 2), (&internet.namespace, name, 1)] {
            namespace.ip(&format!("address add {}/28 dev {device}", v4(last)))?;
            namespace.ip(&format!("address add {}/64 dev {device} nodad", v6(last)))?;
            namespace.ip(&format!("link set {device} up"))?;
        }
        namespace.ip(&format!("route add default via {}", v4(1)))?;
        namespace.ip(&format!("-6 route add default via {}", v6(1)))?;
        let group = format!("detector-demo-{}-{name}", std::process::id());
        Ok(Self {
            name,
            namespace,
            group: ControlGroup::of_memory(group)?,
            addresses: [v4(2).parse()?, v6(2).parse()?],
            files,
        })
    }

    /// An agent that knows no other host.
    fn start_agent(&self) -> Result<Agent> {
        let options = AgentOptions {
            configuration: Some("[detect]\nscope = \"container\"\n".to_owned()),
            ..AgentOptions::default()
        };
        let place = |command: &mut Command| {
            self.namespace.place(command);
            let name = self.name;
            // SAFETY: both are plain system calls and touch no memory of ours.
            unsafe {
                command.pre_exec(move || {
                    unshare(CloneFlags::CLONE_NEWUTS)?;
                    sethostname(name)?;
                    Ok(())
                });
            }
            self.group.place(command)
        };
        Agent::start_prepared(&self.files, &options, place)
    }
}

/// Holds ever more connections of web1 while it has next to no memory left, until the kernel kills.
fn exhaust(
    web1: &Host,
    apache: &Apache,
    agent: &Agent,
    internet: &Internet,
) -> Result<Vec<KernelPeer>> {
    web1.group.leave_memory(MEMORY_LEFT)?;
    let (mut held, end) = (Vec::new(), Instant::now() + PATIENCE);
    loop {
        offer_workers(apache.pid())?;
        let more = internet.hold(NEVER, web1, apache.address().port(), 4);
        held.extend(more.context("hold more connections of web1")?);
        pause(Duration::from_secs(1))?;
        if agent.get("/v1/incidents")?.body.contains("\"oom-kill\"") {
            return Ok(held);
        }
        ensure!(
            Instant::now() < end,
            "the kernel killed nobody in {PATIENCE:?}"
        );
    }
}

/// Has the kernel kill workers before all else. That the agent is killed last is what its unit says, but
/// to say that of a process takes a right that not every root has.
fn offer_workers(of: u32) -> Result<()> {
    let workers = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"))
        .context("list the workers of apache2")?;
    for worker in workers.split_whitespace() {
        // It may end by itself.
        drop(std::fs::write(
            format!("/proc/{worker}/oom_score_adj"),
            "1000",
        ));
    }
    Ok(())
}

fn pause(span: Duration) -> Result<()> {
    let end = Instant::now() + span;
    while Instant::now() < end {
        check_over()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Fails once somebody has asked for an early end, so that all guards tidy up.
fn check_over() -> Result<()> {
    ensure!(!IS_OVER.load(Ordering::Relaxed), "ended early");
    Ok(())
}
