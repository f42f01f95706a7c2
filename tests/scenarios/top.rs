//! `detector top` in a real terminal: an operator finds who holds what and the proof within three
//! keys, through a resize and a restart of the agent, and gets the terminal back. An agent that
//! hangs, speaks another language or is not there gives one clear line.

use crate::stage::WITHIN_SWEEPS;
use anyhow::{Context, Result, ensure};
use detector_tests::agent::{self, Agent};
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::screen::Screen;
use detector_tests::servers::TinyServer;
use detector_tests::story::{self, Story};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a screen may take on two cores shared with other stories.
const SOON: Duration = Duration::from_secs(10);
/// An agent that hangs is waited for five seconds.
const HANG_DEADLINE: Duration = Duration::from_secs(20);

/// `detector top` on this socket, with settings of its own.
fn top(folder: &Path, socket: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = agent::command(&["top"])?;
    command.args(arguments).arg("--control-socket").arg(socket);
    command.env("XDG_STATE_HOME", folder.join("xdg"));
    command.env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    Ok(command)
}

/// Whether there is a row that begins so, behind its mark.
fn has_row(text: &str, beginning: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.get(2..).is_some_and(|row| row.starts_with(beginning)))
}

#[test]
fn three_keys_lead_to_the_proof_and_the_terminal_comes_back() -> Result<()> {
    Story::play("top", Family::V4, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(Family::V4))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        let remote = client.address()?;
        let peer = remote.ip().to_string();
        agent.wait_flag(remote.ip(), "zero-window-stall", WITHIN_SWEEPS)?;

        // Other stories have peers of their own on this machine.
        let filter = format!("--filter=peer={peer}");
        let command = top(story.folder(), &agent.control_socket(), &[&filter])?;
        let mut screen = Screen::start(command, 80, 24)?;
        let first = screen.wait("the peer is shown", SOON, |text| has_row(text, &peer))?;
        ensure!(
            first.contains("PINNED") && first.contains("q quit"),
            "{first}"
        );
        screen.press("\r")?;
        screen.wait("its connection and timeline", SOON, |text| {
            text.contains(&remote.to_string()) && text.contains("queued █")
        })?;
        screen.press("\r")?;
        screen.wait("the proof", SOON, |text| {
            text.contains("zero window for") && text.contains("ESTABLISHED")
        })?;
        screen.resize(60, 15)?;
        screen.wait("it fits the smaller screen", SOON, |text| {
            let lines: Vec<&str> = text.lines().collect();
            lines.len() == 15 && lines[14].contains("Esc back") && text.contains("verdict ")
        })?;
        screen.press("\u{1b}")?;
        screen.wait("back at the peer", SOON, |text| text.contains("because "))?;
        screen.press("\u{1b}")?;
        screen.wait("back in the table", SOON, |text| has_row(text, &peer))?;

        agent.kill()?;
        screen.wait("the agent is missed", SOON, |text| {
            text.contains("no answer since")
        })?;
        let agent = Agent::start(story.folder())?;
        screen.wait("it is found again", WITHIN_SWEEPS + SOON, |text| {
            has_row(text, &peer) && !text.contains("no answer since")
        })?;
        screen.signal(Signal::SIGTERM)?;
        let status = screen.wait_end(SOON)?;
        ensure!(status.success(), "{status}");
        screen.expect_given_back()?;
        drop(agent);
        Ok(())
    })
}

