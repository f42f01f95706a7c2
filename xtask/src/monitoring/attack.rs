//! An attack on one host: the alerts of that host fire, each within its time and not before, and none that joins
//! hosts. They end with it. And an agent that is gone is missed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::background::Background;

use super::network::Network;
use super::peers::CONNECTIONS;
use super::prometheus::{Alert, Prometheus, names, time_of};
use super::{SERVICE, scraped, start_peer};

/// Each holds half as many connections again as make a hoard; together they hold more than the alerts that join
/// hosts want of a peer and of a network, but of one host.
const ATTACKERS: usize = 2;
/// What they hold.
pub(super) const HELD: usize = ATTACKERS * CONNECTIONS;
/// Alerts that are due, and how long the agent may take: five seconds make a stall, thirty more say that nothing
/// is drained, and the kernel is asked for others at the same address.
const DUE: [(&str, Duration); 2] = [
    ("DetectorHoard", Duration::from_secs(45)),
    ("DetectorAttack", Duration::from_secs(45)),
];
/// From a condition to a sample of it and a round of rules, which come each second here, and back to us; on two
/// processors, among other tests.
pub(super) const ON_THE_WAY: Duration = Duration::from_secs(15);
/// An incident is over a minute after its last condition.
const END_PATIENCE: Duration = Duration::from_secs(150);
/// What joins hosts says so in its name.
const JOINS_HOSTS: &str = "OnSeveralHosts";

/// Returns the attackers, who go on.
pub(super) fn play(prometheus: &Prometheus, network: &Network) -> Result<Vec<Background>> {
    let began = Instant::now();
    let target = network.address(0, SERVICE);
    let attackers = (0..ATTACKERS).map(|_| start_peer(&network.middle, "attacker", &target));
    let attackers = attackers.collect::<Result<Vec<_>>>()?;
    let host = scraped(network, 0);
    for (alert, found_within) in DUE {
        let time = time_of(alert)?;
        let fired = wait_for(prometheus, alert, began, found_within + time + ON_THE_WAY)?;
        let after = began.elapsed();
        ensure!(
            after >= time,
            "{alert} fires after {after:?}, before its time"
        );
        for alert in &fired {
            ensure!(
                alert.labels["instance"] == host.as_str(),
                "{} is of another host: {}",
                alert.name,
                alert.labels
            );
        }
    }
    let joined = format!("count_over_time(ALERTS{{alertname=~\".*{JOINS_HOSTS}\"}}[10m])");
    let joined = prometheus.query(&joined)?;
    ensure!(
        joined.is_empty(),
        "a peer of one host is taken for one of several: {joined:?}"
    );
    println!("no alert takes one host for several");
    Ok(attackers)
}

/// Until an alert fires, at most for so long since `began`; returns its instances.
pub(super) fn wait_for(
    prometheus: &Prometheus,
    name: &str,
    began: Instant,
    patience: Duration,
) -> Result<Vec<Alert>> {
    loop {
        let firing = prometheus.firing()?;
        let after = began.elapsed();
        ensure!(
            after <= patience,
            "{name} does not fire within {} s; {} do",
            patience.as_secs(),
            names(&firing)
        );
        let found: Vec<Alert> = firing.into_iter().filter(|of| of.name == name).collect();
        if !found.is_empty() {
            println!(
                "{name} fires after {:.0} s, of {} that it may take",
                after.as_secs_f64(),
                patience.as_secs()
            );
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Once the attackers have gone, alerts end by themselves.
pub(super) fn end(prometheus: &Prometheus) -> Result<()> {
    let began = Instant::now();
    loop {
        let firing = prometheus.firing()?;
        if firing.is_empty() {
            println!(
                "all alerts ended {:.0} s after the attackers left",
                began.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        if began.elapsed() > END_PATIENCE {
            bail!(
                "still firing after {} s: {}",
                END_PATIENCE.as_secs(),
                names(&firing)
            );
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// The agent of this instance was stopped.
pub(super) fn down(prometheus: &Prometheus, instance: &str) -> Result<()> {
    const ALERT: &str = "DetectorDown";
    let patience = time_of(ALERT)? + ON_THE_WAY;
    let fired = wait_for(prometheus, ALERT, Instant::now(), patience)?;
    let of: Vec<_> = fired
        .iter()
        .map(|alert| &alert.labels["instance"])
        .collect();
    ensure!(of == [instance], "not {instance} is missed, but {of:?}");
    Ok(())
}
