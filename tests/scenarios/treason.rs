//! A peer that takes its window back to zero with data in flight is `treason`, and what the kernel
//! sends again then is a `window_probe`, not `loss`. The line that old kernels wrote is written again,
//! with the range that was in flight. Its quiet twin closes the window honestly.

use crate::stage::{CraftedStage, both_families, expect_counts, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, EventView, PeerView, RetransmitsView, command};
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::Story;
use detector_tests::truth;
use std::net::{IpAddr, SocketAddr};

both_families!(retract_to_zero_is_treason, closing_honestly_is_no_shrink);

fn retract_to_zero_is_treason(family: Family) -> Result<()> {
    Story::play(&suffix("treason", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&peer)?;

        let before = peer.seen().retransmits;
        let flag = agent.wait_flag(stage.peer_ip(), "window-shrink", PATIENCE)?;
        ensure!(
            flag.source != "sweep",
            "the hook must see it first: {flag:?}"
        );
        peer.wait_seen("three retransmits", |seen| seen.retransmits >= before + 3)?;
        let seen = agent.wait_peer(stage.peer_ip(), "three probes", PATIENCE, |seen| {
            seen.retransmits.window_probe >= 3
        })?;
        ensure!(seen.window_shrinks.treason == 1, "{seen:?}");
        agent.wait_flag(stage.peer_ip(), "zero-window-stall", PATIENCE)?;

        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        expect_counts(&agent, stage.peer_ip(), &counts)?;
        expect_kernel_line(&agent, &flag, peer.address(), counts.taken_back)?;
        // What was sent again before the window closed is a tail loss probe at most, and counts
        // the same on both sides, but for one that crosses the segment which closes it. The kernel
        // may send more after the end of the capture. A copy of
        // the record that found no room is made good by the next sweep; a run that the kernel left
        // out is not, but it is counted.
        let counted = |seen: &PeerView| {
            let left_out = agent.runs_left_out().unwrap_or(0);
            let open = seen.retransmits.into_open_window();
            let all = counts.retransmits_window_probe + counts.retransmits_open_window;
            seen.retransmits.window_probe + open + left_out >= all
                && (counts.retransmits_open_window.saturating_sub(left_out)
                    ..=counts.retransmits_open_window + 1)
                    .contains(&open)
        };
        let what = "retransmits are counted";
        agent
            .wait_peer(stage.peer_ip(), what, PATIENCE, counted)
            .with_context(|| format!("capture shows {counts:?}, agent lost {}", lost(&agent)))
            .map(drop)
    })
}

/// The line of old kernels, in the log and in `detector events`, dated; and its numbers in JSON.
fn expect_kernel_line(
    agent: &Agent,
    flag: &EventView,
    peer: SocketAddr,
    taken_back: Option<(u32, u32)>,
) -> Result<()> {
    let (from, to) = taken_back.context("the capture shows no retraction")?;
    let numbers = (flag.snd_una, flag.snd_nxt, flag.edge);
    ensure!(numbers == (Some(from), Some(to), Some(from)), "{flag:?}");
    let found = agent.wait_connection(peer.ip(), "its numbers", PATIENCE, |_| true)?;
    let same = (found.snd_una, found.edge, found.edge_max) == (from, from, flag.edge_max);
    ensure!(same && found.edge_max.is_some(), "{found:?}");
    let address = match peer.ip() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
    };
    let local: SocketAddr = flag.local.as_deref().context("its local end")?.parse()?;
    let line = format!(
        "TCP: Treason uncloaked! Peer {address}:{}/{} shrinks window {from}:{to}.",
        peer.port(),
        local.port()
    );
    // The log is bounded, and other stories' peers fill it, too; what it left out is counted.
    let not_logged = agent
        .metrics()?
        .value("detector_flags_not_logged_total", &[])?;
    let is_logged = agent.log()?.contains(&line);
    ensure!(is_logged || not_logged > 0.0, "no `{line}` in the log");
    let mut events = command(&["events", "--kind", "window-shrink", "--control-socket"])?;
    let output = events.arg(agent.control_socket()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let dated = format!("{} info {line}", flag.time);
    ensure!(
        text.lines().any(|each| each == dated),
        "no `{dated}` in\n{text}"
    );
    Ok(())
}

/// What the agent itself says it has lost, for the message of a failure.
fn lost(agent: &Agent) -> String {
    match agent.status() {
        Ok(status) => status["records"]["lost"].to_string(),
        Err(error) => format!("{error:#}"),
    }
}

fn closing_honestly_is_no_shrink(family: Family) -> Result<()> {
    Story::play(&suffix("honest-close", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::close_window(&peer)?;
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(counts.zero_window_episodes == 1, "{counts:?}");
        expect_counts(&agent, stage.peer_ip(), &counts)?;
        peer.wait_seen("two window probes", |seen| seen.probes >= 2)?;
        agent.wait_sweeps(2)?;
        let seen = agent.wait_peer(stage.peer_ip(), "the peer", PATIENCE, |_| true)?;
        ensure!(seen.window_shrinks.total() == 0, "{seen:?}");
        ensure!(seen.retransmits == RetransmitsView::default(), "{seen:?}");
        Ok(())
    })
}
