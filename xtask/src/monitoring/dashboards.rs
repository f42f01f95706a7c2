//! Every query of every panel is answered, with data: by the Prometheus of the hosts that are played, or by that of
//! the machine which all of this runs on, where the memory of TCP is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::background::{Background, Scratch};
use crate::command::output;
use crate::tree;

use super::prometheus::{Place, Prometheus};

/// Who holds TCP's memory is looked at in the first half minute after somebody has asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent of this machine, as it is installed, before a Prometheus of its own.
pub(super) struct Machine {
    agent: PathBuf,
    socket: PathBuf,
    prometheus: Prometheus,
    _running: Background,
    _scratch: Scratch,
}

impl Machine {
    pub(super) fn start(agent: &Path) -> Result<Self> {
        let scratch = Scratch::create("machine")?;
        let socket = scratch.path.join("control.sock");
        let mut command = Command::new(agent);
        command
            .args(["run", "--web.listen-address", "127.0.0.1:0"])
            .arg("--control-socket")
            .arg(&socket)
            .arg("--state-dir")
            .arg(scratch.path.join("state"));
        let (running, ready) = Background::start_until_ready(&mut command)?;
        let address = ready
            .split_once("http://")
            .and_then(|(_, rest)| rest.split('/').next())
            .with_context(|| format!("no address in: {ready}"))?;
        let prometheus = Prometheus::start(Place::here()?, &[address.to_owned()], &scratch.path)?;
        Ok(Self {
            agent: agent.to_owned(),
            socket,
            prometheus,
            _running: running,
            _scratch: scratch,
        })
    }

    /// Asks until its Prometheus knows who holds TCP's memory, as somebody does who watches.
    fn look_at_memory(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut top = Command::new(&self.agent);
            top.args(["top", "--once", "--control-socket"]);
            output(top.arg(&self.socket))?;
            let known = self.prometheus.query("detector_tcp_memory_held_bytes")?;
            if !known.is_empty() {
                return Ok(());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "nobody says who holds the memory of TCP"
            );
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

pub(super) fn check(hosts: &Prometheus, machine: &Machine) -> Result<()> {
    machine.look_at_memory()?;
    let folder = tree::root().join("packaging/grafana");
    let (mut asked, mut of_machine, mut empty) = (0, 0, Vec::new());
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let file = entry?.path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        for query in queries(&dashboard) {
            asked += 1;
            let answered = |prometheus: &Prometheus| {
                let found = prometheus.query(&query);
                let found = found.with_context(|| file.display().to_string())?;
                anyhow::Ok(!found.is_empty())
            };
            if answered(hosts)? {
                continue;
            }
            if answered(&machine.prometheus)? {
                of_machine += 1;
            } else {
                empty.push(query);
            }
        }
    }
    ensure!(
        empty.is_empty(),
        "queries without data:\n  {}",
        empty.join("\n  ")
    );
    println!("dashboards: {asked} queries, data in all, {of_machine} of them of the machine alone");
    Ok(())
}

/// What a dashboard asks for, as Grafana fills it in where everything is chosen.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries = targets.map(|target| target["expr"].as_str().unwrap_or_default());
    queries
        .map(|query| {
            query
                .replace("$__rate_interval", "15s")
                .replace("$instance", ".*")
                .replace("$peer", ".*")
        })
        .collect()
}
