//! A quiet time: clients of several kinds come, take what they want at their own pace, and nobody is woken.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::network::Network;
use super::prometheus::{Prometheus, names};
use super::{HOSTS, SERVICE, start_peer};

/// For so long. What an alert waits for is two seconds here, so that each has time to fire many times.
const QUIET: Duration = Duration::from_secs(45);
/// Reads slowly but steadily, pauses for seconds at a time, takes whole pages.
const KINDS: [&str; 3] = ["reader", "watcher", "visitor"];

pub(super) fn play(prometheus: &Prometheus, network: &Network) -> Result<()> {
    let began = Instant::now();
    let mut peers = Vec::new();
    for host in 0..HOSTS {
        let service = format!("{}:{SERVICE}", network.service(host));
        for kind in KINDS {
            peers.push(start_peer(&network.middle, kind, &service)?);
        }
    }
    while began.elapsed() < QUIET {
        let firing = prometheus.firing()?;
        ensure!(
            firing.is_empty(),
            "alerts in a quiet time: {}",
            names(&firing)
        );
        thread::sleep(Duration::from_secs(1));
    }
    let fired = prometheus.query("count_over_time(ALERTS{alertstate=\"firing\"}[5m])")?;
    ensure!(fired.is_empty(), "alerts in a quiet time: {fired:?}");
    for peer in &mut peers {
        ensure!(!peer.has_ended(), "a client has ended before its time");
    }
    // Otherwise nothing was there that an alert could have been wrong about.
    let flags = prometheus.query("sum(detector_flags_total) > 0")?;
    let (_, flags) = flags.first().context("who pauses was not even flagged")?;
    println!(
        "quiet for {} s, {} clients, {flags} flags: no alert",
        QUIET.as_secs(),
        peers.len()
    );
    Ok(())
}
