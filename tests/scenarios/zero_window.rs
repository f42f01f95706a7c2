//! A client that stops reading is seen in its zero window, named as a stall with what it pins, and
//! cleared when it reads on. Its quiet twin reads at once and is not mentioned.

use crate::stage::{both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;

const ANSWER_BYTES: u64 = 20_000_000;

both_families!(
    non_reading_client_is_a_stall,
    reading_client_is_not_mentioned
);

fn non_reading_client_is_a_stall(family: Family) -> Result<()> {
    Story::play(&suffix("zero-window", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        let peer = client.address()?.ip();
        client.request(&format!("/bytes/{ANSWER_BYTES}"))?;

        let flag = agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        ensure!(
            flag.remote == Some(client.address()?.to_string()),
            "{flag:?}"
        );
        ensure!(flag.local == Some(server.address().to_string()), "{flag:?}");
        let stalled = agent.wait_peer(peer, "it is stalled", PATIENCE, |seen| {
            seen.stalled_connections == 1 && seen.pinned_bytes > 0
        })?;
        ensure!(stalled.zero_window_episodes >= 1, "{stalled:?}");
        ensure!(stalled.services == [server.address().port()], "{stalled:?}");
        let connection = agent.wait_connection(peer, "its cause", PATIENCE, |seen| {
            seen.stall.as_deref() == Some("zero_window") && seen.in_zero_window
        })?;
        ensure!(connection.state == "ESTABLISHED", "{connection:?}");

        client.read(usize::try_from(ANSWER_BYTES)?)?;
        agent.wait_peer(peer, "the stall is over", PATIENCE, |seen| {
            seen.stalled_connections == 0 && seen.pinned_bytes == 0
        })?;
        expect::until("the flag is cleared", PATIENCE, || {
            let events = agent.events(peer)?;
            Ok(events
                .iter()
                .any(|event| event.event == "cleared")
                .then_some(()))
        })
    })
}

fn reading_client_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("reading", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request(&format!("/bytes/{ANSWER_BYTES}"))?;
        client.read(usize::try_from(ANSWER_BYTES)?)?;
        expect_unblamed(&agent, client.address()?.ip())
    })
}
