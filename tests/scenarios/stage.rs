//! What most stories ask of an agent, and how they are called.

use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, PeerView};
use detector_tests::lab::Family;
use detector_tests::truth::Counts;
use std::net::IpAddr;

/// Plays the function of this name over both families.
macro_rules! both_families {
    ($($story:ident),+ $(,)?) => {
        mod v4 { $(
            #[test]
            fn $story() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V4)
            }
        )+ }
        mod v6 { $(
            #[test]
            fn $story() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V6)
            }
        )+ }
    };
}
pub(crate) use both_families;
pub(crate) use detector_tests::crafted_stage::CraftedStage;

/// A name with the family in it.
pub(crate) fn suffix(name: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("{name}-v4"),
        Family::V6 => format!("{name}-v6"),
    }
}

/// Fails if the agent holds anything against the peer: what every quiet twin ends with.
pub(crate) fn expect_unblamed(agent: &Agent, peer: IpAddr) -> Result<()> {
    agent.wait_sweeps(2)?;
    let flags = agent.flags(peer)?;
    ensure!(flags.is_empty(), "an honest peer is flagged: {flags:?}");
    let Some(seen) = agent.peer(peer)? else {
        return Ok(());
    };
    ensure!(
        seen.window_shrinks.total() == 0
            && seen.stalled_connections == 0
            && seen.pinned_bytes == 0
            && seen
                .verdict
                .as_deref()
                .is_none_or(|verdict| verdict == "benign"),
        "an honest peer is blamed: {seen:?}"
    );
    Ok(())
}

/// Waits until the agent's counts of the peer are those of the capture: for peers that pace their
/// segments nothing may be missing but what the kernel itself has left out, which is counted.
///
/// Retransmits are left to the stories, which know when the last one has been sent.
pub(crate) fn expect_counts(agent: &Agent, peer: IpAddr, truth: &Counts) -> Result<()> {
    let missing = |seen: &PeerView| {
        let shrinks = seen.window_shrinks;
        let counts = [
            (shrinks.polite, truth.polite),
            (shrinks.below_flight, truth.below_flight),
            (shrinks.treason, truth.treason),
            (seen.zero_window_episodes, truth.zero_window_episodes),
        ];
        counts.map(|(seen, truth)| truth.checked_sub(seen))
    };
    let what = "the agent counts what the capture shows";
    let counted = agent.wait_peer(peer, what, PATIENCE, |seen| missing(seen) == [Some(0); 4]);
    let Err(error) = counted else {
        return Ok(());
    };
    let left_out = agent.runs_left_out()?;
    let is_excused = |missing: Option<u64>| missing.is_some_and(|missing| missing <= left_out);
    let seen = agent.peer(peer)?;
    if seen.is_some_and(|seen| missing(&seen).into_iter().all(is_excused)) {
        return Ok(());
    }
    Err(error.context(format!(
        "capture shows {truth:?}, {left_out} runs were left out"
    )))
}
