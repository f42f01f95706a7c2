//! Where the log is JSON, a stall and its end are lines with the same objects in them that `/v1/events` has, as the
//! published schema says, and every line is one object.

use anyhow::{Context as _, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::expect;
use detector_tests::lab::{Family, peer_key};
use detector_tests::peers::KernelPeer;
use detector_tests::schema::Schema;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use serde_json::Value;

const ANSWER_BYTES: u64 = 20_000_000;

#[test]
fn a_stall_and_its_end_are_objects_in_the_log() -> Result<()> {
    let family = Family::V4;
    Story::play("json-log", family, |story| {
        let as_json = |command: &mut std::process::Command| {
            command.args(["--log-format", "json"]);
            Ok(())
        };
        let agent = Agent::start_prepared(story.folder(), &AgentOptions::default(), as_json)?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        let peer = client.address()?.ip();
        let key = peer_key(peer);
        client.request(&format!("/bytes/{ANSWER_BYTES}"))?;
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        client.read(usize::try_from(ANSWER_BYTES)?)?;
        let logged = expect::until("its end is logged", PATIENCE, || {
            let logged = events_in(&agent.log()?)?;
            let ended = |event: &Value| {
                event["event"] == "cleared"
                    && event["kind"] == "zero-window-stall"
                    && event["peer"] == key.as_str()
            };
            Ok(logged.iter().any(ended).then_some(logged))
        })?;
        let schema = Schema::read("event")?;
        let told = agent.get("/v1/events")?;
        for event in &logged {
            schema.check(event)?;
            let line = event.to_string();
            let same = told
                .body
                .lines()
                .any(|told| serde_json::from_str::<Value>(told).is_ok_and(|told| told == *event));
            ensure!(same, "/v1/events does not have {line}");
        }
        let raised = logged
            .iter()
            .any(|event| event["event"] == "flag" && event["peer"] == key.as_str());
        ensure!(raised, "the flag itself is not in the log: {logged:?}");
        Ok(())
    })
}

/// The objects of what happened to peers; fails on a line that is no object.
fn events_in(log: &str) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    // The last one may still be written.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let line: Value =
            serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        ensure!(line["message"].is_string(), "no sentence in {line}");
        events.extend(line.get("event").cloned());
    }
    Ok(events)
}
