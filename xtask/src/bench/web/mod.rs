//! `cargo xtask bench web`: what a web server loses to the agent, and to other tools.
//!
//! Under one unbroken load each tool is started and stopped in turn, in spans without, with, with,
//! without: what drifts falls out of such a block. The first in turn is nothing at all, which shows
//! what the machine does by itself. Requests a second scatter by ten percent on a machine that shares
//! its processors; the processor time of nginx and wrk a request is steadier, and what the kernel does
//! for their segments, hooks included, is in it.
//!
//! Beside that, the processor time that the agent and its programs take by the kernel's own count: on
//! saturated processors what is left is what the server keeps. It says a little too much: where a
//! program is the first to touch a socket, it also pays for what the kernel would have fetched into
//! the cache a moment later.

mod contenders;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use self::contenders::{CONTENDERS, Contender, Tools};
use super::cost::time_of_family;
use super::share::{Share, left_over};
use super::stage::{Load, Pace, Stage, Traffic};
use super::table::{Spread, Table, tell_bound};

/// Processor time that is left with the agent.
const LEFT: f64 = 0.997;
/// Long enough to read the counters exactly, short enough that the machine's speed hardly drifts.
const SPAN: Duration = Duration::from_millis(400);
/// From a start or a stop until the load is back to itself.
const SETTLE: Duration = Duration::from_millis(100);
/// Longer than a round takes on a slow machine; wrk is stopped when its round has been played.
const ROUND_SECONDS: u32 = 300;
/// Bytes of `/page`: the mean answer on the web (about 2.5 MB a page in 70 answers, HTTP Archive).
const PAGE_BYTES: u32 = 36_000;

/// What is asked, and how it is called.
const LOADS: [(&str, Load); 5] = [
    ("36 kB", PAGE),
    ("1 kB", Load::of("/small")),
    ("1 kB, a connection each", Load::of("/small").closing()),
    ("1 kB, TLS", Load::of("/small").over_tls()),
    ("36 kB, TLS", PAGE.over_tls()),
];
const PAGE: Load = Load::of("/page");

/// Programs it uses, and the Debian packages that bring them.
pub(super) const PROGRAMS: [(&str, &str); 9] = [
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("openssl", "openssl"),
    ("ip", "iproute2"),
    ("bpftool", "bpftool"),
    ("bpftrace", "bpftrace"),
    ("tcpretrans-bpfcc", "bpfcc-tools"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
];

/// What the blocks of one tool under one load showed.
#[derive(Default)]
struct Blocks {
    /// Requests a second and processor time a request, of those without.
    rates: Vec<f64>,
    times: Vec<f64>,
    /// Of one core, by the tool itself.
    own: Vec<f64>,
}

pub(super) fn main(agent: &Path, loader: &Path, rounds: u32) -> Result<()> {
    let stage = Stage::build()?;
    stage.write_page(PAGE_BYTES)?;
    // Caches, the server's own start, and whether its answers are good: wrk says so at its end.
    stage.requests_per_second("/page", 1)?;
    let tools = Tools {
        stage: &stage,
        agent,
        loader,
    };
    let mut absent = BTreeMap::new();
    let mut found: BTreeMap<(usize, &str), Blocks> = BTreeMap::new();
    let mut shares = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for (load_index, (_, load)) in LOADS.iter().enumerate() {
            let mut traffic = stage.traffic(*load, ROUND_SECONDS)?;
            for contender in &CONTENDERS {
                if absent.contains_key(contender.name) {
                    continue;
                }
                let blocks = found.entry((load_index, contender.name)).or_default();
                if let Err(why) = blocks.play(contender, &tools, &traffic) {
                    traffic.check()?;
                    absent.insert(contender.name, format!("{why:#}"));
                }
            }
            if load_index == 0 {
                shares.push(left_over(&stage, &traffic, (agent, loader), SPAN * 4)?);
            }
            traffic.check()?;
        }
    }
    for (load_index, (name, _)) in LOADS.iter().enumerate() {
        let mut table = Table::new(&[
            &format!("answers of {name}"),
            "requests/s, of those without",
            "processor time a request, of that without",
            "itself, % of a core",
        ]);
        for contender in &CONTENDERS {
            if let Some(blocks) = found
                .get(&(load_index, contender.name))
                .filter(|_| !absent.contains_key(contender.name))
            {
                table.row(blocks.row(contender.name));
            }
        }
        println!("{table}");
    }
    for (name, why) in absent {
        println!("{name} does not run here: {why}");
    }
    judge(&shares)
}

impl Blocks {
    /// Without, with, with, without.
    fn play(&mut self, contender: &Contender, tools: &Tools<'_>, traffic: &Traffic) -> Result<()> {
        thread::sleep(SETTLE);
        let before = traffic.pace(SPAN)?;
        let (during, own) = {
            let running = (contender.start)(tools)?;
            thread::sleep(SETTLE * 5);
            let own = || {
                running
                    .as_ref()
                    .map_or(Ok(0.0), |running| time_of_family(running.id()))
            };
            let own_before = own()?;
            let during = traffic.pace(SPAN * 2)?;
            (during, own()? - own_before)
        };
        thread::sleep(SETTLE);
        let after = traffic.pace(SPAN)?;
        let ratio = |of: fn(&Pace) -> f64| of(&during) / f64::midpoint(of(&before), of(&after));
        self.rates.push(ratio(|pace| pace.requests_per_second));
        self.times.push(ratio(|pace| pace.nanoseconds_a_request));
        self.own.push(own * 100.0 / (SPAN * 2).as_secs_f64() / 1e9);
        Ok(())
    }

    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            Spread::of(&self.rates).shown(3),
            Spread::of(&self.times).shown(3),
            Spread::of(&self.own).shown(1),
        ]
    }
}

fn judge(shares: &[Share]) -> Result<()> {
    // Means, not medians: most short spans hold no sweep, and those that do must count.
    let mean = |of: fn(&Share) -> f64| {
        #[allow(clippy::cast_precision_loss, reason = "a few rounds")]
        let count = shares.len() as f64;
        shares.iter().map(of).sum::<f64>() / count
    };
    let left = mean(Share::left);
    println!(
        "of the processor time of nginx, wrk and the agent, answers of 36 kB: agent {:.4}, its programs {:.4} beyond an empty one's",
        mean(|share| share.agent),
        mean(|share| share.hooks)
    );
    tell_bound(
        "processor time left with the agent, 36 kB answers",
        &format!("{left:.4}"),
        &format!("at least {LEFT}"),
        left >= LEFT,
    );
    Ok(())
}
