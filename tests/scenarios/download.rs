//! The case the agent is for: a real nginx, a real download, a client that stops reading. The agent
//! shows episodes, seconds and pinned bytes, and they are those of `ss` and of the clock. Its quiet
//! twin finishes the download.

use crate::stage::{both_families, expect_unblamed, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Family, Namespace, peer_key};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::{Nginx, NginxSettings};
use detector_tests::story::Story;
use std::net::SocketAddr;
use std::time::Instant;

/// Enough for the send buffer to grow to its limit before the client stops.
const WARM_BYTES: usize = 16 << 20;
/// Seconds by which two clocks may differ that count the same span.
const ROUNDING: f64 = 0.1;

both_families!(
    stalled_download_is_measured,
    finished_download_is_not_mentioned
);

fn stalled_download_is_measured(family: Family) -> Result<()> {
    Story::play(&suffix("download", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let web = story.lab.addresses.server(family);
        let nginx = Nginx::start(
            story.server(),
            web,
            story.folder(),
            NginxSettings::default(),
        )?;
        let mut client = KernelPeer::connect(&story.lab.client, nginx.address())?;
        client.request("/large")?;
        client.read(WARM_BYTES)?;
        let peer = client.address()?.ip();
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;

        // Bytes, as `ss` shows them for the same socket. A server that gets little of the processor
        // is still filling its queue, so both are read until it no longer grows.
        let address = client.address()?;
        let what = "the agent and ss show the same queue";
        let queued = expect::until(what, PATIENCE, || {
            let queued = write_queue_bytes(story.server(), address)?;
            let seen = agent.peer(peer)?.context("the peer is gone")?;
            let is_stalled = seen.stalled_connections == 1 && seen.zero_window_episodes >= 1;
            let pinned = as_float(seen.pinned_bytes);
            let agrees = expect::within_percent("pinned_bytes", pinned, queued, 10.0).is_ok();
            Ok((is_stalled && agrees).then_some(queued))
        })?;
        ensure!(queued > 50_000.0, "the download pins only {queued} bytes");

        // Seconds, by the clock, between two scrapes of what Prometheus gets.
        let key = peer_key(peer);
        let labels = [("peer", key.as_str())];
        let seconds = || -> Result<f64> {
            agent
                .metrics()?
                .value("detector_peer_zero_window_seconds_total", &labels)
        };
        // Each is counted up to some moment while it was asked for.
        let asked = Instant::now();
        let first = seconds()?;
        let answered = Instant::now();
        let grown = expect::until("two more seconds", PATIENCE, || {
            let since_answered = answered.elapsed().as_secs_f64();
            let grown = seconds()? - first;
            let since_asked = asked.elapsed().as_secs_f64();
            let has_grown_as_time =
                (since_answered - ROUNDING..since_asked + ROUNDING).contains(&grown);
            ensure!(
                has_grown_as_time,
                "{grown} s in zero window, by the clock {since_answered} to {since_asked} s"
            );
            Ok((grown > 2.0).then_some(grown))
        });
        grown?;

        let what = "a scrape and ss show the same queue";
        let metrics = expect::until(what, PATIENCE, || {
            let metrics = agent.metrics()?;
            let pinned = metrics.value("detector_peer_pinned_bytes", &labels)?;
            let queued = write_queue_bytes(story.server(), address)?;
            let agrees = expect::within_percent("pinned bytes", pinned, queued, 10.0).is_ok();
            Ok(agrees.then_some(metrics))
        })?;
        ensure!(metrics.value("detector_peer_stalled_connections", &labels)? == 1.0);
        ensure!(metrics.value("detector_peer_zero_window_episodes_total", &labels)? >= 1.0);
        Ok(())
    })
}

fn finished_download_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("download-finished", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let (_nginx, client) = story.finish_download()?;
        expect_unblamed(&agent, client.address()?.ip())
    })
}

/// `w` of `skmem` in `ss -tnm`: `sk_wmem_queued` of the server's socket to `client`.
fn write_queue_bytes(server: &Namespace, client: SocketAddr) -> Result<f64> {
    let sockets = server.stdout_of(&format!("ss -HOtnm dst {client}"))?;
    let memory = sockets
        .split("skmem:(")
        .nth(1)
        .with_context(|| format!("ss said {sockets}"))?;
    let field = memory
        .split(',')
        .find_map(|field| field.strip_prefix('w'))
        .with_context(|| format!("no w in {memory}"))?;
    field.parse().with_context(|| format!("number {field}"))
}

/// Bytes of one peer are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}
