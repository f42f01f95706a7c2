//! What Prometheus gets: the names of the contract are there, peers add up to the host's totals,
//! and health is told.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, Metrics};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;

const HOST_TOTALS: [(&str, &str); 4] = [
    (
        "detector_window_shrinks_total",
        "detector_peer_window_shrinks_total",
    ),
    (
        "detector_zero_window_episodes_total",
        "detector_peer_zero_window_episodes_total",
    ),
    (
        "detector_retransmits_total",
        "detector_peer_retransmits_total",
    ),
    (
        "detector_stalled_connections",
        "detector_peer_stalled_connections",
    ),
];

const OTHERS: [&str; 14] = [
    "detector_zero_window_seconds_total",
    "detector_pinned_bytes",
    "detector_flags_total",
    "detector_build_info",
    "detector_probe_attached",
    "detector_records_received_total",
    "detector_records_lost_total",
    "detector_peers_tracked",
    "detector_connections_tracked",
    "detector_peer_evictions_total",
    "detector_sweep_seconds",
    "detector_sweep_sockets",
    "detector_peer_pinned_byte_seconds_total",
    "process_start_time_seconds",
];

both_families!(peers_add_up_to_host_totals);

fn peers_add_up_to_host_totals(family: Family) -> Result<()> {
    Story::play(&suffix("metrics", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let first = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&first)?;
        let second = stage.connect(4_002, Profile::default())?;
        acts::close_window(&second)?;
        agent.wait_peer(stage.peer_ip(), "both are stalled", PATIENCE, |seen| {
            seen.stalled_connections == 2
        })?;
        let metrics = expect::until("the scrape shows it", PATIENCE, || {
            let metrics = agent.metrics()?;
            let shrinks =
                metrics.value("detector_window_shrinks_total", &[("severity", "treason")])?;
            Ok((shrinks >= 1.0).then_some(metrics))
        })?;
        for (host, peer) in HOST_TOTALS {
            let (host_total, peers_total) = (metrics.sum(host)?, metrics.sum(peer)?);
            ensure!(
                host_total == peers_total,
                "{host} {host_total}, {peer} {peers_total}"
            );
            ensure!(host_total > 0.0, "{host} is 0");
        }
        for name in OTHERS {
            ensure!(metrics.text().contains(name), "{name} is missing");
        }
        ensure_attached(&metrics)?;
        ensure!(agent.web_request("GET", "/healthz")?.status == 200);
        ensure!(agent.web_request("GET", "/readyz")?.status == 200);
        Ok(())
    })
}

fn ensure_attached(metrics: &Metrics) -> Result<()> {
    let attached: Vec<&str> = metrics
        .text()
        .lines()
        .filter(|line| line.starts_with("detector_probe_attached{"))
        .collect();
    ensure!(attached.len() >= 4, "probes: {attached:?}");
    ensure!(
        attached.iter().all(|line| line.ends_with(" 1")),
        "probes: {attached:?}"
    );
    Ok(())
}
