//! A hoard that never read a byte, or took a few kilobytes and no more, is an attack within eight seconds of the
//! last condition, by the clock: other stories would take the processor that the agent needs for it. Its quiet
//! twins are among the stories that are played beside each other.

use anyhow::{Result, ensure};
use detector_lab::cases;
use detector_lab::stage::{Site, Stage};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::lab::Family;
use detector_tests::story::Story;
use detector_tests::suite::THRESHOLDS;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

both_families!(
    no_window_is_an_attack_soon,
    a_small_window_is_an_attack_soon
);

/// From the moment when the last connection was asked and took nothing.
const SOON: Duration = Duration::from_secs(8);

fn no_window_is_an_attack_soon(family: Family) -> Result<()> {
    attack_soon("hoard-no-window", family)
}

fn a_small_window_is_an_attack_soon(family: Family) -> Result<()> {
    attack_soon("hoard-small-window", family)
}

fn attack_soon(name: &'static str, family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(&format!("{name}-{}", family.name()), family, |story| {
        let agent = Agent::start_with(story.folder(), &AgentOptions::without_configuration())?;
        let (case, lab) = (cases::named(name)?, &story.lab);
        let peer = lab.addresses.crafted(family, 0);
        let site = Site::between(story.server(), &lab.client, lab.open_tun()?)?;
        let ends = (lab.addresses.tun_server(family), peer);
        let stage = Arc::new(Stage::between(&Arc::new(site), case, ends, THRESHOLDS));
        std::thread::scope(|scope| {
            let play = scope.spawn(|| stage.play());
            let seen = is_named_soon(&agent, &stage, peer);
            stage.end();
            let played = play.join();
            ensure!(played.is_ok(), "the play panicked");
            seen
        })
    })
}

fn is_named_soon(agent: &Agent, stage: &Stage, peer: IpAddr) -> Result<()> {
    let first = stage.case.flags().first().map(|flag| flag.kind);
    let is_on = first.is_some_and(|kind| stage.wait_due(kind).is_some());
    ensure!(is_on, "no flag is due");
    // All connections have asked by now.
    let began = Instant::now();
    let seen = agent.wait_peer(peer, "an attack", PATIENCE, |seen| {
        seen.verdict.as_deref() == Some("zero-window-attack")
    })?;
    ensure!(began.elapsed() <= SOON, "{:?}, {seen:?}", began.elapsed());
    ensure!(seen.severity == "critical", "{seen:?}");
    Ok(())
}
