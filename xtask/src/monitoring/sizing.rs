//! What agents cost their Prometheus: bytes a sample, measured on a block that `promtool` makes of two hours of
//! one host, and from that the table of docs/sizing.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::background::Scratch;
use crate::command::{output, run};
use crate::marked::Part;
use crate::tree;

/// The peer that the golden page has.
pub(super) const GOLDEN_PEER: &str = "198.51.100.7";
/// Peers with metrics of their own: few, the default, and the most there are while they change.
const EXPORTED: [u64; 3] = [20, 200, MOST_EXPORTED];
const MOST_EXPORTED: u64 = 400;
const HOSTS: [u64; 4] = [1, 100, 1_000, 10_000];
const INTERVALS: [u64; 2] = [15, 60];
/// The measured block: as long as Prometheus makes its own.
const BLOCK_SECONDS: u64 = 7_200;
const BLOCK_PEERS: u64 = 200;
const DAY: u64 = 86_400;
const TABLE: Part = Part {
    page: "docs/sizing.md",
    begin: "<!-- table: written by `cargo xtask monitoring --sizing` -->",
    end: "<!-- table end -->",
};

/// Series of one agent.
struct Series {
    /// Whatever its peers do.
    fixed: u64,
    /// For each exported peer.
    of_peer: u64,
}

pub(super) fn write() -> Result<()> {
    let samples = golden_samples()?;
    let series = Series::of(&samples);
    let bytes = bytes_per_sample(&samples)?;
    println!(
        "{} series and {} a peer, {bytes:.2} bytes a sample",
        series.fixed, series.of_peer
    );
    TABLE.write(&table(&series, bytes))
}

impl Series {
    fn of(samples: &[(String, bool)]) -> Self {
        let (of_peer, fixed): (Vec<_>, Vec<_>) =
            samples.iter().partition(|(_, is_of_peer)| *is_of_peer);
        Self {
            fixed: fixed.len() as u64,
            of_peer: of_peer.len() as u64,
        }
    }

    fn told(&self) -> String {
        format!(
            "An agent has {} series, up to 20 more where workers of services wait, and {} for each exported peer: \
             with the default at most {} of peers, {} with its own.",
            self.fixed,
            self.of_peer,
            grouped(self.of_peer * MOST_EXPORTED),
            grouped(self.with(MOST_EXPORTED))
        )
    }

    const fn with(&self, peers: u64) -> u64 {
        self.fixed + self.of_peer * peers
    }
}

/// Writes two hours of a host's page, a tenth of whose peers are busy, and has Prometheus pack it.
#[allow(clippy::cast_precision_loss, reason = "a ratio of two digits is shown")]
fn bytes_per_sample(samples: &[(String, bool)]) -> Result<f64> {
    let scratch = Scratch::create("sizing")?;
    let mut text = String::new();
    let mut count = 0;
    for (name, _) in samples.iter().filter(|(_, is_of_peer)| *is_of_peer) {
        for peer in 0..BLOCK_PEERS {
            let name = name.replace(
                GOLDEN_PEER,
                &format!("198.51.{}.{}", peer / 250, peer % 250),
            );
            let mut value = 0;
            for second in (0..BLOCK_SECONDS).step_by(15) {
                // Steps that do not repeat, as those of byte counts do not.
                let is_busy = peer % 10 == 0;
                value += if is_busy {
                    (second * 7_919 + peer) % 50_000
                } else {
                    0
                };
                writeln!(text, "{name} {value} {}", 1_700_000_000 + second)?;
                count += 1;
            }
        }
    }
    text.push_str("# EOF\n");
    let file = scratch.path.join("samples");
    fs::write(&file, text)?;
    let blocks = scratch.path.join("blocks");
    run(Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(&file)
        .arg(&blocks)
        .stdout(Stdio::null())
        .stderr(Stdio::null()))?;
    Ok(size(&blocks)? as f64 / f64::from(count))
}

fn size(folder: &Path) -> Result<u64> {
    let said = output(Command::new("du").args(["-s", "--bytes"]).arg(folder))?;
    let bytes = said.split_whitespace().next().context("du says nothing")?;
    bytes.parse().context("du gives no number")
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn table(series: &Series, bytes: f64) -> String {
    let mut text = format!(
        "{} A sample takes {bytes:.1} bytes on the disk of Prometheus.\n\n\
         | hosts | `[peers] export` | series | every | samples a second | disk a day |\n\
         |---|---|---|---|---|---|\n",
        series.told()
    );
    for hosts in HOSTS {
        for peers in EXPORTED {
            for interval in INTERVALS {
                let all = series.with(peers) * hosts;
                let a_second = all as f64 / interval as f64;
                let disk = a_second * DAY as f64 * bytes;
                let _ = writeln!(
                    text,
                    "| {hosts} | {peers} | {} | {interval} s | {} | {}B |",
                    short(all as f64),
                    short(a_second),
                    short(disk)
                );
            }
        }
    }
    text
}

/// Samples of the golden page without their values, and whether they are of a peer.
pub(super) fn golden_samples() -> Result<Vec<(String, bool)>> {
    let golden =
        fs::read_to_string(tree::root().join("detector-agent/src/metrics/page/golden.txt"))?;
    samples_of(&golden)
}

fn samples_of(page: &str) -> Result<Vec<(String, bool)>> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|sample| {
            let (name, _) = sample.rsplit_once(' ').context("a sample without value")?;
            Ok((name.to_owned(), name.contains(GOLDEN_PEER)))
        })
        .collect()
}

/// Thousands with a comma.
fn grouped(number: u64) -> String {
    match (number / 1_000, number % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// Three digits and a letter.
pub(super) fn short(number: f64) -> String {
    let (number, letter) = match number {
        n if n >= 1e12 => (n / 1e12, " T"),
        n if n >= 1e9 => (n / 1e9, " G"),
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e3 => (n / 1e3, " k"),
        n => (n, " "),
    };
    let digits = if number >= 100.0 { 0 } else { 1 };
    format!("{number:.digits$}{letter}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Series, golden_samples, samples_of, short};
    use crate::monitoring::fleet::FOUND;

    const SIZING: &str = include_str!("../../../docs/sizing.md");

    #[test]
    fn series_are_counted_by_peer() {
        let page =
            "# TYPE a counter\na 1\na_peer{peer=\"198.51.100.7\"} 2\na_peer{peer=\"other\"} 3\n";
        let series = Series::of(&samples_of(page).unwrap());
        assert_eq!((series.fixed, series.of_peer, series.with(10)), (2, 1, 12));
    }

    /// Where it fails, metrics have come or gone: `cargo xtask monitoring --sizing`.
    #[test]
    fn the_page_counts_the_series_there_are() {
        let told = Series::of(&golden_samples().unwrap()).told();
        assert!(SIZING.contains(&told), "{told}");
    }

    /// Ten thousand is what the page promises numbers for: fewer were run by somebody who was in a hurry.
    #[test]
    fn the_page_has_a_fleet_of_ten_thousand_hosts() {
        let (_, fleet) = SIZING.split_once(FOUND.begin).unwrap();
        let of = fleet.trim_start().lines().next();
        assert!(of.unwrap().starts_with("10000 hosts "), "{of:?}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(2_150.0), "2.1 k");
        assert_eq!(short(143.3), "143");
        assert_eq!(short(1.9e9), "1.9 G");
    }
}
