//! `cargo xtask bench flood`: the agent and the server while peers misbehave in numbers.
//!
//! Each flood is played twice, without and with the agent, against an nginx that answers a healthy
//! client meanwhile. In the second playing one more connection after another takes back window, and
//! somebody follows the agent's events: from that segment to the event in the reader's hands is the
//! latency of a flag. All of it shares this machine's processors with the flood, which takes one.

mod watch;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use self::watch::Page;
pub(super) use self::watch::probe;
use super::cost::{memory, time_of_process};
use super::percentile;
use super::programs::{control_socket, start_telling};
use super::stage::Stage;
use super::storm::{FLOOD, Sent, Storm};
use super::table::{Table, tell_bound};
use crate::background::Background;
use crate::packaging::limits;

/// Milliseconds between two connections whose flags are waited for.
const PROBE_EVERY_MS: &str = "50";
/// Seconds of latency measured without the agent, and with it.
const WITHOUT_SECONDS: u32 = 5;
const WITH_SECONDS: u32 = 15;
/// For what is under way to be counted.
const SETTLE: Duration = Duration::from_secs(3);
const STALLED: &str = "20000";

/// Bounds.
const FLAG_MS: f64 = 10.0;
const PAGE_MS: f64 = 10.0;
const PAGE_BYTES: usize = 1 << 20;
const MEMORY_MIB: f64 = 64.0;

struct Flood {
    name: &'static str,
    mode: Vec<String>,
    /// A storm that is over before the flood is looked at.
    before: Option<Vec<String>>,
}

fn floods(peers: u32) -> Vec<Flood> {
    let flood = |name, mode: &[&str]| Flood {
        name,
        mode: mode.iter().map(|&word| word.to_owned()).collect(),
        before: None,
    };
    vec![
        flood("none", &["stall", "1", "1"]),
        flood("20,000 stalled, of one peer", &["stall", STALLED, "1"]),
        flood("20,000 stalled, a peer each", &["stall", STALLED, STALLED]),
        flood("windows 1, 0, 1, 0, …", &["tease"]),
        flood("a shrink in each ACK", &["shrink"]),
        Flood {
            before: Some(vec!["visit".to_owned(), peers.to_string()]),
            ..flood("the same after the peers", &["stall", STALLED, STALLED])
        },
    ]
}

pub(super) fn main(agent: &Path, examples: &Path, peers: u32) -> Result<()> {
    let stage = Stage::build()?;
    stage.server.bound_send_queues()?;
    let bench = Bench {
        stage,
        agent,
        examples,
    };
    let mut costs = Table::new(&[
        "flood",
        "segments/s",
        "agent, % of a core",
        "resident MiB",
        "maps MiB",
        "/metrics ms",
        "/metrics KiB",
        "lost",
        "held back",
    ]);
    let mut latencies = Table::new(&[
        "flood",
        "flags",
        "flag p50 ms",
        "p99 ms",
        "most ms",
        "missed",
        "server p50 ms, without",
        "with",
        "p99 ms, without",
        "with",
    ]);
    let mut totals = Table::new(&[
        "flood",
        "shrinks sent",
        "counted",
        "episodes sent",
        "counted",
    ]);
    let mut found = Vec::new();
    for flood in floods(peers) {
        eprintln!("flood: {}", flood.name);
        let outcome = bench.play(&flood)?;
        costs.row(outcome.costs());
        latencies.row(outcome.latencies());
        totals.row(outcome.totals());
        found.push(outcome);
    }
    println!("{costs}\n{latencies}\n{totals}");
    judge(&found, peers, limits::of_unit("MemoryHigh")?);
    Ok(())
}

struct Bench<'a> {
    stage: Stage,
    agent: &'a Path,
    examples: &'a Path,
}

/// What one flood showed.
struct Outcome {
    name: &'static str,
    segments_per_second: f64,
    agent_share: f64,
    resident: u64,
    maps: u64,
    page: Page,
    /// From the segment to the event, in milliseconds, in order.
    flags: Vec<f64>,
    missed: usize,
    without: (f64, f64),
    with: (f64, f64),
    sent: Sent,
    visits: Option<(f64, Sent)>,
}

/// What is seen while a flood goes on.
struct Watched {
    /// By the connections whose flags were waited for.
    sent: Sent,
    server: (f64, f64),
    /// Milliseconds of each flag, and how many did not come.
    flags: (Vec<f64>, usize),
    /// Of one core, by the agent.
    share: f64,
}

