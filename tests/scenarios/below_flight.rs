//! A window taken back below data in flight, but not to zero, is `below_flight`. Its quiet twin is
//! a smaller window that may be a reordered segment: counted as ambiguous, never judged.

use crate::stage::{CraftedStage, both_families, expect_counts, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;
use detector_tests::truth;

both_families!(
    partial_retraction_is_below_flight,
    ambiguous_window_is_not_judged
);

fn partial_retraction_is_below_flight(family: Family) -> Result<()> {
    Story::play(&suffix("below-flight", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let play = stage.play("below-flight")?;
        agent.wait_flag(stage.peer_ip(), "window-shrink", PATIENCE)?;
        let counts = truth::read(&capture.finish()?, play.server())?[&play.peer()?];
        ensure!(
            counts.below_flight == 1 && counts.treason == 0,
            "{counts:?}"
        );
        expect_counts(&agent, stage.peer_ip(), &counts)
    })
}

fn ambiguous_window_is_not_judged(family: Family) -> Result<()> {
    Story::play(&suffix("ambiguous", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default().without_timestamps())?;
        let arrived = acts::ask_and_fill_flight(&peer, "/bytes/100000")?;
        peer.say().ack(5_000).send()?;
        // What is sent for it shows that it was taken. While a process holds the socket, a sweep for
        // one, the kernel merges what waits, and nothing would be ambiguous then.
        peer.wait_bytes(arrived + 1)?;
        // Same sequence and acknowledgement number, half the window: late or shrunk, who knows.
        peer.say().window(32_640).send()?;
        acts::read_rest(&peer, 100_000)?;
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(counts.ambiguous == 1, "{counts:?}");
        expect_unblamed(&agent, stage.peer_ip())
    })
}
