//! What is seen of the agent from outside: its page of metrics, and the events that a reader gets.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};

use crate::bench::programs::control_socket;
use crate::bench::stage::Stage;
use crate::bench::storm::{self, PROBE, Sent, Storm};
use crate::bench::{ask, median};
use crate::command::output;

/// Scrapes whose median is told.
const SCRAPES: usize = 9;
/// For the last flags to arrive.
const SETTLE: Duration = Duration::from_secs(1);

/// The agent's page of metrics.
pub(super) struct Page {
    address: String,
    pub(super) milliseconds: f64,
    pub(super) bytes: usize,
    pub(super) lost: u64,
    pub(super) held_back: u64,
    pub(super) shrinks: u64,
    pub(super) episodes: u64,
}

impl Page {
    /// Of the agent that has said this when it was ready.
    pub(super) fn of(ready: &str) -> Result<Self> {
        Ok(Self {
            address: ask::address_in(ready)?,
            milliseconds: f64::NAN,
            bytes: 0,
            lost: 0,
            held_back: 0,
            shrinks: 0,
            episodes: 0,
        })
    }

    /// How long it takes, and how large it is.
    pub(super) fn read(&mut self) -> Result<()> {
        let mut times = Vec::new();
        for _ in 0..SCRAPES {
            let began = Instant::now();
            self.bytes = ask::metrics(&self.address)?.len();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        self.milliseconds = median(&times);
        Ok(())
    }

    /// What it counts; of the storms' peers alone, unless some have been forgotten.
    pub(super) fn count(&mut self, agent: &Path, socket: &Path) -> Result<()> {
        let page = ask::metrics(&self.address)?;
        let sum = |name: &str| -> u64 {
            let lines = page.lines().filter_map(|line| line.strip_prefix(name));
            let values = lines.filter(|rest| rest.starts_with(['{', ' ']));
            values
                .filter_map(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok())
                .sum()
        };
        self.lost = sum("detector_records_lost_total");
        self.held_back = sum("detector_records_held_back_total");
        if sum("detector_peer_evictions_total") > 0 {
            self.shrinks = sum("detector_window_shrinks_total");
            self.episodes = sum("detector_zero_window_episodes_total");
            return Ok(());
        }
        let listed = output(
            Command::new(agent)
                .args(["peers", "--json", "--limit", "0", "--control-socket"])
                .arg(socket),
        )?;
        let listed: serde_json::Value =
            serde_json::from_str(&listed).context("not a list of peers")?;
        let peers = listed.get("peers").unwrap_or(&listed).as_array();
        (self.shrinks, self.episodes) = (0, 0);
        for peer in peers.context("no list of peers")? {
            let name = peer.get("peer").and_then(serde_json::Value::as_str);
            if name.is_none_or(|name| !name.starts_with(storm::NETWORKS)) {
                continue;
            }
            let shrinks = peer
                .get("window_shrinks")
                .and_then(serde_json::Value::as_object);
            let shrinks = shrinks.context("no shrinks")?.values();
            self.shrinks += shrinks.filter_map(serde_json::Value::as_u64).sum::<u64>();
            let episodes = peer.get("zero_window_episodes");
            self.episodes += episodes.and_then(serde_json::Value::as_u64).unwrap_or(0);
        }
        Ok(())
    }
}

/// What probes showed while something else went on.
pub(in crate::bench) struct Probed<T> {
    /// What came of that.
    pub(in crate::bench) meanwhile: T,
    /// By the connections whose flags were waited for.
    pub(in crate::bench) sent: Sent,
    /// Milliseconds of each flag, and how many did not come.
    pub(in crate::bench) flags: (Vec<f64>, usize),
}

/// Opens connections that take back window, one each `every_ms` milliseconds, and waits for their flags as
/// long as something else takes.
pub(in crate::bench) fn probe<T>(
    stage: &Stage,
    (agent, examples): (&Path, &Path),
    every_ms: &str,
    meanwhile: impl FnOnce() -> Result<T>,
) -> Result<Probed<T>> {
    let follower = Follower::start(agent, &control_socket(&stage.scratch.path))?;
    let probe = Storm::start(stage, examples, PROBE, &["probe", every_ms])?;
    let meanwhile = meanwhile()?;
    let (sent, said) = probe.finish()?;
    thread::sleep(SETTLE);
    Ok(Probed {
        meanwhile,
        sent,
        flags: follower.match_with(&said)?,
    })
}

/// `detector events --follow`: a reader of flags of one kind.
struct Follower {
    child: Child,
    lines: Receiver<(Duration, String)>,
}

impl Follower {
    fn start(agent: &Path, socket: &Path) -> Result<Self> {
        // Before others, as it stands for somebody who has a processor to listen with.
        let mut child = Command::new("nice")
            .args(["-n", "-19"])
            .arg(agent)
            .args([
                "events",
                "--follow",
                "--json",
                "--kind",
                "window-shrink",
                "--control-socket",
            ])
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot follow the events")?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                // Of this thread alone; without the right, latencies are somewhat longer.
                let _may_fail = rustix::process::setpriority_process(None, -19);
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send((since_epoch(), line)).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines })
    }

    /// Milliseconds from each `PEER NANOSECONDS` to the event of that peer, and how many had none.
    fn match_with(mut self, probes: &str) -> Result<(Vec<f64>, usize)> {
        drop(self.child.kill());
        drop(self.child.wait());
        let mut came = HashMap::new();
        for (at, line) in self.lines.iter() {
            let event: serde_json::Value =
                serde_json::from_str(&line).with_context(|| format!("not an event: {line}"))?;
            if let Some(peer) = event.get("peer").and_then(serde_json::Value::as_str) {
                came.entry(peer.to_owned())
                    .or_insert_with(Vec::new)
                    .push(at);
            }
        }
        let (mut latencies, mut missed) = (Vec::new(), 0);
        for line in probes.lines() {
            let Some((peer, at)) = line.split_once(' ') else {
                continue;
            };
            let Ok(at) = at.parse::<u64>() else { continue };
            if !peer.contains('.') {
                continue;
            }
            let at = Duration::from_nanos(at);
            let first = came
                .get(peer)
                .and_then(|all| all.iter().find(|came| **came >= at));
            match first {
                Some(came) => latencies.push((*came - at).as_secs_f64() * 1e3),
                None => missed += 1,
            }
        }
        Ok((latencies, missed))
    }
}

/// The same clock that stamps the probes.
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