impl Bench<'_> {
    fn storm(&self, mode: &[String]) -> Result<Storm> {
        let words: Vec<&str> = mode.iter().map(String::as_str).collect();
        Storm::start(&self.stage, self.examples, FLOOD, &words)
    }

    fn play(&self, flood: &Flood) -> Result<Outcome> {
        let without = {
            let storm = self.storm(&flood.mode)?;
            let latency = self.stage.latency(WITHOUT_SECONDS)?;
            storm.finish()?;
            latency
        };
        let folder = &self.stage.scratch.path;
        // No memory of the flood before.
        drop(std::fs::remove_dir_all(folder.join("state")));
        let (running, ready) = start_telling(self.agent, folder, &[])?;
        let mut page = Page::of(&ready)?;
        let visits = flood
            .before
            .as_ref()
            .map(|mode| self.visits(mode))
            .transpose()?;
        let began = Instant::now();
        let storm = self.storm(&flood.mode)?;
        let Watched {
            sent: probed,
            server: with,
            flags: (mut latencies, missed),
            share,
        } = self.watch(&running)?;
        let storm_took = began.elapsed();
        let (resident, maps) = memory(running.id())?;
        page.read()?;
        let (sent, _) = storm.finish()?;
        thread::sleep(SETTLE);
        page.count(self.agent, &control_socket(folder))?;
        latencies.sort_by(f64::total_cmp);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let segments_per_second = sent.segments as f64 / storm_took.as_secs_f64();
        Ok(Outcome {
            name: flood.name,
            segments_per_second,
            agent_share: share,
            resident,
            maps,
            page,
            flags: latencies,
            missed,
            without,
            with,
            sent: sent.plus(probed),
            visits,
        })
    }

    /// Peers that come and go; how long that took.
    fn visits(&self, mode: &[String]) -> Result<(f64, Sent)> {
        let began = Instant::now();
        let storm = self.storm(mode)?;
        let took = began.elapsed().as_secs_f64();
        Ok((took, storm.finish()?.0))
    }

    /// Latencies of flags and of the server while the flood goes on, and the agent's share of a core.
    fn watch(&self, running: &Background) -> Result<Watched> {
        let (before, began) = (time_of_process(running.id())?, Instant::now());
        let programs = (self.agent, self.examples);
        let probed = probe(&self.stage, programs, PROBE_EVERY_MS, || {
            let server = self.stage.latency(WITH_SECONDS)?;
            let used = time_of_process(running.id())? - before;
            Ok((server, used / 1e9 / began.elapsed().as_secs_f64()))
        })?;
        let (server, share) = probed.meanwhile;
        Ok(Watched {
            sent: probed.sent,
            server,
            flags: probed.flags,
            share,
        })
    }
}

impl Outcome {
    fn flag_percentile(&self, share: f64) -> f64 {
        percentile(&self.flags, share)
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn costs(&self) -> Vec<String> {
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        vec![
            self.name.to_owned(),
            format!("{:.0}", self.segments_per_second),
            format!("{:.1}", self.agent_share * 100.0),
            mib(self.resident),
            mib(self.maps),
            format!("{:.1}", self.page.milliseconds),
            format!("{:.0}", self.page.bytes as f64 / 1024.0),
            self.page.lost.to_string(),
            self.page.held_back.to_string(),
        ]
    }

    fn latencies(&self) -> Vec<String> {
        let ms = |value: f64| format!("{value:.2}");
        vec![
            self.name.to_owned(),
            self.flags.len().to_string(),
            ms(self.flag_percentile(0.5)),
            ms(self.flag_percentile(0.99)),
            ms(self.flag_percentile(1.0)),
            self.missed.to_string(),
            ms(self.without.0),
            ms(self.with.0),
            ms(self.without.1),
            ms(self.with.1),
        ]
    }

    fn all_sent(&self) -> Sent {
        self.visits
            .map_or(self.sent, |(_, visits)| self.sent.plus(visits))
    }

    fn totals(&self) -> Vec<String> {
        let sent = self.all_sent();
        vec![
            self.name.to_owned(),
            sent.shrinks.to_string(),
            self.page.shrinks.to_string(),
            sent.episodes.to_string(),
            self.page.episodes.to_string(),
        ]
    }
}

/// `high_mib`: above it the unit would have the agent slowed down.
fn judge(found: &[Outcome], peers: u32, high_mib: f64) {
    for outcome in found.iter().filter(|outcome| outcome.visits.is_some()) {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let mib = (outcome.resident + outcome.maps) as f64 / f64::from(1 << 20);
        let took = outcome.visits.map_or(0.0, |(took, _)| took);
        println!("{peers} peers came and went in {took:.1} s");
        tell_bound(
            &format!("{peers} distinct peers seen, 20,000 stalled: memory, maps included"),
            &format!("{mib:.1} MiB"),
            &format!("at most {MEMORY_MIB} MiB"),
            mib <= MEMORY_MIB,
        );
        tell_bound(
            "the same, of what the unit gives before it slows the agent down",
            &format!("{mib:.1} MiB"),
            &format!("below {high_mib} MiB"),
            mib < high_mib,
        );
    }
    let most = |of: fn(&Outcome) -> f64| found.iter().map(of).fold(f64::NAN, f64::max);
    let flags = most(|outcome| outcome.flag_percentile(0.99));
    tell_bound(
        "flag latency through hooks, p99, worst flood",
        &format!("{flags:.1} ms"),
        &format!("at most {FLAG_MS} ms"),
        flags <= FLAG_MS,
    );
    let page = most(|outcome| outcome.page.milliseconds);
    let bytes = found
        .iter()
        .map(|outcome| outcome.page.bytes)
        .max()
        .unwrap_or(0);
    tell_bound(
        "/metrics, worst flood",
        &format!("{page:.1} ms, {} KiB", bytes / 1024),
        &format!("at most {PAGE_MS} ms, 1 MiB"),
        page <= PAGE_MS && bytes <= PAGE_BYTES,
    );
    let lost: u64 = found.iter().map(|outcome| outcome.page.lost).sum();
    tell_bound(
        "records lost in the floods",
        &lost.to_string(),
        "0",
        lost == 0,
    );
    let missing = |outcome: &Outcome| {
        let sent = outcome.all_sent();
        sent.shrinks.saturating_sub(outcome.page.shrinks)
            + sent.episodes.saturating_sub(outcome.page.episodes)
    };
    let missing: u64 = found.iter().map(missing).sum();
    let sent = found.iter().map(Outcome::all_sent);
    let sent: u64 = sent.map(|sent| sent.shrinks + sent.episodes).sum();
    println!(
        "What comes while something holds the socket (the server, a sweep) waits in its backlog, where the kernel\n\
         merges acknowledgements before TCP sees them: such shrinks have not happened to the connection.\n\
         Once peers were forgotten, the whole host's counts stand for theirs."
    );
    tell_bound(
        "shrinks and episodes sent and not counted, all floods",
        &format!("{missing} of {sent}"),
        "0",
        missing == 0,
    );
}
