//! `cargo xtask monitoring`: three agents in three network namespaces and a real Prometheus with the shipped
//! rules. A quiet time raises no alert, an attack raises those that are due, its end resolves them; every
//! query of the dashboards is run, and the fleet is looked at without privilege.

mod fleet;
pub(crate) mod network;
pub(crate) mod peers;
mod prometheus;
mod sizing;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::background::{Background, Scratch};
use crate::command::{output, run};
use crate::packages::{self, is_root};
use crate::run::{Profile, as_root, build_agent};
use crate::tree;
use network::Network;
use prometheus::{PORT, Prometheus};

const PROGRAMS: [(&str, &str); 5] = [
    ("prometheus", "prometheus"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// Agents, each in a namespace of its own.
const HOSTS: usize = 3;
/// Connections that an attacker holds: half as many again as make a hoard.
const CONNECTIONS: usize = 30;
/// For so long nothing happens but honest peers.
const QUIET: Duration = Duration::from_secs(20);
/// A verdict of attack takes the half minute over which a drain is measured.
const ATTACK_PATIENCE: Duration = Duration::from_secs(120);
/// An incident is over a minute after its last condition.
const END_PATIENCE: Duration = Duration::from_secs(150);
/// Alerts that the attack must raise.
const DUE: [&str; 3] = [
    "DetectorAttack",
    "DetectorHoard",
    "DetectorPeerOnSeveralHosts",
];
/// Metrics without samples here: who holds TCP's memory is known while it is looked at, and how much there is
/// in the host's own network namespace alone.
const NOT_HERE: [&str; 4] = [
    "detector_tcp_memory_held_bytes",
    "detector_tcp_memory_bytes",
    "detector_tcp_memory_limit_bytes",
    "instance:detector_tcp_memory:ratio",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure what samples take on the disk of Prometheus, and write the table of docs/sizing.md
    #[arg(long)]
    sizing: bool,
    /// So many hosts before one Prometheus: what they cost it, into docs/sizing.md (some five minutes; 10,000
    /// take 12 GB of memory)
    #[arg(long, value_name = "HOSTS", conflicts_with = "sizing",
        value_parser = clap::value_parser!(u32).range(1..=20_000))]
    fleet: Option<u32>,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
    /// Agent, already built (used when this chore calls itself through sudo)
    #[arg(long, hide = true)]
    agent: Option<PathBuf>,
    /// Be the server, or the attacker, at this address (used by this chore itself)
    #[arg(long, hide = true, num_args = 2, value_names = ["ROLE", "ADDR:PORT"])]
    play: Vec<String>,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if let [role, address] = arguments.play.as_slice() {
        peers::limit_time();
        return match role.as_str() {
            "fleet" => fleet::serve(address),
            role => peers::play(role, address),
        };
    }
    packages::need(&PROGRAMS, "the play with Prometheus", arguments.install)?;
    if arguments.sizing {
        return sizing::write();
    }
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    if let Some(hosts) = arguments.fleet {
        if is_root() {
            return fleet::play(hosts as usize);
        }
        let hosts = hosts.to_string();
        return run(as_root(&this)?.args(["monitoring", "--fleet", &hosts]));
    }
    let agent = match &arguments.agent {
        Some(agent) => agent.clone(),
        None => build_agent(Profile::Dev)?,
    };
    if is_root() {
        return play(&agent);
    }
    run(as_root(&this)?.arg("monitoring").arg("--agent").arg(agent))
}

fn play(agent: &Path) -> Result<()> {
    let scratch = Scratch::create("monitoring")?;
    let network = Network::make(HOSTS)?;
    let mut agents = Vec::new();
    for host in 0..HOSTS {
        agents.push(start_agent(agent, &network, host, &scratch)?);
    }
    let server_address = network.address(0, 8080);
    let _server = Background::start_until_ready(&mut peers::command(
        &network.host(0),
        "server",
        &server_address,
    )?)?;
    let prometheus = Prometheus::start(&network, HOSTS, &scratch.path)?;
    prometheus.wait_for("count(up == 1)", HOSTS, Duration::from_secs(60))?;
    println!("{HOSTS} agents are scraped");

    quiet(&prometheus, agent, &network)?;
    let attacker = Background::start_until_ready(&mut peers::command(
        &network.middle,
        "attacker",
        &server_address,
    )?)?;
    attack(&prometheus)?;
    dashboards(&prometheus)?;
    fleet(agent, &network)?;
    series(&prometheus)?;
    drop(attacker);
    end(&prometheus)?;
    println!("monitoring: ok");
    Ok(())
}

fn start_agent(
    agent: &Path,
    network: &Network,
    host: usize,
    scratch: &Scratch,
) -> Result<Background> {
    let mut command = network::within(&network.host(host), agent);
    command
        .args([
            "run",
            "--web.listen-address",
            &network.address(host, 10_062),
        ])
        .arg("--control-socket")
        .arg(scratch.path.join(format!("control-{host}.sock")))
        .arg("--state-dir")
        .arg(scratch.path.join(format!("state-{host}")));
    Ok(Background::start_until_ready(&mut command)?.0)
}

