//! The configuration is put together of a file, `conf.d` beside it and flags; `detector config show`
//! says of each value where it comes from; a reload takes all of it or nothing, and loses no record.

use crate::stage::{CraftedStage, both_families, expect_counts, suffix};
use anyhow::{Context, Result, ensure};
use detector_recorder::{Reader, Span};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::story::{Story, in_folder};
use detector_tests::truth;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// One key as `detector config show --json` has it.
fn shown(file: &Path, key: &str) -> Result<Value> {
    let mut show = command(&["config", "show", "--json", "--web.telemetry-path=/m"])?;
    let output = show.arg("--config").arg(file).output()?;
    ensure!(output.status.success(), "{output:?}");
    let all: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let mut keys = all.into_iter().filter(|each| each["key"] == key);
    keys.next().with_context(|| key.to_owned())
}

#[test]
fn drop_ins_win_and_a_reload_is_all_or_nothing() -> Result<()> {
    in_folder("drop-ins", |folder| {
        let options =
            AgentOptions::with("[detect]\nstall_after = \"7s\"\nhoard_connections = 21\n");
        let agent = Agent::start_with(folder, &options)?;
        let file = folder.join("agent/detector.toml");
        let drop_ins = folder.join("agent/conf.d");
        fs::create_dir(&drop_ins)?;
        let site = drop_ins.join("10-site.toml");
        fs::write(&site, "# ours\n[detect]\nhoard_connections = 33\n")?;

        let hoard = shown(&file, "detect.hoard_connections")?;
        ensure!(hoard["value"] == 33 && hoard["default"] == 20, "{hoard}");
        let origin = &hoard["origin"];
        ensure!(
            origin["file"] == site.display().to_string() && origin["line"] == 3,
            "{hoard}"
        );
        let flag = shown(&file, "web.telemetry_path")?;
        ensure!(
            flag["value"] == "/m" && flag["origin"]["from"] == "flag",
            "{flag}"
        );
        let default = shown(&file, "peers.ignore")?;
        ensure!(default["origin"]["from"] == "default", "{default}");

        let threshold =
            |name: &str| -> Result<Value> { Ok(agent.status()?["thresholds"][name].clone()) };
        let reloaded = |successful: f64| {
            expect::until("the reload is over", PATIENCE, || {
                let gauge = agent.metrics()?;
                let gauge = gauge.value("detector_config_last_reload_successful", &[])?;
                Ok(((gauge - successful).abs() < 0.1).then_some(()))
            })
        };
        ensure!(threshold("hoard_connections")? == 21);
        fs::write(
            drop_ins.join("20-broken.toml"),
            "[detect]\nstall_after = \"9 parsecs\"\n",
        )?;
        agent.signal(Signal::SIGHUP)?;
        reloaded(0.0)?;
        ensure!(threshold("hoard_connections")? == 21, "half a reload");
        expect::until("what is wrong is logged", PATIENCE, || {
            let log = agent.log()?;
            Ok(log
                .contains("20-broken.toml: line 2: `9 parsecs`")
                .then_some(()))
        })?;
        let mut check = command(&["run", "--check-config", "--config"])?;
        let output = check.arg(&file).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2) && said.contains("20-broken.toml: line 2"),
            "{said}"
        );

        fs::write(
            drop_ins.join("20-broken.toml"),
            "[detect]\nstall_after = \"9s\"\n",
        )?;
        agent.signal(Signal::SIGHUP)?;
        reloaded(1.0)?;
        ensure!(threshold("hoard_connections")? == 33);
        ensure!(threshold("stall_after_seconds")? == 9.0);
        Ok(())
    })
}

both_families!(a_reload_loses_no_record);

/// Each time a window closes the configuration is read again, with a shorter or a longer stall.
fn a_reload_loses_no_record(family: Family) -> Result<()> {
    const RELOADS: u32 = 20;
    Story::play(&suffix("reload", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::close_window(&peer)?;
        let has_counted = |episodes: u64| {
            agent.wait_peer(stage.peer_ip(), "every episode", PATIENCE, |seen| {
                let left_out = agent.runs_left_out().unwrap_or(0);
                seen.zero_window_episodes + left_out >= episodes
            })
        };
        for round in 0..RELOADS {
            let seconds = 1 + round % 2;
            let text = format!("[detect]\nstall_after = \"{seconds}s\"\n");
            agent.reload(&AgentOptions::text_with(&text))?;
            let taken = u32::try_from(peer.seen().bytes)?;
            let edge = (taken + 40_000).next_multiple_of(128);
            acts::read_up_to(&peer, edge)?;
            peer.wait_bytes(u64::from(edge) - 1_500)?;
            peer.wait_closed()?;
            // The kernel may take the last two acknowledgements of a round together with the next one's.
            has_counted(u64::from(round) + 2)?;
        }
        let episodes = u64::from(RELOADS) + 1;
        let told = agent.log()?.matches("configuration reloaded").count();
        // Signals that come while one is waiting are one.
        ensure!(told > 1, "{told} reloads");
        let state = story.folder().join("agent/state");
        for words in [
            "the agent runs with ",
            "configuration reloaded: detect.stall_after = \"2s\" (was \"1s\")",
        ] {
            expect::until(words, PATIENCE, || {
                let notes = Reader::open(&state)?.notes(Span::ALL)?;
                let is_told = notes.iter().any(|note| note.text.contains(words));
                Ok(is_told.then_some(()))
            })?;
        }
        let counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        ensure!(counts.zero_window_episodes == episodes, "{counts:?}");
        expect_counts(&agent, stage.peer_ip(), &counts)
    })
}
