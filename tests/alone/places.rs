//! The kernel side's table has its places for who misbehaves. A receiver that rounds its windows down leaves
//! it once its edge is back at its highest, and where room is scarce at once; one whose segment was overtaken
//! leaves it, too. The twin is one whose edge
//! stays lower: it is remembered, so that small steps add up to a shrink, however long the pauses between them.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::crafted_stage::CraftedStage;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::{Peer, Policy, Profile};
use detector_tests::story::Story;
use detector_tests::{PATIENCE, acts, expect};

both_families!(
    who_rounds_is_let_go_once_its_edge_is_back,
    whose_segment_was_overtaken_is_let_go,
    small_steps_add_up_over_long_pauses,
    who_rounds_takes_no_place_where_room_is_scarce,
);

const SHIFT: u8 = 14;
/// Units of `2^SHIFT` in the first window.
const UNITS: u32 = 40;

fn connect_rounding(stage: &CraftedStage<'_>, port: u16) -> Result<Peer> {
    stage.connect(port, Profile::default().shift(SHIFT).window(UNITS << SHIFT))
}

fn stop_reading(stage: &CraftedStage<'_>, port: u16) -> Result<Peer> {
    let peer = stage.connect(port, Profile::default())?;
    acts::close_window(&peer)?;
    Ok(peer)
}

/// Asks for a thousand bytes and takes them, the head with so many units of window and the rest with so many:
/// with one unit less than before the edge moves left by less than that.
fn read_little(peer: &Peer, [head, rest]: [u32; 2]) -> Result<()> {
    let before = peer.seen().bytes;
    peer.policy(Policy::Silent);
    peer.request("/small")?;
    for (least, units) in [(1, head), (1_000, rest)] {
        peer.wait_bytes(before + least)?;
        let come = peer.seen().bytes;
        peer.say().ack(come).window(units << SHIFT).send()?;
    }
    Ok(())
}

/// Entries in the table of the kernel side.
fn places(agent: &Agent) -> Result<f64> {
    let labels = [("map", "det_conns")];
    agent.metrics()?.value("detector_bpf_map_entries", &labels)
}

fn wait_places(agent: &Agent, wanted: f64) -> Result<()> {
    let what = format!("{wanted} places are taken");
    expect::until(&what, PATIENCE, || {
        Ok((places(agent)? == wanted).then_some(()))
    })
}

/// So many are taken some rounds later, when whatever goes has gone. Connections of the host itself may have one
/// for a moment.
fn wait_places_later(agent: &Agent, wanted: f64) -> Result<()> {
    agent.wait_sweeps(3)?;
    wait_places(agent, wanted)
}

fn who_rounds_is_let_go_once_its_edge_is_back(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(&format!("places-{}", family.name()), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let peer = connect_rounding(&stage, 4_001)?;
        read_little(&peer, [UNITS - 1, UNITS - 1])?;
        wait_places(&agent, 1.0)?;
        for retreats in 2..=3 {
            // Beyond any edge before; then it moves back and on again.
            read_little(&peer, [UNITS + 1, UNITS + 1])?;
            read_little(&peer, [UNITS, UNITS + 1])?;
            agent.wait_connection(stage.peer_ip(), "retreats are counted", PATIENCE, |seen| {
                seen.granularity_retreats == retreats
            })?;
            wait_places(&agent, 0.0)?;
        }
        let flags = agent.flags(stage.peer_ip())?;
        ensure!(flags.is_empty(), "rounding is no shrink: {flags:?}");
        Ok(())
    })
}

/// A smaller window behind a larger one, without a timestamp that tells which is older.
fn whose_segment_was_overtaken_is_let_go(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("places-overtaken-{}", family.name()),
        family,
        |story| {
            let agent = Agent::start(story.folder())?;
            let stage = CraftedStage::set(story)?;
            let profile = Profile::default().without_timestamps();
            let peer = stage.connect(4_001, profile)?;
            acts::read_all(&peer, 1_000)?;
            peer.wait_quiet(acts::FULL)?;
            peer.say().window(32_000).send()?;
            agent.wait_connection(stage.peer_ip(), "it is counted", PATIENCE, |seen| {
                seen.ambiguous_windows == 1
            })?;
            wait_places(&agent, 0.0)
        },
    )
}

fn small_steps_add_up_over_long_pauses(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("places-slices-{}", family.name()),
        family,
        |story| {
            let agent = Agent::start(story.folder())?;
            let stage = CraftedStage::set(story)?;
            let peer = connect_rounding(&stage, 4_001)?;
            for slice in 1..=3 {
                read_little(&peer, [UNITS - slice, UNITS - slice])?;
                wait_places_later(&agent, 1.0).with_context(|| format!("after slice {slice}"))?;
            }
            agent.wait_connection(stage.peer_ip(), "steps add up", PATIENCE, |seen| {
                seen.granularity_retreats == 1 && seen.window_shrinks.polite == 2
            })?;
            Ok(())
        },
    )
}

fn who_rounds_takes_no_place_where_room_is_scarce(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("places-scarce-{}", family.name()),
        family,
        |story| {
            // From the twelfth on it is scarce.
            let options = AgentOptions::with("connections = 16\n[detect]\nstall_after = \"1s\"\n");
            let agent = Agent::start_with(story.folder(), &options)?;
            let stage = CraftedStage::set(story)?;
            let early = connect_rounding(&stage, 4_001)?;
            read_little(&early, [UNITS - 1, UNITS - 1])?;
            wait_places(&agent, 1.0)?;
            let mut closed = Vec::new();
            for port in 5_001..=5_011 {
                closed.push(stop_reading(&stage, port)?);
            }
            agent.wait_peer(stage.peer_ip(), "windows are closed", PATIENCE, |seen| {
                seen.zero_window_episodes == 11
            })?;
            wait_places_later(&agent, 11.0).context("who rounds is to go")?;
            closed.push(stop_reading(&stage, 5_012)?);
            wait_places_later(&agent, 12.0)?;
            let late = connect_rounding(&stage, 4_002)?;
            read_little(&late, [UNITS - 1, UNITS - 1])?;
            wait_places_later(&agent, 12.0).context("who rounds is not to come")?;
            closed.push(stop_reading(&stage, 5_013)?);
            wait_places(&agent, 13.0)
        },
    )
}
