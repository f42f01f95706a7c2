//! Real kernels shrink, too. One with `net.ipv4.tcp_shrink_window=1` whose receive buffer is cut
//! takes back window politely; the same without the switch does not, and one with the switch that
//! just reads raises no warning. One whose receive buffer is overrun answers a window of zero with
//! data in flight. The agent sees what a capture shows.

use crate::stage::{both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::truth::{self, Counts};

both_families!(
    kernel_that_may_shrink_does,
    kernel_that_may_not_shrink_does_not,
    kernel_that_may_shrink_and_reads_is_no_warning,
    overrun_kernel_retracts_to_zero,
);

fn kernel_that_may_shrink_does(family: Family) -> Result<()> {
    Story::play(&suffix("kernel-shrink", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        story.lab.client.sysctl("ipv4/tcp_shrink_window", "1")?;
        let (client, counts) = cut_idle_buffer(story)?;
        ensure!(counts.polite == 1, "the kernel did not shrink: {counts:?}");
        let peer = client.address()?.ip();
        let seen = agent.wait_peer(peer, "the shrink", PATIENCE, |seen| {
            seen.window_shrinks.polite == 1
        })?;
        ensure!(
            seen.window_shrinks.total() == 1,
            "{seen:?}, capture {counts:?}"
        );
        ensure!(seen.stalled_connections == 0, "nothing is queued: {seen:?}");
        agent.wait_flag(peer, "window-shrink", PATIENCE).map(drop)
    })
}

fn kernel_that_may_not_shrink_does_not(family: Family) -> Result<()> {
    Story::play(&suffix("kernel-no-shrink", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        story.lab.client.sysctl("ipv4/tcp_shrink_window", "0")?;
        let (client, counts) = cut_idle_buffer(story)?;
        ensure!(shrinks(&counts) == 0, "{counts:?}");
        agent.wait_sweeps(2)?;
        let seen = agent.peer(client.address()?.ip())?;
        ensure!(
            seen.as_ref()
                .is_none_or(|seen| seen.window_shrinks.total() == 0),
            "{seen:?}"
        );
        ensure!(agent.flags(client.address()?.ip())?.is_empty());
        Ok(())
    })
}

fn kernel_that_may_shrink_and_reads_is_no_warning(family: Family) -> Result<()> {
    Story::play(&suffix("kernel-shrink-reader", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        story.lab.client.sysctl("ipv4/tcp_shrink_window", "1")?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/5000000")?;
        client.read(5_000_000)?;
        agent.wait_sweeps(2)?;
        let peer = client.address()?.ip();
        let flags = agent.flags(peer)?;
        ensure!(
            flags.iter().all(|flag| flag.severity == "info"),
            "a reading kernel is accused: {flags:?}"
        );
        let seen = agent.peer(peer)?;
        ensure!(
            seen.as_ref()
                .is_none_or(|seen| seen.severity == "info" && seen.stalled_connections == 0),
            "{seen:?}"
        );
        Ok(())
    })
}

fn overrun_kernel_retracts_to_zero(family: Family) -> Result<()> {
    Story::play(&suffix("kernel-overrun", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        story.lab.client.sysctl("ipv4/tcp_shrink_window", "0")?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let capture = story.capture_link()?;
        let mut client =
            KernelPeer::connect_with(&story.lab.client, None, server.address(), Some(200_000))?;
        client.request("/after/1000000")?;
        client.read(1_000)?;
        // The offer stands, the room for it is gone.
        client.set_receive_buffer(1_000)?;
        client.send(b"more")?;
        let peer = client.address()?.ip();
        let seen = agent.wait_peer(peer, "treason", PATIENCE, |seen| {
            seen.window_shrinks.treason >= 1 && seen.stalled_connections == 1
        })?;
        let file = capture.finish()?;
        let counts = truth::read(&file, server.address())?[&client.address()?];
        ensure!(counts.treason == 1 && shrinks(&counts) == 1, "{counts:?}");
        ensure!(
            seen.window_shrinks.total() == 1,
            "{seen:?}, capture {counts:?}"
        );
        Ok(())
    })
}

/// A client that gets an answer, has its receive buffer cut, and says its window once more.
fn cut_idle_buffer(story: &Story) -> Result<(KernelPeer, Counts)> {
    let server = TinyServer::start(story.server(), story.lab.addresses.server(story.family))?;
    let capture = story.capture_link()?;
    let mut client =
        KernelPeer::connect_with(&story.lab.client, None, server.address(), Some(200_000))?;
    client.request("/bytes/1000")?;
    client.read(1_000)?;
    client.set_receive_buffer(10_000)?;
    // The first word has the sequence number that said the window before, so it may be an old one.
    for _ in 0..2 {
        client.send(b"more")?;
        wait_for_answer(story)?;
    }
    let counts = truth::read(&capture.finish()?, server.address())?;
    let counts = *counts
        .get(&client.address()?)
        .context("the capture misses the client")?;
    Ok((client, counts))
}

/// Until the server's kernel has acknowledged everything the client sent.
fn wait_for_answer(story: &Story) -> Result<()> {
    expect::until("nothing of the client is on its way", PATIENCE, || {
        let sockets = story.lab.client.stdout_of("ss -Htn state established")?;
        let queued = sockets
            .split_whitespace()
            .nth(1)
            .context("no socket")?
            .to_owned();
        Ok((queued == "0").then_some(()))
    })
}

const fn shrinks(counts: &Counts) -> u64 {
    counts.polite + counts.below_flight + counts.treason
}
