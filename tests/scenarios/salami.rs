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

const SHIFT: u8 = 14;
const UNIT: u32 = 1 << SHIFT;
/// Acknowledged with each slice: the edge retreats by `UNIT` less this.
const STEP_BYTES: u32 = 1_400;

both_families!(slices_below_the_bound_add_up);

fn slices_below_the_bound_add_up(family: Family) -> Result<()> {
    Story::play(&suffix("salami", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default().shift(SHIFT).window(40 * UNIT))?;
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
    let acked = u64::from(number * STEP_BYTES);
    peer.say().ack(acked).window((40 - number) * UNIT).send()?;
    peer.wait_quiet(acts::FULL).map(drop)
}
