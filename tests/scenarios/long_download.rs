//! A reader that let its window close once and then reads gigabytes has taken nothing back: sequence
//! numbers that far apart cannot be compared, whichever source looks last.

use crate::stage::suffix;
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;

/// Between 2^31 and 2^32 beyond the first closed window, where a plain comparison errs.
const ANSWER_BYTES: usize = 3 << 30;
/// What is left when the server has closed: fits its send buffer, not the client's receive buffer.
const REST_BYTES: usize = 300_000;
const RECEIVE_BUFFER_BYTES: usize = 65_536;

#[test]
fn gigabytes_beyond_a_closed_window_v4() -> Result<()> {
    gigabytes_beyond_a_closed_window(Family::V4)
}

#[test]
fn gigabytes_beyond_a_closed_window_v6() -> Result<()> {
    gigabytes_beyond_a_closed_window(Family::V6)
}

fn gigabytes_beyond_a_closed_window(family: Family) -> Result<()> {
    Story::play(&suffix("long-download", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let buffer = Some(RECEIVE_BUFFER_BYTES);
        let place = &story.lab.client;
        let mut client = KernelPeer::connect_with(place, None, server.address(), buffer)?;
        let peer = client.address()?.ip();
        client.request(&format!("/close/{ANSWER_BYTES}"))?;
        agent.wait_connection(peer, "a closed window", PATIENCE, |seen| {
            seen.in_zero_window
        })?;
        client.read(ANSWER_BYTES - REST_BYTES)?;
        // The hooks are blind now; the sweep looks at what they have left.
        agent.wait_connection(peer, "the server's FIN", PATIENCE, |seen| {
            seen.state == "FIN-WAIT-1"
        })?;
        agent.wait_sweeps(2)?;
        let seen = agent.wait_peer(peer, "the peer", PATIENCE, |_| true)?;
        ensure!(seen.window_shrinks.total() == 0, "{seen:?}");
        let flags = agent.flags(peer)?;
        let shrinks = flags.iter().filter(|flag| flag.kind == "window-shrink");
        ensure!(shrinks.count() == 0, "{flags:?}");
        Ok(())
    })
}
