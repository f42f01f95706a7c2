//! A peer that holds a few connections of each host: below a hoard everywhere, and yet a hoard. The alerts that join
//! hosts fire, and the fleet is looked at as whoever has no rights sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::background::Background;
use crate::command::output;

use super::attack::{ON_THE_WAY, wait_for};
use super::network::{Network, within};
use super::peers::FEW;
use super::prometheus::{PORT, Prometheus, time_of};
use super::{HOSTS, SERVICE, scraped, start_peer};

/// Alerts that join hosts, and the label by which.
const DUE: [(&str, &str); 2] = [
    ("DetectorPeerOnSeveralHosts", "peer"),
    ("DetectorNetworkOnSeveralHosts", "network"),
];
/// A connection is stalled after five seconds.
const STALLED_AFTER: Duration = Duration::from_secs(6);

/// Returns those who hold, who go on.
pub(super) fn play(prometheus: &Prometheus, network: &Network) -> Result<Vec<Background>> {
    let began = Instant::now();
    let few = (0..HOSTS).map(|host| {
        let service = format!("{}:{SERVICE}", network.service(host));
        start_peer(&network.middle, "few", &service)
    });
    let few = few.collect::<Result<Vec<_>>>()?;
    let peer = network.client();
    for (alert, label) in DUE {
        let patience = STALLED_AFTER + time_of(alert)? + ON_THE_WAY;
        let fired = wait_for(prometheus, alert, began, patience)?;
        let whose = fired.iter().map(|alert| &alert.labels[label]);
        let whose: Vec<_> = whose.filter_map(Value::as_str).collect();
        let is_due = match whose.as_slice() {
            [one] if label == "peer" => *one == peer,
            [one] => one
                .strip_suffix("0/24")
                .is_some_and(|net| peer.starts_with(net)),
            _ => false,
        };
        ensure!(is_due, "{alert} is told of {whose:?} instead of {peer}");
    }
    let stalled = prometheus.query(&format!(
        "detector_peer_stalled_connections{{peer=\"{peer}\"}}"
    ))?;
    let by_host: BTreeMap<_, _> = stalled
        .iter()
        .map(|(labels, count)| {
            (
                labels["instance"].as_str().unwrap_or_default(),
                count.as_str(),
            )
        })
        .collect();
    let few_each = FEW.to_string();
    let hosts: Vec<String> = (0..HOSTS).map(|host| scraped(network, host)).collect();
    let due: BTreeMap<_, _> = hosts.iter().map(|host| (&**host, &*few_each)).collect();
    ensure!(
        by_host == due,
        "{peer} holds {by_host:?} instead of {due:?}"
    );
    Ok(few)
}

/// Both peers, as whoever has no rights sees them.
pub(super) fn look(agent: &Path, network: &Network) -> Result<()> {
    let printed = output(&mut unprivileged(agent, network, &["peers", "--json"]))?;
    let rows: Vec<Value> = serde_json::from_str(&printed)?;
    let (everywhere, alone) = (network.client(), network.address_of_middle(0));
    for (peer, hosts, connections) in [
        (&everywhere, HOSTS, HOSTS * FEW),
        (&alone, 1, super::attack::HELD),
    ] {
        let row = rows.iter().find(|row| row["peer"] == peer.as_str());
        let row = row.with_context(|| format!("{peer} is not among the peers of the fleet"))?;
        ensure!(
            row["hosts"] == hosts && row["stalled_connections"] == connections,
            "{peer} does not hold {connections} connections of {hosts} hosts: {row}"
        );
    }
    for arguments in [["peers", "--limit=5"], ["top", "--once"]] {
        let printed = output(&mut unprivileged(agent, network, &arguments))?;
        for peer in [&everywhere, &alone] {
            ensure!(
                printed.contains(peer),
                "{} does not show {peer}:\n{printed}",
                arguments[0]
            );
        }
        println!(
            "$ detector {} --prometheus http://127.0.0.1:{PORT}\n{printed}",
            arguments.join(" ")
        );
    }
    Ok(())
}

/// The program as nobody, in the namespace from which Prometheus can be reached.
fn unprivileged(agent: &Path, network: &Network, arguments: &[&str]) -> Command {
    let mut command = within(&network.middle, Path::new("setpriv"));
    command
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .arg(agent)
        .args(arguments)
        .args(["--prometheus", &format!("http://127.0.0.1:{PORT}")]);
    command
}