/// Honest peers play, and nobody is woken.
fn quiet(prometheus: &Prometheus, agent: &Path, network: &Network) -> Result<()> {
    let began = Instant::now();
    // Reads slowly but steadily, from the server that the attack is on later.
    let reader = Background::start_until_ready(&mut peers::command(
        &network.middle,
        "reader",
        &network.address(0, 8080),
    )?)?;
    while began.elapsed() < QUIET {
        let firing = prometheus.firing()?;
        ensure!(
            firing.is_empty(),
            "alerts in a quiet time: {}",
            firing.join(", ")
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    drop(reader);
    let peers = peers_of_fleet(agent, network)?;
    println!(
        "quiet for {} s, {} peers known: no alert",
        QUIET.as_secs(),
        peers.len()
    );
    Ok(())
}

fn attack(prometheus: &Prometheus) -> Result<()> {
    let began = Instant::now();
    let mut missing: Vec<&str> = DUE.to_vec();
    while !missing.is_empty() {
        ensure!(
            began.elapsed() < ATTACK_PATIENCE,
            "no {} within {} s; firing: {}",
            missing.join(", "),
            ATTACK_PATIENCE.as_secs(),
            prometheus.firing()?.join(", ")
        );
        std::thread::sleep(Duration::from_millis(500));
        let firing = prometheus.firing()?;
        missing.retain(|alert| {
            let fires = firing.iter().any(|name| name == alert);
            if fires {
                println!("{alert} fires after {:.0} s", began.elapsed().as_secs_f64());
            }
            !fires
        });
    }
    Ok(())
}

/// Every query of every panel is answered, with data.
fn dashboards(prometheus: &Prometheus) -> Result<()> {
    let folder = tree::root().join("packaging/grafana");
    let (mut asked, mut empty) = (0, Vec::new());
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let file = entry?.path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().unwrap_or_default();
                // As Grafana fills them in where everything is chosen.
                let query = query
                    .replace("$__rate_interval", "15s")
                    .replace("$instance", ".*")
                    .replace("$peer", ".*");
                let found = prometheus
                    .query(&query)
                    .with_context(|| format!("{}, panel {}", file.display(), panel["title"]))?;
                asked += 1;
                let may_be_empty = NOT_HERE.iter().any(|metric| query.contains(metric));
                if found.is_empty() && !may_be_empty {
                    empty.push(query);
                }
            }
        }
    }
    ensure!(
        empty.is_empty(),
        "queries without data:\n  {}",
        empty.join("\n  ")
    );
    println!("dashboards: {asked} queries, data in all that have some here");
    Ok(())
}

fn peers_of_fleet(agent: &Path, network: &Network) -> Result<Vec<Value>> {
    let printed = output(&mut unprivileged(agent, network, &["peers", "--json"]))?;
    Ok(serde_json::from_str(&printed)?)
}

/// The program as nobody, in the namespace from which Prometheus can be reached.
fn unprivileged(agent: &Path, network: &Network, arguments: &[&str]) -> Command {
    let mut command = network::within(&network.middle, Path::new("setpriv"));
    command
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .arg(agent)
        .args(arguments)
        .args(["--prometheus", &format!("http://127.0.0.1:{PORT}")]);
    command
}

/// One peer, seen on all hosts, as whoever has no rights sees it.
fn fleet(agent: &Path, network: &Network) -> Result<()> {
    let attacker = network.address_of_middle(0);
    let peers = peers_of_fleet(agent, network)?;
    let peer = peers
        .iter()
        .find(|peer| peer["peer"] == attacker.as_str())
        .with_context(|| format!("{attacker} is not among the peers of the fleet"))?;
    ensure!(
        peer["hosts"] == HOSTS,
        "the attacker is on {} hosts",
        peer["hosts"]
    );
    let stalled = peer["stalled_connections"].as_u64().unwrap_or_default();
    // The hooks of all three agents see all connections of this one kernel.
    ensure!(
        stalled == (HOSTS * CONNECTIONS) as u64,
        "{stalled} stalled connections instead of {HOSTS} times {CONNECTIONS}"
    );
    for arguments in [["peers", "--limit=5"], ["top", "--once"]] {
        let printed = output(&mut unprivileged(agent, network, &arguments))?;
        ensure!(
            printed.contains(&attacker),
            "{} does not show the attacker:\n{printed}",
            arguments[0]
        );
        println!(
            "$ detector {} --prometheus http://127.0.0.1:{PORT}\n{printed}",
            arguments.join(" ")
        );
    }
    Ok(())
}

/// What one agent costs its Prometheus.
fn series(prometheus: &Prometheus) -> Result<()> {
    let counts = prometheus.query("count by (instance) ({job=\"detector\"})")?;
    println!(
        "series of one agent: {}",
        counts.first().context("no series")?.1
    );
    Ok(())
}

/// Once the attacker has gone, alerts end by themselves.
fn end(prometheus: &Prometheus) -> Result<()> {
    let began = Instant::now();
    loop {
        let firing = prometheus.firing()?;
        if firing.is_empty() {
            println!(
                "all alerts ended {:.0} s after the attacker left",
                began.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        if began.elapsed() > END_PATIENCE {
            bail!(
                "still firing after {} s: {}",
                END_PATIENCE.as_secs(),
                firing.join(", ")
            );
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
