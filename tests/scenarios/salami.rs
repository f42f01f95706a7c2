//! Many retreats, each below `2^14` bytes with shift 14, are a shrink as soon as their sum reaches
//! `2^14`: the edge is compared with the highest ever offered, not with the last.

use crate::stage::{CraftedStage, both_families, expect_counts, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::{Peer, Policy, Profile};
use detector_tests::story::Story;
use detector_tests::truth;

/// Acknowledged with each slice: the edge retreats by `2^14` less this.
const STEP_BYTES: u32 = 1_400;

both_families!(slices_below_the_bound_add_up);

fn slices_below_the_bound_add_up(family: Family) -> Result<()> {
    Story::play(&suffix("salami", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let profile = Profile::default().shift(acts::SLICE_SHIFT);
        let peer = stage.connect(4_001, profile.window(acts::SLICED_WINDOW))?;
        acts::fill_flight(&peer)?;
        peer.policy(Policy::Silent);

        slice(&peer, 1)?;
        let early = agent
            .peer(stage.peer_ip())?
            .map_or(0, |seen| seen.window_shrinks.total());
        ensure!(
            early == 0,
            "one slice of less than 2^14 bytes is honest rounding"
        );
        slice(&peer, 2)?;
        agent.wait_peer(
            stage.peer_ip(),
            "the second slice is a shrink",
            PATIENCE,
            |seen| seen.window_shrinks.polite == 1,
        )?;
        for number in 3..=6 {
            slice(&peer, number)?;
        }
        agent.wait_flag(stage.peer_ip(), "window-shrink", PATIENCE)?;
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(counts.granularity == 1 && counts.polite == 5, "{counts:?}");
        expect_counts(&agent, stage.peer_ip(), &counts)
    })
}

/// One unit less of window for a few bytes acknowledged, then quiet.
fn slice(peer: &Peer, number: u32) -> Result<()> {
    acts::take_slice(peer, number, u64::from(number * STEP_BYTES))?;
    peer.wait_quiet(acts::FULL).map(drop)
}
