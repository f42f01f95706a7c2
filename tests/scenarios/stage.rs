//! What most stories ask of an agent, and how they are called.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
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
/// segments nothing may be missing.
///
/// Retransmits are left to the stories, which know when the last one has been sent.
pub(crate) fn expect_counts(agent: &Agent, peer: IpAddr, truth: &Counts) -> Result<()> {
    agent
        .wait_peer(
            peer,
            "the agent counts what the capture shows",
            PATIENCE,
            |seen| {
                let shrinks = seen.window_shrinks;
                shrinks.polite == truth.polite
                    && shrinks.below_flight == truth.below_flight
                    && shrinks.treason == truth.treason
                    && seen.zero_window_episodes == truth.zero_window_episodes
            },
        )
        .with_context(|| format!("capture shows {truth:?}"))
        .map(drop)
}