#[test]
fn keys_filter_sort_and_quit_and_settings_are_remembered() -> Result<()> {
    story::in_folder("top-keys", |folder| {
        let agent = Agent::start(folder)?;
        let start = || -> Result<Screen> {
            Screen::start(top(folder, &agent.control_socket(), &[])?, 80, 24)
        };
        let mut screen = start()?;
        screen.wait("it is there", SOON, |text| text.contains("by peer"))?;
        screen.press("/pined>1M\r")?;
        screen.wait("the filter is refused with a word", SOON, |text| {
            text.contains("did you mean `pinned`")
        })?;
        screen.press("\u{1b}")?;
        screen.wait("the prompt is gone", SOON, |text| text.contains("q quit"))?;
        screen.press("\t")?;
        screen.wait("grouped by network", SOON, |text| text.contains("by net"))?;
        screen.press("q")?;
        ensure!(screen.wait_end(SOON)?.success());
        screen.expect_given_back()?;
        let mut screen = start()?;
        screen.wait("the grouping is remembered", SOON, |text| {
            text.contains("by net")
        })?;
        screen.press("\u{3}")?;
        ensure!(screen.wait_end(SOON)?.success());
        screen.expect_given_back()
    })
}

#[test]
fn what_is_printed_is_a_table_or_json_and_a_closed_pipe_is_no_error() -> Result<()> {
    story::in_folder("top-print", |folder| {
        let agent = Agent::start(folder)?;
        let socket = agent.control_socket();
        let output = top(folder, &socket, &["--once"])?.output()?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() && said.contains("PEER"), "{said}");
        ensure!(
            !said.contains('\u{1b}'),
            "colours only on a terminal: {said}"
        );
        let output = top(folder, &socket, &["--json"])?.output()?;
        let object: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        ensure!(object["peers"].is_array(), "{object}");

        let mut command = top(folder, &socket, &["--batch", "--interval=200ms"])?;
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout")?);
        lines.read_line(&mut String::new())?;
        drop(lines);
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.is_empty(), "{output:?}");

        let output = top(folder, &socket, &[])?.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(2), "{output:?}");
        ensure!(
            said.contains("no terminal") && said.contains("--once"),
            "{said}"
        );
        Ok(())
    })
}

#[test]
fn an_agent_that_hangs_babbles_or_is_missing_gives_one_clear_line() -> Result<()> {
    story::in_folder("top-broken", |folder| {
        let missing = folder.join("missing.sock");
        expect_failure(
            &mut top(folder, &missing, &["--once"])?,
            "cannot reach the agent",
        )?;

        let hanging = folder.join("hanging.sock");
        // Connections wait in its queue for ever.
        let _hanging = UnixListener::bind(&hanging)?;
        let began = Instant::now();
        expect_failure(&mut top(folder, &hanging, &["--once"])?, "did not answer")?;
        ensure!(began.elapsed() < HANG_DEADLINE, "{:?}", began.elapsed());

        let babbling = folder.join("babbling.sock");
        let listener = UnixListener::bind(&babbling)?;
        drop(std::thread::spawn(move || babble(&listener)));
        expect_failure(
            &mut top(folder, &babbling, &["--once"])?,
            "cannot read the agent",
        )?;
        let mut screen = Screen::start(top(folder, &babbling, &[])?, 80, 24)?;
        ensure!(screen.wait_end(HANG_DEADLINE)?.code() == Some(1));
        screen.expect_given_back()?;
        screen.wait("the line is left on the user's own screen", SOON, |text| {
            text.contains("error: cannot read the agent")
        })?;
        Ok(())
    })
}

/// Answers whatever it is asked with a page of something else.
fn babble(listener: &UnixListener) {
    for stream in listener.incoming().map_while(std::io::Result::ok) {
        let mut stream = stream;
        // Whoever hangs up in the middle has heard enough.
        drop(stream.read(&mut [0; 1_024]));
        let page = "<html>\u{1b}[31m";
        let length = page.len();
        drop(write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
        ));
    }
}

fn expect_failure(command: &mut Command, said: &str) -> Result<()> {
    let output = command.output()?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1),
        "{}: {stderr}",
        output.status
    );
    let error: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    ensure!(error.len() == 1 && error[0].contains(said), "{stderr}");
    ensure!(!stderr.contains('\u{1b}'), "{stderr:?}");
    Ok(())
}
