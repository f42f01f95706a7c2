//! Packets lost on the way are `loss`, not window probes, and blame nobody for shrinking. Where packets
//! only overtake each other, what was sent again is known to have been needless. The quiet twin is the same download
//! on a link that loses nothing; readers there that are slow are among the stories that are played alone.

use crate::stage::{both_families, expect_unblamed, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, PeerView};
use detector_tests::lab::{Family, Reordering, drop_incoming};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::{PATIENCE, expect};
use std::net::SocketAddr;

const ANSWER_BYTES: usize = 2_000_000;

both_families!(
    lost_packets_are_loss,
    overtaken_packets_are_sent_again_needlessly,
    lossless_link_is_not_mentioned
);

fn lost_packets_are_loss(family: Family) -> Result<()> {
    Story::play(&suffix("loss", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        drop_incoming(&story.lab.client, 5)?;
        client.request(&format!("/bytes/{ANSWER_BYTES}"))?;
        client.read(ANSWER_BYTES)?;
        let peer = client.address()?.ip();
        agent.wait_peer(peer, "loss", PATIENCE, |seen| seen.retransmits.loss >= 5)?;
        agent.wait_sweeps(2)?;
        let seen = agent.wait_peer(peer, "the peer", PATIENCE, |_| true)?;
        ensure!(seen.retransmits.window_probe == 0, "{seen:?}");
        ensure!(seen.window_shrinks.total() == 0, "{seen:?}");
        let flags = agent.flags(peer)?;
        ensure!(flags.is_empty(), "loss alone accuses nobody: {flags:?}");
        Ok(())
    })
}

/// The peer's kernel reports each that it has received twice (DSACK).
fn overtaken_packets_are_sent_again_needlessly(family: Family) -> Result<()> {
    Story::play(&suffix("reordering", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let _wire = Reordering::lay(&story.lab)?;
        let addresses = story.lab.addresses;
        let server = TinyServer::start(story.server(), addresses.tun_server(family))?;
        let peer = addresses.crafted(family, 0);
        // A kernel learns how far packets are overtaken here, on each connection and for the next.
        story.server().sysctl("ipv4/tcp_no_metrics_save", "1")?;
        let is_told = |seen: &PeerView| {
            // Not all: what is reported after a sweep has carried all and forgotten is not known.
            seen.retransmits.loss > 0 && seen.retransmits_needless > 0
        };
        let mut clients = Vec::new();
        let seen = expect::until("needless retransmits are told", PATIENCE, || {
            // Fewer in flight than the devices have room for.
            let (source, buffer) = (SocketAddr::new(peer, 0), 100_000);
            let mut client = KernelPeer::connect_with(
                &story.lab.client,
                Some(source),
                server.address(),
                Some(buffer),
            )?;
            client.request(&format!("/bytes/{ANSWER_BYTES}"))?;
            client.read(ANSWER_BYTES)?;
            // What was overtaken by the end of an answer is no news to a socket that is closed.
            clients.push(client);
            Ok(agent.peer(peer)?.filter(is_told))
        });
        let seen = seen.with_context(|| {
            let counted = story
                .server()
                .stdout_of("nstat -as TcpRetransSegs TcpExtTCPDSACKRecvSegs");
            format!("{counted:?}, {:?}", agent.peer(peer))
        })?;
        // Segments: one report may tell of several.
        let reported = count(
            &story
                .server()
                .stdout_of("nstat -asz TcpExtTCPDSACKRecvSegs")?,
        )?;
        ensure!(
            seen.retransmits_needless <= reported && reported > 0,
            "{reported} reported: {seen:?}"
        );
        ensure!(seen.retransmits.window_probe == 0, "{seen:?}");
        let flags = agent.flags(peer)?;
        ensure!(flags.is_empty(), "{flags:?}");
        Ok(())
    })
}

/// The number in the last line of `nstat`.
fn count(text: &str) -> Result<u64> {
    let line = text.lines().last().context("no line of nstat")?;
    let number = line
        .split_whitespace()
        .nth(1)
        .context("no number of nstat")?;
    number.parse().context("a number of nstat")
}

fn lossless_link_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("lossless", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request(&format!("/bytes/{ANSWER_BYTES}"))?;
        client.read(ANSWER_BYTES)?;
        let peer = client.address()?.ip();
        expect_unblamed(&agent, peer)?;
        let seen = agent.peer(peer)?;
        ensure!(
            seen.as_ref()
                .is_none_or(|seen| seen.retransmits.window_probe == 0),
            "{seen:?}"
        );
        Ok(())
    })
}
