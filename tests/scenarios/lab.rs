//! The lab itself: crafted peers do on the wire what their scripts say, kernel peers stall real
//! senders, guards clean up. Needs no agent.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::Profile;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::truth;

both_families!(
    crafted_retreat_is_on_the_wire,
    kernel_peer_that_does_not_read_stalls_the_sender,
    crafted_peer_can_read_everything,
);

/// A retreat to zero with data in flight draws retransmits of the head, and a capture shows both.
fn crafted_retreat_is_on_the_wire(family: Family) -> Result<()> {
    Story::play(&suffix("lab-retreat", family), family, |story| {
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&peer)?;
        let before = peer.seen().retransmits;
        peer.wait_seen("two retransmits", |seen| seen.retransmits >= before + 2)?;
        let file = capture.finish()?;
        let counts = truth::read(&file, stage.server.address())?[&peer.address()];
        ensure!(
            counts.treason == 1 && counts.polite + counts.below_flight == 0,
            "{counts:?}"
        );
        ensure!(counts.zero_window_episodes == 1, "{counts:?}");
        ensure!(counts.retransmits_window_probe >= 2, "{counts:?}");
        Ok(())
    })
}

/// A kernel client that stops reading leaves the server with a full queue and a zero window.
fn kernel_peer_that_does_not_read_stalls_the_sender(family: Family) -> Result<()> {
    Story::play(&suffix("lab-kernel-stall", family), family, |story| {
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let capture = story.capture_link()?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        expect::until("the sender waits for the window", PATIENCE, || {
            let sockets = story.server().stdout_of("ss -Htino state established")?;
            Ok(sockets.contains("timer:(persist").then_some(()))
        })?;
        let file = capture.finish()?;
        let counts = truth::read(&file, server.address())?[&client.address()?];
        ensure!(counts.zero_window_episodes >= 1, "{counts:?}");
        Ok(())
    })
}

/// A crafted peer that drains gets everything, and does nothing worth counting.
fn crafted_peer_can_read_everything(family: Family) -> Result<()> {
    Story::play(&suffix("lab-drain", family), family, |story| {
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default().without_timestamps())?;
        acts::read_all(&peer, 300_000)?;
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(counts == truth::Counts::default(), "{counts:?}");
        Ok(())
    })
}
