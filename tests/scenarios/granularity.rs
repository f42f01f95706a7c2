//! A receiver that rounds its window down, as window scaling makes it (RFC 7323 appendix F), moves
//! its edge left by less than `2^shift` again and again, and never shrinks.

use crate::stage::{CraftedStage, both_families, expect_counts, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::{Policy, Profile};
use detector_tests::story::Story;
use detector_tests::{acts, truth};

const SHIFT: u8 = 14;
const EDGE: u32 = 40 << SHIFT;

both_families!(rounding_is_no_shrink);

fn rounding_is_no_shrink(family: Family) -> Result<()> {
    Story::play(&suffix("granularity", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default().shift(SHIFT).window(EDGE))?;
        peer.policy(Policy::StopReading { edge: EDGE });
        peer.request("/bytes/20000000")?;
        peer.wait_quiet(acts::FULL)?;
        agent.wait_peer(stage.peer_ip(), "the window is closed", PATIENCE, |seen| {
            seen.zero_window_episodes == 1
        })?;
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(
            counts.granularity > 20,
            "the capture shows no rounding: {counts:?}"
        );
        ensure!(
            counts.polite + counts.below_flight + counts.treason == 0,
            "{counts:?}"
        );
        expect_counts(&agent, stage.peer_ip(), &counts)
    })
}
