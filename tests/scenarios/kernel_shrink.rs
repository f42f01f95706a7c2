//! A real kernel shrinks its window when `net.ipv4.tcp_shrink_window` allows it and its receive
//! buffer is cut: the agent sees the shrink and the same peers without the switch do not show one.

use crate::stage::{WITHIN_SWEEPS, both_families, suffix, wait_sweeps};
use anyhow::{Result, ensure};
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::truth::{self, Counts};
use std::time::Duration;

/// The server sends small segments: each costs the receiver far more memory than window.
const WRITES: usize = 20_000;
const WRITE_BYTES: usize = 100;

both_families!(
    kernel_that_may_shrink_does,
    kernel_that_may_not_shrink_does_not
);

fn kernel_that_may_shrink_does(family: Family) -> Result<()> {
    Story::play(&suffix("kernel-shrink", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        story.lab.client.sysctl("ipv4/tcp_shrink_window", "1")?;
        let (client, counts) = play(story)?;
        let shrinks = counts.polite + counts.below_flight + counts.treason;
        ensure!(shrinks >= 1, "the kernel did not shrink: {counts:?}");
        let seen = agent.wait_peer(client.address()?.ip(), "shrinks", WITHIN_SWEEPS, |seen| {
            seen.window_shrinks.total() >= 1
        })?;
        // Segments that were coalesced on their way into the socket are missing, none is invented.
        ensure!(
            seen.window_shrinks.total() <= shrinks,
            "{seen:?}, capture {counts:?}"
        );
        agent
            .wait_flag(client.address()?.ip(), "window-shrink", WITHIN_SWEEPS)
            .map(drop)
    })
}

fn kernel_that_may_not_shrink_does_not(family: Family) -> Result<()> {
    Story::play(&suffix("kernel-no-shrink", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        story.lab.client.sysctl("ipv4/tcp_shrink_window", "0")?;
        let (client, counts) = play(story)?;
        ensure!(
            counts.polite + counts.below_flight + counts.treason == 0,
            "{counts:?}"
        );
        wait_sweeps(&agent, 2)?;
        let seen = agent.peer(client.address()?.ip())?;
        ensure!(seen.is_none_or(|seen| seen.window_shrinks.total() == 0));
        Ok(())
    })
}

/// A client that asks for many small segments, does not read, and has its buffer cut.
fn play(story: &Story) -> Result<(KernelPeer, Counts)> {
    let server = TinyServer::start(story.server(), story.lab.addresses.server(story.family))?;
    let capture = story.capture_link()?;
    let mut client =
        KernelPeer::connect_with(&story.lab.client, None, server.address(), Some(200_000))?;
    client.request(&format!("/small/{WRITES}/{WRITE_BYTES}"))?;
    expect::until(
        "the sender waits for the window",
        Duration::from_secs(10),
        || {
            let sockets = story.server().stdout_of("ss -Htno state established")?;
            Ok((sockets.contains("timer:(persist") || sockets.contains("timer:(on")).then_some(()))
        },
    )?;
    let counts = truth::read(&capture.finish()?, server.address())?[&client.address()?];
    Ok((client, counts))
}
