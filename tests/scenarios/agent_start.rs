//! Start and stop: clean end on SIGTERM and SIGINT, the service manager told of each
//! step, and an exit code with a clear reason for each start that cannot be.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, command};
use detector_tests::lab::Child;
use detector_tests::story::in_folder;
use nix::sys::signal::Signal;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn stops_when_asked() -> Result<()> {
    in_folder("stop", |folder| {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let agent = Agent::start(folder)?;
            let socket = agent.control_socket();
            // Checks the exit code.
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
fn service_manager_is_told() -> Result<()> {
    in_folder("service-manager", |folder| {
        let path = folder.join("notify.sock");
        let manager = UnixDatagram::bind(&path)?;
        manager.set_read_timeout(Some(PATIENCE))?;
        let mut run = with_own_places(command(&["run"])?, folder);
        run.env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "300000")
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("stderr.log"))?);
        let mut agent = Child::start(run)?;
        ensure!(told(&manager)? == "READY=1\n", "not ready first");
        for _ in 0..3 {
            wait_told(&manager, "WATCHDOG=1\n")?;
        }
        agent.signal(Signal::SIGHUP)?;
        wait_told(&manager, "RELOADING=1\nMONOTONIC_USEC=")?;
        wait_told(&manager, "READY=1\n")?;
        agent.signal(Signal::SIGTERM)?;
        wait_told(&manager, "STOPPING=1\n")?;
        let status = agent.wait(PATIENCE)?;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    })
}

/// The next message to the service manager.
fn told(manager: &UnixDatagram) -> Result<String> {
    let mut message = [0; 256];
    let length = manager.recv(&mut message).context("nothing was told")?;
    Ok(String::from_utf8_lossy(&message[..length]).into_owned())
}

/// Waits for a message that begins so; only signs of life may come before it.
fn wait_told(manager: &UnixDatagram, begin: &str) -> Result<()> {
    loop {
        let message = told(manager)?;
        if message.starts_with(begin) {
            return Ok(());
        }
        ensure!(message == "WATCHDOG=1\n", "told {message:?}, not {begin:?}");
    }
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
        // Not 2, after which a service manager would not try again: whoever has it may give it back.
        refusal.expect(1, &[&web, "hint:"])?;
        agent.metrics().context("the first agent must go on")?;
        Ok(())
    })
}

#[test]
fn unwritable_folder_is_refused() -> Result<()> {
    in_folder("unwritable", |folder| {
        // Even root cannot make a folder there.
        let refusal = refuse(folder, &["--state-dir", "/proc/detector"])?;
        refusal.expect(2, &["/proc/detector", "hint: ", "--state-dir"])?;
        let said = &refusal.stderr;
        ensure!(!said.contains("chmod"), "it helps nothing: {said}");
        let shared = folder.join("shared");
        std::fs::create_dir(&shared)?;
        std::fs::set_permissions(&shared, Permissions::from_mode(0o777))?;
        let remedy = format!("chmod go-w {}", text(&shared));
        refuse(folder, &["--state-dir", &text(&shared)])?.expect(2, &["hint: ", &remedy])?;
        refuse(folder, &["--control-socket", "/proc/detector/control.sock"])?
            .expect(2, &["/proc/detector"])
    })
}

#[test]
fn unknown_flag_and_unknown_key_are_refused() -> Result<()> {
    in_folder("usage", |folder| {
        refuse(folder, &["--no-such-flag"])?.expect(2, &["--no-such-flag", "hint: "])?;
        refuse(folder, &["--log-levle=info"])?.expect(2, &["hint: ", "'--log-level'"])?;
        let absent = text(&folder.join("absent.toml"));
        refuse(folder, &["--config", &absent])?.expect(2, &[&absent, "hint: name a file"])?;
        let file = folder.join("typo.toml");
        std::fs::write(&file, "[detect]\nstall_aftr = \"5s\"\n")?;
        refuse(folder, &["--config", &text(&file)])?
            .expect(2, &["stall_aftr", "stall_after", "2"])?;
        refuse(folder, &["--config", &text(&file), "--check-config"])?.expect(2, &["stall_aftr"])
    })
}

/// How a start ended.
pub(crate) struct Refusal {
    code: Option<i32>,
    stderr: String,
}

impl Refusal {
    pub(crate) fn expect(&self, code: i32, words: &[&str]) -> Result<()> {
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

/// The same command with socket, port and state of its own.
pub(crate) fn with_own_places(mut command: Command, folder: &Path) -> Command {
    command
        .args(["--web.listen-address", "127.0.0.1:0"])
        .arg("--control-socket")
        .arg(folder.join("second.sock"))
        .arg("--state-dir")
        .arg(folder.join("second"));
    command
}

/// Runs it to its end; what it says is kept in `folder`.
pub(crate) fn finish(folder: &Path, mut command: Command) -> Result<Refusal> {
    let log = folder.join("refusal.log");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let mut child = Child::start(command)?;
    let status = child
        .wait(PATIENCE)
        .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    Ok(Refusal {
        code: status.code(),
        stderr: std::fs::read_to_string(&log)?,
    })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
