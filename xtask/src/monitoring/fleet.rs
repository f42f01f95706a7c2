//! Many hosts before one Prometheus: their pages are made by one server, the load on Prometheus and the
//! cost of the shipped rules are real. Writes what came of it into docs/sizing.md.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::network::Network;
use super::peers;
use super::prometheus::{PORT, Place, Prometheus};
use super::sizing::{GOLDEN_PEER, golden_samples, short};
use crate::background::{Background, Scratch};
use crate::marked::Part;

pub(super) const FOUND: Part = Part {
    page: "docs/sizing.md",
    begin: "<!-- fleet: written by `cargo xtask monitoring --fleet` -->",
    end: "<!-- fleet end -->",
};

/// `[peers] export` of each host.
const EXPORTED: usize = 20;
/// So many of them are peers of all hosts, as crawlers and attackers are.
const SHARED: usize = 5;
/// Of whom there are so many in all.
const SHARED_POOL: usize = 500;
const INTERVAL_SECONDS: u64 = 60;
/// Until each host has been scraped so often, and each rule evaluated.
const ROUNDS: usize = 3;
const PAGES: &str = "127.0.0.1:10062";

/// Plays `hosts` hosts.
pub(super) fn play(hosts: usize) -> Result<()> {
    let scratch = Scratch::create("fleet")?;
    let network = Network::make(0)?;
    let _pages =
        Background::start_until_ready(&mut peers::command(&network.middle, "fleet", PAGES)?)?;
    let config = configure(hosts);
    let place = Place::in_namespace(&network.middle);
    let prometheus = Prometheus::run(place, &config, str::to_owned, &scratch.path)?;
    let patience = Duration::from_secs(INTERVAL_SECONDS * 5);
    prometheus.wait_for("count(up{job=\"detector\"} == 1)", hosts, patience)?;
    println!("{hosts} hosts are scraped");
    let rounds = format!(
        "count(count_over_time(up{{job=\"detector\"}}[1h]) >= {ROUNDS}) + 0 * min(prometheus_rule_group_iterations_total >= {ROUNDS})"
    );
    prometheus.wait_for(&rounds, hosts, patience)?;
    FOUND.write(&found(&prometheus, hosts)?)
}

