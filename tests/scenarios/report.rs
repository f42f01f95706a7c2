//! `detector report` tells of a real hoard from the files of an agent that was killed and came back: who,
//! when nothing was seen, as text, as a page, as JSON and as a letter. One that somebody prepared is refused in
//! harmless words.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_recorder::fixtures::{WORST, night};
use detector_tests::agent::{Agent, binary, command, command_under, with_mounts};
use detector_tests::lab::Family;
use detector_tests::schema::Schema;
use detector_tests::screen::Screen;
use detector_tests::story::{Story, in_folder};
use detector_tests::{PATIENCE, expect};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

both_families!(a_hoard_is_reported_from_the_files_of_a_killed_agent);

fn a_hoard_is_reported_from_the_files_of_a_killed_agent(family: Family) -> Result<()> {
    Story::play(&suffix("report", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("hoard-address")?;
        let ip = stage.peer_ip();
        agent.wait_flag(ip, "stall-hoard", PATIENCE)?;
        let state = story.folder().join("agent/state");
        let peer = name_of(ip);
        // While the agent writes, an ordinary reader reads. The agent sees what other stories play at the
        // same time: the incident may have begun with theirs.
        let last: Value = expect::until("the incident is recorded", PATIENCE, || {
            let text = report(&state, &["--json"])?;
            let report: Value = serde_json::from_str(&text)?;
            let incident = &report["incidents"][0]["incident"];
            let mut peers = incident["peers"].as_array().into_iter().flatten();
            let is_named = peers.any(|each| each["peer"] == *peer);
            // Its card comes a moment later, and with it the addresses of a network.
            let mut peers = report["peers"].as_array().into_iter().flatten();
            let has_card = peers.any(|each| {
                let mut hosts = each["hosts"].as_array().into_iter().flatten();
                let shows = |host: &Value| {
                    host["connections"]
                        .as_array()
                        .is_some_and(|of| !of.is_empty())
                };
                each["peer"] == *peer && hosts.any(shows)
            });
            let is_there = incident["open"] == true && is_named && has_card;
            Ok(is_there.then_some(report))
        })?;
        ensure!(last["hosts"][0]["is_written"] == true, "{last}");
        agent.kill()?;
        Agent::start(story.folder())?.stop(Signal::SIGTERM)?;

        let page = story.folder().join("night.html");
        let page_name = page.to_str().context("a name in UTF-8")?;
        let all = ["--incident", "last", "--json", "-o", page_name];
        let json: Value = serde_json::from_str(&report(&state, &all)?)?;
        Schema::read("report")?.check(&json)?;
        let peers = json["peers"].as_array().context("peers")?;
        ensure!(
            peers.iter().any(|each| each["peer"] == *peer),
            "no {peer}: {json}"
        );
        let gaps = json["hosts"][0]["gaps"].as_array().context("gaps")?;
        ensure!(gaps.iter().any(|gap| gap["reason"] == "killed"), "{gaps:?}");
        let sentences = json["summary"].as_array().map(Vec::len);
        ensure!(sentences == Some(5), "{json}");

        let page = fs::read_to_string(page)?;
        ensure!(page.contains(&peer) && page.contains("default-src 'none'"));
        ensure!(!page.contains("<script"));
        // Lines are broken where they are full.
        let text = report(&state, &["--since", "10m"])?;
        let text: Vec<_> = text.split_whitespace().collect();
        let text = text.join(" ");
        for words in [
            "IN SHORT",
            "TIMELINE",
            "stall-hoard",
            "it was killed or crashed",
            peer.as_str(),
        ] {
            ensure!(text.contains(words), "no `{words}` in\n{text}");
        }
        let letter = report(&state, &["--abuse", &ip.to_string()])?;
        for words in [
            "To the operator of the network of",
            "WHAT WE ASK",
            "TIME (UTC)",
        ] {
            ensure!(letter.contains(words), "no `{words}` in\n{letter}");
        }
        resolve(story.folder(), &state, ip)
    })
}

/// A peer's name is told by the host's own resolver, and only if somebody asks for it.
fn resolve(folder: &Path, state: &Path, ip: IpAddr) -> Result<()> {
    const NAME: &str = "client.example";
    let hosts = folder.join("hosts");
    fs::write(&hosts, format!("{ip} {NAME}\n"))?;
    let under = with_mounts(&format!("mount --bind {} /etc/hosts", hosts.display()));
    // Names of other stories' peers are not asked for.
    let last = ["report", "--incident", "last"];
    for arguments in [&last[..], &[&last[..], &["--resolve"]].concat()] {
        let mut report = command_under(&under, &binary()?);
        report.args(arguments).arg("--state-dir").arg(state);
        let output = report.output()?;
        ensure!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            said.contains(NAME) == arguments.contains(&"--resolve"),
            "{arguments:?}: {said}"
        );
    }
    Ok(())
}

/// As the agent writes a peer: IPv6 as a /64.
fn name_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let network = Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64);
            format!("{network}/64")
        }
    }
}

fn report(state: &Path, arguments: &[&str]) -> Result<String> {
    let mut report = command(&["report", "--state-dir"])?;
    let output = report.arg(state).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).context("the report is UTF-8")
}

/// The schema is read before anything else, and SQLite tells of one that is damaged with the names in it.
#[test]
fn no_name_in_a_prepared_recorder_reaches_the_terminal_as_it_is() -> Result<()> {
    in_folder("report-prepared", |folder| {
        night(folder)?;
        let file = folder.join("recorder.db");
        let mut bytes = fs::read(&file)?;
        for (was, becomes) in [
            // Of the same length.
            (&b"tablehost_seconds"[..], &b"table\x1b[2J\nhint: x"[..]),
            (b"CREATE TABLE host_seconds", b"CREATE TABLE (ost_seconds"),
        ] {
            // Also where it has moved from.
            let places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(was));
            for place in places.collect::<Vec<_>>() {
                bytes[place..place + was.len()].copy_from_slice(becomes);
            }
        }
        fs::write(&file, bytes)?;
        let state_dir = file.to_str().context("a name in UTF-8")?;
        let told = "malformed database schema (\u{fffd}[2J\u{fffd}hint: x)";
        for arguments in [
            &["report", state_dir][..],
            &["events", "--state-dir", state_dir],
            &["incidents", "--state-dir", state_dir],
            &["peers", "--state-dir", state_dir],
            &["explain", WORST, "--state-dir", state_dir],
        ] {
            let output = command(arguments)?.output()?;
            let said = String::from_utf8(output.stderr)?;
            ensure!(output.status.code() == Some(1), "{arguments:?}: {said}");
            ensure!(said.contains(told), "{arguments:?}: {said}");
            let lines: Vec<_> = said.lines().collect();
            ensure!(
                lines.len() == 2 && lines[1].starts_with("hint: the agent sets"),
                "{arguments:?}: {said}"
            );
            let has_escape =
                said.contains(|character: char| character.is_control() && character != '\n');
            ensure!(!has_escape, "{arguments:?}: {said:?}");
        }
        let mut screen = Screen::start(command(&["top", "--state-dir", state_dir])?, 200, 24)?;
        ensure!(screen.wait_end(PATIENCE)?.code() == Some(1));
        screen.wait("why it ended", PATIENCE, |text| {
            // This terminal leaves out what stands for a character that it may not show.
            let told = told.replace('\u{fffd}', "");
            text.starts_with("error: ") && text.replace('\u{fffd}', "").contains(&told)
        })?;
        Ok(())
    })
}
