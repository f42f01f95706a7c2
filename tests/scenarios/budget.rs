//! An agent that costs more than its share gives up what is missed least, a step at a time, says so
//! everywhere, and still flags who does not read. Its quiet twin keeps within its share.

use crate::stage::suffix;
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use serde_json::{Value, json};

fn start(story: &Story, cpu_share: &str) -> Result<Agent> {
    let options = AgentOptions {
        configuration: Some(format!(
            "[detect]\nstall_after = \"1s\"\n[budget]\ncpu_share = \"{cpu_share}\"\n"
        )),
        ..AgentOptions::default()
    };
    Agent::start_with(story.folder(), &options)
}

fn budget(agent: &Agent) -> Result<Value> {
    let status: Value = serde_json::from_str(&agent.get("/v1/status")?.body)?;
    Ok(status["budget"].clone())
}

#[test]
fn what_is_missed_least_is_given_up_and_stalls_are_still_found() -> Result<()> {
    let family = Family::V4;
    Story::play(&suffix("budget-small", family), family, |story| {
        let agent = start(story, "0.01%")?;
        let all = json!(["timelines", "owners", "sweeps"]);
        expect::until("all is given up", 2 * PATIENCE, || {
            Ok((budget(&agent)?["given_up"] == all).then_some(()))
        })?;
        agent.wait_log("given up for now: windows of suspects in the flight recorder")?;
        let metrics = agent.metrics()?;
        let given_up = metrics.value("detector_budget_given_up", &[("what", "owners")])?;
        ensure!(given_up > 0.0);
        let host: Value = serde_json::from_str(&agent.get("/v1/host")?.body)?;
        ensure!(host["agent"]["given_up"] == all, "{host}");

        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        let peer = client.address()?.ip();
        client.request("/bytes/20000000")?;
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        Ok(())
    })
}

#[test]
fn within_its_share_nothing_is_given_up() -> Result<()> {
    let family = Family::V6;
    Story::play(&suffix("budget-large", family), family, |story| {
        let agent = start(story, "400%")?;
        let measured = expect::until("its use is measured", PATIENCE, || {
            let budget = budget(&agent)?;
            Ok((!budget["used_cpu_share"].is_null()).then_some(budget))
        })?;
        ensure!(measured["given_up"] == json!([]), "{measured}");
        ensure!(measured["cpu_share"] == json!(4.0), "{measured}");
        Ok(())
    })
}