fn configure(hosts: usize) -> String {
    let mut targets = String::new();
    for host in 0..hosts {
        let _ = writeln!(targets, "        - host{host}");
    }
    format!(
        "global:
  scrape_interval: {INTERVAL_SECONDS}s
  evaluation_interval: {INTERVAL_SECONDS}s
rule_files:
  - detector-rules.yml
  - detector-alerts.yml
scrape_configs:
  - job_name: prometheus
    scrape_interval: 5s
    static_configs:
      - targets: [\"127.0.0.1:{PORT}\"]
  - job_name: detector
    static_configs:
      - targets:
{targets}    relabel_configs:
      - source_labels: [__address__]
        target_label: instance
      - source_labels: [__address__]
        target_label: __param_host
      - target_label: __address__
        replacement: {PAGES}
"
    )
}

/// What it took, as text of the page.
fn found(prometheus: &Prometheus, hosts: usize) -> Result<String> {
    let number = |query: &str| -> Result<f64> {
        let found = prometheus.query(query)?;
        let (_, value) = found.first().with_context(|| format!("{query}: nothing"))?;
        value.parse().with_context(|| format!("{query}: {value}"))
    };
    let series = number("prometheus_tsdb_head_series")?;
    let samples = number("sum(scrape_samples_scraped{job=\"detector\"})")?;
    let memory = number("process_resident_memory_bytes{job=\"prometheus\"}")?;
    let share = number("rate(process_cpu_seconds_total{job=\"prometheus\"}[2m])")?;
    let slowest = number("quantile(0.99, scrape_duration_seconds{job=\"detector\"})")?;
    let rules = |group: &str| {
        number(&format!(
            "prometheus_rule_group_last_duration_seconds{{rule_group=~\".*;{group}\"}}"
        ))
    };
    let (of_host, of_fleet) = (rules("detector-host")?, rules("detector-fleet")?);
    let alerts = number(
        "sum(prometheus_rule_group_last_duration_seconds{rule_group=~\".*alerts.yml;.*\"})",
    )?;
    let joined = number("count(peer:detector_hosts:count)")?;
    let several = number("count(peer:detector_hosts:count > 1)")?;
    Ok(format!(
        "{hosts} hosts with `export = {EXPORTED}`, scraped each {INTERVAL_SECONDS} s by one Prometheus, with all rules and alerts \
         (`cargo xtask monitoring --fleet {hosts}`; the pages are made by one server, {SHARED} of the peers of each host are peers of \
         others, too, and peers stay: what churn adds is above):\n\n\
         | what | found |\n|---|---|\n\
         | series in memory | {} |\n\
         | samples a second | {} |\n\
         | memory of Prometheus | {}B |\n\
         | processors it takes | {share:.2} |\n\
         | 99 % of scrapes take less than | {:.0} ms |\n\
         | a round of rules by host | {of_host:.2} s |\n\
         | a round of rules that join hosts | {of_fleet:.2} s, {joined} peers, {several} of them on several hosts |\n\
         | a round of alerts | {alerts:.2} s |\n",
        short(series),
        short(samples / INTERVAL_SECONDS as f64),
        short(memory),
        slowest * 1_000.0,
    ))
}

/// Gives each host's page to whoever asks for it.
pub(super) fn serve(address: &str) -> Result<()> {
    let samples = Arc::new(golden_samples()?);
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    peers::ready("serving pages");
    for stream in listener.incoming() {
        let (stream, samples) = (stream.context("cannot accept")?, Arc::clone(&samples));
        thread::spawn(move || answer(stream, &samples));
    }
    Ok(())
}

fn answer(stream: TcpStream, samples: &[(String, bool)]) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let host = first.split("host=host").nth(1);
    let host = host.and_then(|rest| rest.split([' ', '&']).next()?.parse().ok());
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let page = page(samples, host.context("no host is asked for")?);
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    )?;
    Ok(())
}

/// The page of one host: each of the golden samples, those of a peer for each of its peers. A tenth of
/// them holds something.
fn page(samples: &[(String, bool)], host: usize) -> String {
    let peers: Vec<String> = (0..EXPORTED).map(|number| peer(host, number)).collect();
    let mut page = String::new();
    for (name, is_of_peer) in samples {
        if !is_of_peer {
            let _ = writeln!(page, "{name} {host}");
            continue;
        }
        for (number, peer) in peers.iter().enumerate() {
            let value = if (host + number).is_multiple_of(10) {
                3
            } else {
                0
            };
            let _ = writeln!(page, "{} {value}", name.replace(GOLDEN_PEER, peer));
        }
    }
    page
}

fn peer(host: usize, number: usize) -> String {
    if number < SHARED {
        let shared = (host * SHARED + number) % SHARED_POOL;
        return format!("203.0.{}.{}", 113 + shared / 250, shared % 250);
    }
    let own = host * EXPORTED + number;
    format!("10.{}.{}.{}", own >> 16 & 255, own >> 8 & 255, own & 255)
}

#[cfg(test)]
mod tests {
    use super::{EXPORTED, SHARED, configure, page, peer};
    use std::collections::HashSet;

    #[test]
    fn hosts_share_some_of_their_peers_and_each_has_its_own() {
        let of = |host| (0..EXPORTED).map(move |number| peer(host, number));
        let all: HashSet<String> = of(0).chain(of(100)).collect();
        assert_eq!(all.len(), 2 * EXPORTED - SHARED);
    }

    #[test]
    fn a_page_has_each_peer_and_the_configuration_each_host() {
        let samples = [
            ("up_and_down".to_owned(), false),
            ("held{peer=\"198.51.100.7\"}".to_owned(), true),
        ];
        let page = page(&samples, 10);
        assert_eq!(page.lines().count(), 1 + EXPORTED, "{page}");
        assert!(page.contains("held{peer=\"203.0.113.50\"} 3\n"), "{page}");
        assert!(configure(2).contains("        - host1\n    relabel"));
    }
}
