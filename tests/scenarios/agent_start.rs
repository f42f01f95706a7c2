//! Start and stop: ready in time, clean end on SIGTERM and SIGINT, and an exit code with a clear
//! reason for each start that cannot be.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions, binary, command};
use detector_tests::lab::{Child, require};
use detector_tests::story::{alone, in_folder};
use nix::sys::signal::Signal;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Until a start that cannot be has said so.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(5);

#[test]
fn ready_within_half_a_second() -> Result<()> {
    alone("ready", |folder| {
        let mut spans = Vec::new();
        for number in 0..5 {
            let folder = folder.join(number.to_string());
            let agent = Agent::start_with(&folder, &AgentOptions::without_configuration())?;
            spans.push(agent.ready_after);
            agent.stop(Signal::SIGTERM)?;
        }
        let best = spans.iter().min().context("no start")?;
        ensure!(*best <= Duration::from_millis(500), "ready after {spans:?}");
        Ok(())
    })
}

#[test]
fn stops_within_two_seconds() -> Result<()> {
    in_folder("stop", |folder| {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let agent = Agent::start(folder)?;
            let socket = agent.control_socket();
            // Checks exit code and time.
            agent.stop(signal)?;
            ensure!(
                !socket.exists(),
                "the control socket stays behind after {signal}"
            );
        }
        Ok(())
    })
}

#[test]
fn second_agent_on_the_same_socket_is_refused() -> Result<()> {
    in_folder("same-socket", |folder| {
        let agent = Agent::start(folder)?;
        let socket = agent.control_socket();
        let refusal = refuse(folder, &["--control-socket", &text(&socket)])?;
        refusal.expect(2, &[&text(&socket), "hint:"])?;
        agent.peers().context("the first agent must go on")?;
        Ok(())
    })
}

#[test]
fn second_agent_on_the_same_port_is_refused() -> Result<()> {
    in_folder("same-port", |folder| {
        let agent = Agent::start(folder)?;
        let web = agent.web().to_string();
        let refusal = refuse(folder, &["--web.listen-address", &web])?;
        refusal.expect(2, &[&web, "hint:"])?;
        agent.metrics().context("the first agent must go on")?;
        Ok(())
    })
}

#[test]
fn unwritable_folder_is_refused() -> Result<()> {
    in_folder("unwritable", |folder| {
        // Even root cannot make a folder there.
        refuse(folder, &["--state-dir", "/proc/detector"])?.expect(2, &["/proc/detector"])?;
        refuse(folder, &["--control-socket", "/proc/detector/control.sock"])?
            .expect(2, &["/proc/detector"])
    })
}

#[test]
fn unknown_flag_and_unknown_key_are_refused() -> Result<()> {
    in_folder("usage", |folder| {
        refuse(folder, &["--no-such-flag"])?.expect(2, &["--no-such-flag"])?;
        let file = folder.join("typo.toml");
        std::fs::write(&file, "[detect]\nstall_aftr = \"5s\"\n")?;
        refuse(folder, &["--config", &text(&file)])?
            .expect(2, &["stall_aftr", "stall_after", "2"])?;
        refuse(folder, &["--config", &text(&file), "--check-config"])?.expect(2, &["stall_aftr"])
    })
}

#[test]
fn missing_capability_is_named() -> Result<()> {
    in_folder("capabilities", |folder| {
        require(&[("setpriv", "util-linux")])?;
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-all", "--inh-caps=-all"])
            .arg(binary()?)
            .arg("run");
        finish(folder, with_own_places(command, folder))?.expect(4, &["CAP_", "hint:"])
    })
}

/// How a start ended.
struct Refusal {
    code: Option<i32>,
    stderr: String,
}

impl Refusal {
    fn expect(&self, code: i32, words: &[&str]) -> Result<()> {
        let (said, stderr) = (self.code, &self.stderr);
        ensure!(
            said == Some(code),
            "exit code {said:?}, expected {code}; stderr: {stderr}"
        );
        ensure!(stderr.contains("error:"), "no `error:` line in: {stderr}");
        for word in words {
            ensure!(stderr.contains(word), "no `{word}` in: {stderr}");
        }
        Ok(())
    }
}

/// `detector run` with these arguments; what they leave out lies in `folder`.
fn refuse(folder: &Path, arguments: &[&str]) -> Result<Refusal> {
    let mut run = command(&["run"])?;
    run.args(arguments);
    let places = [
        ("--web.listen-address", "127.0.0.1:0".to_owned()),
        ("--control-socket", text(&folder.join("second.sock"))),
        ("--state-dir", text(&folder.join("second"))),
    ];
    for (flag, value) in places {
        if !arguments.contains(&flag) {
            run.arg(flag).arg(value);
        }
    }
    finish(folder, run)
}

fn with_own_places(mut command: Command, folder: &Path) -> Command {
    command
        .args(["--web.listen-address", "127.0.0.1:0"])
        .arg("--control-socket")
        .arg(folder.join("second.sock"))
        .arg("--state-dir")
        .arg(folder.join("second"));
    command
}

fn finish(folder: &Path, mut command: Command) -> Result<Refusal> {
    let log = folder.join("refusal.log");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let mut child = Child::start(command)?;
    let status = child
        .wait(REFUSAL_DEADLINE)
        .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    Ok(Refusal {
        code: status.code(),
        stderr: std::fs::read_to_string(&log)?,
    })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
