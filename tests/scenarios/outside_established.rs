//! Where no tracepoint sees windows: an episode has its right times all the same, and is told
//! without a sweep where anything else shows it. The quiet twins do the same with an open window.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, AgentOptions, PeerView};
use detector_tests::lab::{Family, Lab};
use detector_tests::peers::crafted::{Peer, Policy, Profile};
use detector_tests::story::Story;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

both_families!(
    window_closed_in_the_handshake_is_told_before_the_sweep,
    seconds_end_with_the_last_acknowledgement,
    episode_in_fin_wait1_begins_before_the_sweep,
    totals_of_an_orphan_outlive_its_namespace,
);

/// How far the agent's seconds may lie from those of the play: crafted segments take a way of their own.
const CLOCKS: Duration = Duration::from_millis(50);

fn start(story: &Story, sweep_interval: &str) -> Result<Agent> {
    let text = format!("sweep_interval = \"{sweep_interval}\"\n");
    Agent::start_with(story.folder(), &AgentOptions::with(&text))
}

/// By the third acknowledgement where the peer connects, by the answer to our SYN where we do.
fn window_closed_in_the_handshake_is_told_before_the_sweep(family: Family) -> Result<()> {
    Story::play(&suffix("zero-handshake", family), family, |story| {
        let agent = start(story, "20s")?;
        let stage = CraftedStage::set(story)?;
        let sweeps = after_a_sweep(&agent)?;
        let shut = Profile::default().window(0);
        let _open = stage.connect(4_002, Profile::default())?;
        let _open = stage.open(8_442, Profile::default())?;
        let _shut = stage.connect(4_001, shut)?;
        let _shut = stage.open(8_441, shut)?;
        let seen = agent.wait_peer(stage.peer_ip(), "two episodes", PATIENCE, |seen| {
            seen.zero_window_episodes == 2
        })?;
        ensure!(agent.sweeps()? == sweeps, "a sweep came in between");
        let mut connections = agent.connections(stage.peer_ip())?;
        connections.sort_by(|one, other| one.direction.cmp(&other.direction));
        let directions = connections.iter().map(|each| each.direction.as_str());
        ensure!(directions.eq(["inbound", "outbound"]), "{connections:?}");
        ensure!(connections.iter().all(|each| each.in_zero_window));
        ensure!(seen.window_shrinks.total() == 0, "{seen:?}");
        Ok(())
    })
}

/// Asks for an answer and acknowledges the first 1,000 bytes of it, with FIN and a window of zero.
/// Reads the rest after the kernel has probed; what is sent then is sent again, for nobody answers it. The least
/// and the most that may have passed in between.
fn close_with_fin_and_read(peer: &Peer, window: u32) -> Result<RangeInclusive<Duration>> {
    let bytes = acts::ask_and_fill_flight(peer, "/bytes/11000")?;
    peer.policy(Policy::Hold);
    let before_close = Instant::now();
    peer.say().ack(1_000).window(window).fin().send()?;
    let closed = Instant::now();
    let before = peer.seen().retransmits;
    peer.wait_seen("two retransmits", |seen| seen.retransmits >= before + 2)?;
    let least = closed.elapsed();
    peer.say().ack(bytes).window(65_280).send()?;
    Ok(least.saturating_sub(CLOCKS)..=before_close.elapsed() + CLOCKS)
}

fn seconds_end_with_the_last_acknowledgement(family: Family) -> Result<()> {
    Story::play(&suffix("zero-on-fin", family), family, |story| {
        let agent = start(story, "3s")?;
        let stage = CraftedStage::set(story)?;
        let open = stage.connect(4_002, Profile::default())?;
        close_with_fin_and_read(&open, 65_280)?;
        let peer = stage.connect(4_001, Profile::default())?;
        let shut = close_with_fin_and_read(&peer, 0)?;
        agent.wait_sweeps(2)?;
        let seen = agent.wait_peer(stage.peer_ip(), "the peer", PATIENCE, |_| true)?;
        ensure!(seen.zero_window_episodes == 1, "{seen:?}");
        ensure!(seen.window_shrinks.treason == 1, "{seen:?}");
        let told = Duration::from_secs_f64(seen.zero_window_seconds);
        ensure!(shut.contains(&told), "{told:?} of {shut:?}");
        Ok(())
    })
}

fn episode_in_fin_wait1_begins_before_the_sweep(family: Family) -> Result<()> {
    Story::play(&suffix("fin-wait-zero", family), family, |story| {
        let agent = start(story, "20s")?;
        let stage = CraftedStage::set(story)?;
        let open = stage.connect(4_002, Profile::default())?;
        acts::make_orphan(&open, &stage.server)?;
        open.policy(Policy::Hold);
        let peer = stage.connect(4_001, Profile::default())?;
        acts::make_orphan(&peer, &stage.server)?;
        let sweeps = after_a_sweep(&agent)?;
        peer.policy(Policy::Hold);
        peer.say().ack(1_000).window(0).send()?;
        let has_begun = |seen: &PeerView| seen.zero_window_episodes > 0;
        let seen = agent.wait_peer(stage.peer_ip(), "an episode", PATIENCE, has_begun)?;
        ensure!(agent.sweeps()? == sweeps, "a sweep came in between");
        ensure!(seen.zero_window_episodes == 1, "{seen:?}");
        ensure!(seen.window_shrinks.treason == 1, "{seen:?}");
        Ok(())
    })
}

/// The next sweep is as far away as can be.
fn after_a_sweep(agent: &Agent) -> Result<f64> {
    agent.wait_sweeps(1)?;
    agent.sweeps()
}

fn totals_of_an_orphan_outlive_its_namespace(family: Family) -> Result<()> {
    Story::play(&suffix("orphan-alone", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let gone = Lab::build()?;
        let stage = CraftedStage::set_elsewhere(&gone.server, story)?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::make_orphan(&peer, &stage.server)?;
        peer.policy(Policy::Hold);
        agent.wait_sweeps(1)?;
        let address = stage.peer_ip();
        // What is sent again is told by nobody but a sweep, and no sweep gets there any more.
        drop(gone);
        let before = peer.seen().retransmits;
        peer.wait_seen("two retransmits", |seen| seen.retransmits >= before + 2)?;
        let sent_again = peer.seen().retransmits;
        agent.wait_sweeps(2)?;
        let seen = agent.wait_peer(address, "the peer", PATIENCE, |_| true)?;
        ensure!(
            seen.retransmits.into_open_window() >= sent_again,
            "{sent_again} of {seen:?}"
        );
        Ok(())
    })
}
