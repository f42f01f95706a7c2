//! Pressure: without it whoever is accused keeps what it has; what workers of a service wait for is some by itself, and
//! so is a share of what TCP may have.

use super::{
    CLIENTS, JUDGED, attacker, configuration_with, connections, hoard, start_with, steps, tables,
    wait_step,
};
use anyhow::{Result, ensure};
use detector_lab::cases::is_alarm;
use detector_tests::agent::{Agent, AgentOptions, PeerView};
use detector_tests::lab::Family;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use std::net::IpAddr;

both_families!(
    where_workers_wait_there_is_pressure,
    where_much_of_the_memory_of_tcp_is_pinned_there_is_pressure
);

/// What would be reset was stalled for so long, and was accused, for several rounds.
const ROUNDS_SECONDS: f64 = 6.0;

/// Nothing that is played here is as much, but where one of them is given.
fn bounds(other: &str) -> String {
    let all = [
        "pinned = \"1TiB\"",
        "tcp_memory_share = \"100%\"",
        "unit_memory_share = \"100%\"",
        "workers_share = \"100%\"",
    ];
    let key = |line: &str| line.split(' ').next().map(str::to_owned);
    let kept = all.into_iter().filter(|line| key(line) != key(other));
    let lines = kept.chain([other, "reset_after = \"5s\""]);
    lines.map(|line| format!("{line}\n")).collect()
}

pub(super) fn start_without_pressure(story: &Story) -> Result<Agent> {
    start_with(
        story,
        configuration_with(story, "enforce", &bounds("")),
        &[],
    )
}

fn is_accused(peer: &PeerView) -> bool {
    is_alarm("info", peer.verdict.as_deref())
}

/// Of what holds as many connections as all do.
pub(super) fn wait_accused_and_left_alone(
    story: &Story,
    agent: &Agent,
    attacker: IpAddr,
) -> Result<()> {
    let accused = agent.wait_peer(attacker, "accused", JUDGED, is_accused)?;
    let later = accused.longest_stall_seconds + ROUNDS_SECONDS;
    let still = |peer: &PeerView| is_accused(peer) && peer.longest_stall_seconds > later;
    agent.wait_peer(attacker, "accused for long", JUDGED, still)?;
    let pressure = &agent.status()?["guard"]["pressure"];
    ensure!(pressure.is_null(), "{pressure}");
    let steps = steps(agent, attacker)?;
    ensure!(steps.is_empty(), "{steps:?}");
    let left = connections(story, attacker)?;
    ensure!(left == CLIENTS, "{left} left");
    ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
    Ok(())
}

fn where_workers_wait_there_is_pressure(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("guard-pressure-{}", family.name());
    Story::play_between_hosts(&name, family, |story| {
        // Each connection has a thread of the server's, which waits.
        let text = configuration_with(story, "enforce", &bounds("workers_share = \"10%\""));
        let agent = start_with(story, text, &[])?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let attacker = attacker(story, family)?;
        let _held = hoard(story, attacker, server.address(), CLIENTS)?;
        let reset = wait_step(&agent, attacker, "reset", false)?;
        ensure!(reset.to_string().contains("workers"), "{reset}");
        Ok(())
    })
}

fn where_much_of_the_memory_of_tcp_is_pinned_there_is_pressure(family: Family) -> Result<()> {
    let _machine = crate::machine();
    let name = format!("guard-tcp-memory-{}", family.name());
    Story::play_between_hosts(&name, family, |story| {
        let bounds = bounds("tcp_memory_share = \"0.01%\"");
        let options = AgentOptions {
            configuration: Some(configuration_with(story, "enforce", &bounds)),
            ..AgentOptions::default()
        };
        // The kernel says how much TCP may have in the first network namespace alone.
        let agent = Agent::start_with(story.folder(), &options)?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let attacker = attacker(story, family)?;
        let _held = hoard(story, attacker, server.address(), CLIENTS)?;
        let reset = wait_step(&agent, attacker, "reset", false)?;
        ensure!(reset.to_string().contains("that TCP may have"), "{reset}");
        Ok(())
    })
}
