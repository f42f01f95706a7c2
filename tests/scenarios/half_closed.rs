//! A peer that sends FIN with its request and then closes its window stalls a socket in CLOSE_WAIT,
//! where `tcp_probe` is blind: the sweep finds it. Its quiet twin sends FIN and reads everything.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::Profile;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;

both_families!(
    stall_in_close_wait_is_swept_up,
    kernel_client_that_shuts_down_and_stops_reading_is_found,
    half_closed_reader_is_not_mentioned,
);

fn stall_in_close_wait_is_swept_up(family: Family) -> Result<()> {
    Story::play(&suffix("half-closed", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("half-closed")?;
        let flag = agent.wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)?;
        // No segment shows it to a hook; where the peer waits for a processor, what is sent again to it may.
        ensure!(flag.source != "hook", "{flag:?}");
        let found = agent.wait_connection(stage.peer_ip(), "the stall", PATIENCE, |seen| {
            seen.state == "CLOSE-WAIT" && seen.stall.as_deref() == Some("zero_window")
        })?;
        ensure!(
            found.zero_window_episodes == 1 && found.in_zero_window,
            "{found:?}"
        );
        ensure!(
            found.window_shrinks.total() == 0 && !found.is_orphan,
            "{found:?}"
        );
        Ok(())
    })
}

fn kernel_client_that_shuts_down_and_stops_reading_is_found(family: Family) -> Result<()> {
    Story::play(&suffix("half-closed-kernel", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        client.shutdown_write()?;
        let peer = client.address()?.ip();
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        agent
            .wait_connection(peer, "its state", PATIENCE, |seen| {
                seen.state == "CLOSE-WAIT" && seen.in_zero_window
            })
            .map(drop)
    })
}

fn half_closed_reader_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("half-closed-reader", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::half_close_and_read(&peer, 500_000)?;
        expect_unblamed(&agent, stage.peer_ip())
    })
}
