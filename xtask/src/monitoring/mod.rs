//! `cargo xtask monitoring`: three agents, each of which watches a network namespace of its own as a host, and a
//! real Prometheus with the shipped rules. A quiet time raises no alert; an attack on one host raises those of that
//! host, each within its time; a peer that holds connections of all hosts raises those that join them; their end
//! resolves them. Every query of the dashboards is run, and the fleet is looked at without privilege.

mod attack;
mod dashboards;
mod fleet;
mod joined;
pub(crate) mod network;
pub(crate) mod peers;
mod prometheus;
mod quiet;
mod sizing;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::background::{Background, Scratch};
use crate::command::run;
use crate::packages::{self, is_root};
use crate::run::{Profile, as_root, build_agent};
use network::Network;
use prometheus::{Place, Prometheus};

pub(crate) const PROGRAMS: [(&str, &str); 5] = [
    ("prometheus", "prometheus"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// Agents, each in a namespace of its own.
const HOSTS: usize = 3;
/// Of one agent, which each host has.
const METRICS: u16 = 10_062;
/// What each host serves.
const SERVICE: u16 = 8_080;
/// What makes an agent one of a host that is a network namespace.
const SETTINGS: &str = "[detect]\nscope = \"container\"\n";
/// Until all are scraped.
const START_PATIENCE: Duration = Duration::from_secs(60);

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

impl Arguments {
    /// The play with three agents.
    pub(crate) fn play(install: bool) -> Self {
        Self {
            sizing: false,
            fleet: None,
            install,
            agent: None,
            play: Vec::new(),
        }
    }
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
    network.serve()?;
    let machine = dashboards::Machine::start(agent)?;
    let mut agents = Vec::new();
    let mut servers = Vec::new();
    for host in 0..HOSTS {
        agents.push(start_agent(agent, &network, host, &scratch)?);
        let address = format!("0.0.0.0:{SERVICE}");
        servers.push(start_peer(&network.host(host), "server", &address)?);
    }
    let addresses: Vec<String> = (0..HOSTS).map(|host| scraped(&network, host)).collect();
    let place = Place::in_namespace(&network.middle);
    let prometheus = Prometheus::start(place, &addresses, &scratch.path)?;
    prometheus.wait_for("count(up == 1)", HOSTS, START_PATIENCE)?;
    println!("{HOSTS} agents are scraped");

    quiet::play(&prometheus, &network)?;
    let attackers = attack::play(&prometheus, &network)?;
    let few = joined::play(&prometheus, &network)?;
    joined::look(agent, &network)?;
    dashboards::check(&prometheus, &machine)?;
    drop((attackers, few));
    attack::end(&prometheus)?;
    drop(agents.pop());
    attack::down(&prometheus, &addresses[HOSTS - 1])?;
    println!("monitoring: ok");
    Ok(())
}

fn start_agent(
    agent: &Path,
    network: &Network,
    host: usize,
    scratch: &Scratch,
) -> Result<Background> {
    let settings = scratch.path.join(format!("host-{host}.toml"));
    fs::write(&settings, SETTINGS).context("cannot write an agent's settings")?;
    let mut command = network::within(&network.host(host), agent);
    command.arg("run").arg("--config").arg(settings);
    command.args(["--web.listen-address", &scraped(network, host)]);
    command
        .arg("--control-socket")
        .arg(scratch.path.join(format!("control-{host}.sock")))
        .arg("--state-dir")
        .arg(scratch.path.join(format!("state-{host}")));
    Ok(Background::start_until_ready(&mut command)?.0)
}

/// Where a host's agent is scraped, which is also the name of its instance.
fn scraped(network: &Network, host: usize) -> String {
    network.address(host, METRICS)
}

/// Somebody who plays, once what is played has begun.
fn start_peer(namespace: &str, role: &str, address: &str) -> Result<Background> {
    let mut command: Command = peers::command(namespace, role, address)?;
    Ok(Background::start_until_ready(&mut command)?.0)
}
