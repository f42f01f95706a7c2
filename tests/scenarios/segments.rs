//! The counts are the kernel's: a window counts if the kernel takes it, and only then, though the hook
//! comes before the kernel has tested the segment. The kernel's own counts of what it dropped are the
//! witness. The quiet twin is the reader beside whom such segments come.

use crate::stage::{CraftedStage, both_families, expect_counts, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::acts::{self, UNHEARD};
use detector_tests::agent::Agent;
use detector_tests::lab::{Family, SegmentCounts};
use detector_tests::peers::crafted::{Peer, Policy, Profile};
use detector_tests::story::Story;
use detector_tests::{PATIENCE, expect, truth};

const ANSWER_BYTES: u64 = 2_000_000;

both_families!(
    dropped_segments_take_nothing_back,
    dropped_segments_end_no_episode,
    probing_a_full_server_takes_nothing_back,
    a_fin_beyond_a_full_server_counts_where_the_kernel_takes_it,
    a_window_in_unchecked_data_counts,
    a_reader_whose_data_is_unchecked_is_not_mentioned,
);

fn dropped_segments_take_nothing_back(family: Family) -> Result<()> {
    Story::play(&suffix("unheard", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        let arrived = acts::ask_and_fill_flight(&peer, &format!("/bytes/{ANSWER_BYTES}"))?;
        let before = SegmentCounts::read(story.server())?;
        acts::say_unheard(&peer, arrived - 8_000, 0)?;
        say_beyond(&peer, before, arrived - 8_000, 0)?;
        wait_dropped(story, before)?;
        peer.policy(Policy::Hold);
        acts::read_rest(&peer, ANSWER_BYTES)?;
        expect_unblamed(&agent, stage.peer_ip())?;
        let episodes = agent
            .peer(stage.peer_ip())?
            .map(|seen| seen.zero_window_episodes);
        ensure!(episodes.unwrap_or(0) == 0, "a zero window of none");
        Ok(())
    })
}

/// A closed window stays closed while segments that the kernel drops claim that it is open.
fn dropped_segments_end_no_episode(family: Family) -> Result<()> {
    Story::play(&suffix("unheard-open", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::close_window(&peer)?;
        let (arrived, before) = (peer.seen().bytes, SegmentCounts::read(story.server())?);
        acts::say_unheard(&peer, arrived, 65_280)?;
        say_beyond(&peer, before, arrived, 65_280)?;
        wait_dropped(story, before)?;
        // Each is followed by the truth.
        let probes = peer.seen().probes;
        peer.wait_seen("a probe", |seen| seen.probes > probes)?;
        agent.wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)?;
        let seen = agent.wait_peer(stage.peer_ip(), "an episode", PATIENCE, |seen| {
            seen.zero_window_episodes > 0
        })?;
        ensure!(
            seen.zero_window_episodes == 1 && seen.window_shrinks.total() == 0,
            "{seen:?}"
        );
        Ok(())
    })
}

/// A server that does not read is probed byte by byte, each time with less of a window.
fn probing_a_full_server_takes_nothing_back(family: Family) -> Result<()> {
    Story::play(&suffix("probe-full", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        let arrived = acts::ask_and_fill_flight(&peer, &format!("/bytes/{ANSWER_BYTES}"))?;
        peer.fill()?;
        let before = SegmentCounts::read(story.server())?;
        if before.beyond_window.is_some() {
            for window in [12_800, 6_400, 0, 25_600, 0] {
                acts::probe_full_server(&peer, arrived - 8_000, window)?;
            }
            expect::until("the kernel drops them", PATIENCE, || {
                let now = SegmentCounts::read(story.server())?;
                let dropped = now.beyond_window.zip(before.beyond_window);
                Ok(dropped
                    .is_some_and(|(now, then)| now >= then + 5)
                    .then_some(()))
            })?;
        }
        acts::read_rest(&peer, ANSWER_BYTES)?;
        expect_unblamed(&agent, stage.peer_ip())
    })
}

/// Kernels with the same test differ in it, and no field tells.
fn a_fin_beyond_a_full_server_counts_where_the_kernel_takes_it(family: Family) -> Result<()> {
    Story::play(&suffix("fin-beyond", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        let arrived = acts::ask_and_fill_flight(&peer, &format!("/bytes/{ANSWER_BYTES}"))?;
        peer.fill()?;
        let before = SegmentCounts::read(story.server())?;
        peer.policy(Policy::Hold);
        peer.say().ack(arrived - 8_000).window(0).fin().send()?;
        let is_taken = expect::until("the kernel has decided", PATIENCE, || {
            let halves = story.server().stdout_of("ss -Htn state close-wait")?;
            if !halves.trim().is_empty() {
                return Ok(Some(true));
            }
            let now = SegmentCounts::read(story.server())?;
            Ok((now.beyond_window > before.beyond_window).then_some(false))
        })?;
        agent.wait_sweeps(2)?;
        let counts = agent.peer(stage.peer_ip())?.map_or((0, 0), |seen| {
            (seen.window_shrinks.total(), seen.zero_window_episodes)
        });
        let expected = if is_taken { (1, 1) } else { (0, 0) };
        ensure!(counts == expected, "{counts:?}, and taken is {is_taken}");
        Ok(())
    })
}

fn a_window_in_unchecked_data_counts(family: Family) -> Result<()> {
    Story::play(&suffix("unchecked", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let play = stage.play("treason-in-data")?;
        agent.wait_flag(stage.peer_ip(), "window-shrink", PATIENCE)?;
        let counts = truth::read(&capture.finish()?, play.server())?[&play.peer()?];
        ensure!(
            counts.treason == 1 && counts.zero_window_episodes == 1,
            "{counts:?}"
        );
        expect_counts(&agent, stage.peer_ip(), &counts)
    })
}

fn a_reader_whose_data_is_unchecked_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("unchecked-read", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::ask_and_fill_flight(&peer, &format!("/bytes/{ANSWER_BYTES}"))?;
        for _ in 0..UNHEARD {
            peer.send(&acts::UNCHECKED)?;
        }
        acts::read_rest(&peer, ANSWER_BYTES)?;
        peer.send(&acts::UNCHECKED)?;
        expect_unblamed(&agent, stage.peer_ip())
    })
}

/// Segments that end beyond the server's window, with something unread there, where the kernel drops
/// those.
fn say_beyond(peer: &Peer, counts: SegmentCounts, acked: u64, window: u32) -> Result<()> {
    if counts.beyond_window.is_none() {
        return Ok(());
    }
    peer.send(b"unread")?;
    acts::say_beyond_window(peer, acked, window)
}

/// Until the kernel has dropped them all.
fn wait_dropped(story: &Story, before: SegmentCounts) -> Result<()> {
    expect::until("the kernel drops them", PATIENCE, || {
        let now = SegmentCounts::read(story.server())?;
        let beyond = |counts: SegmentCounts| counts.beyond_window.unwrap_or(0);
        let are_dropped = now.damaged >= before.damaged + UNHEARD
            && now.from_the_past >= before.from_the_past + UNHEARD
            && (before.beyond_window.is_none() || beyond(now) >= beyond(before) + UNHEARD);
        Ok(are_dropped.then_some(()))
    })
}
