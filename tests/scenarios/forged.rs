//! A hook comes before the kernel has checked a segment. Segments that the kernel drops behind it, for
//! a wrong checksum, neither hide a stall nor count as data taken. The quiet twin is a reader whose
//! segments are damaged now and then, too.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::story::Story;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// More often than a stall needs to be one.
const PACE: Duration = Duration::from_millis(400);
/// Above 76 bytes the kernel checks the sum behind the tracepoint.
const PAYLOAD: [u8; 200] = [b'x'; 200];
const ANSWER_BYTES: u64 = 300_000;

both_families!(
    damaged_openings_hide_no_stall,
    damaged_segments_of_a_reader_are_not_mentioned
);

fn damaged_openings_hide_no_stall(family: Family) -> Result<()> {
    for acknowledges in [true, false] {
        hide_a_stall(family, acknowledges)?;
    }
    Ok(())
}

/// Opens the window by segments that say nothing to the kernel; they claim to acknowledge all that is
/// in flight, or no more than before.
fn hide_a_stall(family: Family, acknowledges: bool) -> Result<()> {
    Story::play(&suffix("forged", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&peer)?;
        let claimed = if acknowledges {
            peer.seen().bytes
        } else {
            acts::RETRACTED_AT_BYTES
        };
        let claim = || say_damaged(&peer, claimed, 65_280);
        let flag = while_saying(&claim, || {
            agent.wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)
        })?;
        // It began when the window was taken back, and no claim has put its flag off.
        ensure!(flag.evidence["stalled_seconds"] < 30.0, "{flag:?}");
        Ok(())
    })
}

fn damaged_segments_of_a_reader_are_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("forged-read", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::ask_and_fill_flight(&peer, &format!("/bytes/{ANSWER_BYTES}"))?;
        say_damaged(&peer, 1_000, 65_280)?;
        acts::read_rest(&peer, ANSWER_BYTES)?;
        say_damaged(&peer, ANSWER_BYTES, 65_280)?;
        expect_unblamed(&agent, stage.peer_ip())
    })
}

fn say_damaged(peer: &Peer, acked: u64, window: u32) -> Result<()> {
    let segment = peer.say().ack(acked).window(window);
    segment.payload(&PAYLOAD).damaged().send()
}

/// Says it again and again until `wait` is over.
fn while_saying<T>(
    say: &(impl Fn() -> Result<()> + Sync),
    wait: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let saying = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                say()?;
                std::thread::sleep(PACE);
            }
            anyhow::Ok(())
        });
        let waited = wait();
        is_over.store(true, Ordering::Relaxed);
        let said = saying.join();
        said.unwrap_or_else(|_| anyhow::bail!("the peer panicked"))?;
        waited
    })
}
