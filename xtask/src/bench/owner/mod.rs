//! `cargo xtask bench owner`: whether the owners of thousands of stalled connections are found and
//! right, how soon, and what the search takes of a core.
//!
//! A name counts as right if the process holds that very socket, which `ss` finds without the
//! agent. The search has a thread of its own, and the scheduler counts its time.

mod servers;
mod truth;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};

use self::servers::{SERVERS, Server, Site};
use self::truth::{Ends, Listed};
use super::namespace::until;
use super::percentile;
use super::programs::start_agent;
use crate::command::output;

/// Programs it uses, and the Debian packages that bring them.
pub(super) const PROGRAMS: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("apache2", "apache2-bin"),
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("prlimit", "util-linux"),
    ("setpriv", "util-linux"),
];

/// Share of the stalled connections whose owner is found and right.
const FOUND: f64 = 0.99;
/// Share of one core.
const CORE: f64 = 0.02;
/// Between two looks at the agent's list.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// For all to be found.
const PATIENCE: Duration = Duration::from_secs(120);
const DAY_SECONDS: f64 = 86_400.0;

pub(super) fn main(agent: &Path, examples: &Path, seconds: u32) -> Result<()> {
    let site = Site::build(examples)?;
    let running = start_agent(agent, &site.scratch.path)?;
    let search = Search::of(running.id())?;
    let before = search.time()?;
    let began = Instant::now();
    let _peers = site.stall(examples)?;
    let came = began.elapsed();
    let mut watch = Watch::default();
    let (holders, listed) = loop {
        let listed = truth::listed_in(&connections(agent, &site.scratch.path)?)?;
        watch.look(&listed)?;
        let is_late = began.elapsed() > PATIENCE;
        if is_late || SERVERS.iter().all(|server| watch.has_named(server)) {
            let holders = truth::holders_in(&site.sockets()?);
            let is_stalled = |ends| listed.get(ends).is_some_and(|each| each.is_stalled);
            // A stall is told after five seconds, its owner is found before.
            if is_late || holders.keys().all(is_stalled) {
                break (holders, listed);
            }
        }
        thread::sleep(LOOK_EVERY);
    };
    let arriving = Share::of(search.time()?.saturating_sub(before), began.elapsed());
    let mut is_within = true;
    println!(
        "{} connections came in {:.1} s",
        holders.len(),
        came.as_secs_f64()
    );
    println!("server            stalled  listed   right  wrong  found after p50     p99");
    for server in &SERVERS {
        let score = Score::of(server, &holders, &listed, &watch.after);
        println!("{score}");
        is_within &= score.is_within();
    }
    let (before, began) = (search.time()?, Instant::now());
    thread::sleep(Duration::from_secs(u64::from(seconds)));
    let steady = Share::of(search.time()?.saturating_sub(before), began.elapsed());
    println!("search while they came and were named: {arriving}");
    println!("search from then on:                   {steady}");
    println!(
        "budget: {:.0} % of each server's right, {:.0} % of a core",
        FOUND * 100.0,
        CORE * 100.0
    );
    if !is_within || arriving.core > CORE || steady.core > CORE {
        bail!("over budget");
    }
    Ok(())
}

fn connections(agent: &Path, folder: &Path) -> Result<String> {
    output(
        Command::new(agent)
            .args(["connections", "--json", "--limit", "0", "--control-socket"])
            .arg(folder.join("control.sock")),
    )
}

/// The agent's thread that looks for owners.
struct Search {
    schedstat: String,
}

impl Search {
    fn of(pid: u32) -> Result<Self> {
        // A thread names itself once it runs.
        until("the agent has a thread called owners", || {
            Self::find(pid).is_some()
        })?;
        Self::find(pid).context("the agent's thread has gone")
    }

    fn find(pid: u32) -> Option<Self> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let mut folders = tasks.filter_map(|task| Some(task.ok()?.path()));
        let folder = folders.find(|folder| {
            fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.trim() == "owners")
        })?;
        let schedstat = folder.join("schedstat").display().to_string();
        Some(Self { schedstat })
    }

    /// Time on a processor, as the scheduler counts it.
    fn time(&self) -> Result<Duration> {
        let file = &self.schedstat;
        let said = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let first = said.split_whitespace().next().unwrap_or_default();
        let nanoseconds = first.parse().with_context(|| format!("{file}: {said}"))?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

/// Processor time over a span.
struct Share {
    core: f64,
    used: Duration,
    span: Duration,
}

impl Share {
    fn of(used: Duration, span: Duration) -> Self {
        let core = used.as_secs_f64() / span.as_secs_f64();
        Self { core, used, span }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{:.2} % of a core ({:.0} ms in {:.1} s)",
            self.core * 100.0,
            self.used.as_secs_f64() * 1e3,
            self.span.as_secs_f64()
        )
    }
}

/// When connections were first seen with an owner.
#[derive(Default)]
struct Watch {
    /// Seconds after the agent first heard of the connection; up to [`LOOK_EVERY`] too long.
    after: HashMap<Ends, f64>,
}

impl Watch {
    fn look(&mut self, listed: &HashMap<Ends, Listed>) -> Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.context("the clock is before 1970")?.as_secs_f64() % DAY_SECONDS;
        for (ends, each) in listed.iter().filter(|(_, each)| each.owner.is_some()) {
            let after = (now - each.seen_at).rem_euclid(DAY_SECONDS);
            self.after.entry(ends.clone()).or_insert(after);
        }
        Ok(())
    }

    fn has_named(&self, server: &Server) -> bool {
        self.after.keys().filter(|ends| server.has(ends)).count() >= server.connections
    }
}

impl Server {
    fn has(&self, (local, _): &Ends) -> bool {
        local
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse() == Ok(self.port))
    }
}

/// What has come of the connections of one server.
struct Score {
    server: Server,
    stalled: usize,
    listed: usize,
    right: usize,
    wrong: usize,
    /// Seconds until found, in order.
    after: Vec<f64>,
}

impl Score {
    fn of(
        server: &Server,
        holders: &HashMap<Ends, HashSet<u64>>,
        listed: &HashMap<Ends, Listed>,
        after: &HashMap<Ends, f64>,
    ) -> Self {
        let mut score = Self {
            server: *server,
            stalled: 0,
            listed: 0,
            right: 0,
            wrong: 0,
            after: Vec::new(),
        };
        for (ends, holders) in holders.iter().filter(|(ends, _)| server.has(ends)) {
            score.stalled += 1;
            let seen = listed.get(ends).filter(|each| each.is_stalled);
            score.listed += usize::from(seen.is_some());
            if let Some(owner) = seen.and_then(|each| each.owner) {
                let is_right = holders.contains(&owner);
                score.right += usize::from(is_right);
                score.wrong += usize::from(!is_right);
            }
            score.after.extend(after.get(ends));
        }
        score.after.sort_by(f64::total_cmp);
        score
    }

    /// Fewer stalled connections than were to be would make it too easy.
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    fn is_within(&self) -> bool {
        let wanted = self.stalled.max(self.server.connections);
        self.right as f64 >= wanted as f64 * FOUND
    }

    fn after(&self, share: f64) -> f64 {
        percentile(&self.after, share)
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            server,
            stalled,
            listed,
            right,
            wrong,
            ..
        } = self;
        write!(
            out,
            "{:<16}  {stalled:>7}  {listed:>6}  {right:>6}  {wrong:>5}        {:>6.2} s  {:>6.2} s",
            server.name,
            self.after(0.5),
            self.after(0.99)
        )
    }
}
