//! `detector top` in a real terminal: an operator finds who holds what and the proof within three
//! keys, through a resize and a restart of the agent, and gets the terminal back.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{self, Agent};
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::schema::Schema;
use detector_tests::screen::Screen;
use detector_tests::servers::TinyServer;
use detector_tests::story::{self, Story};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For a stall to be old enough to be reset from top.
const LONG_STALL: Duration = Duration::from_secs(60);

/// `detector top` on this socket, with settings of its own.
pub(crate) fn top(folder: &Path, socket: &Path, arguments: &[&str]) -> Result<Command> {
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
        agent.wait_flag(remote.ip(), "zero-window-stall", PATIENCE)?;

        // Other stories have peers of their own on this machine.
        let filter = format!("--filter=peer={peer}");
        let command = top(story.folder(), &agent.control_socket(), &[&filter])?;
        let mut screen = Screen::start(command, 80, 24)?;
        // A frame comes in pieces.
        screen.wait("the peer is shown", PATIENCE, |text| {
            has_row(text, &peer) && text.contains("PINNED") && text.contains("q quit")
        })?;
        screen.press("\r")?;
        screen.wait("its connection and timeline", PATIENCE, |text| {
            text.contains(&remote.to_string()) && text.contains("queued █")
        })?;
        screen.press("\r")?;
        screen.wait("the proof", PATIENCE, |text| {
            text.contains("zero window for") && text.contains("ESTABLISHED")
        })?;
        screen.resize(60, 15)?;
        screen.wait("it fits the smaller screen", PATIENCE, |text| {
            let lines: Vec<&str> = text.lines().collect();
            lines.len() == 15 && lines[14].contains("Esc back") && text.contains("verdict ")
        })?;
        screen.press("\u{1b}")?;
        screen.wait("back at the peer", PATIENCE, |text| {
            text.contains("because ")
        })?;
        screen.press("\u{1b}")?;
        screen.wait("back in the table", PATIENCE, |text| has_row(text, &peer))?;

        agent.kill()?;
        screen.wait("the agent is missed", PATIENCE, |text| {
            text.contains("no answer since")
        })?;
        let agent = Agent::start(story.folder())?;
        screen.wait("it is found again", PATIENCE + PATIENCE, |text| {
            has_row(text, &peer) && !text.contains("no answer since")
        })?;
        screen.signal(Signal::SIGTERM)?;
        let status = screen.wait_end(PATIENCE)?;
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
        screen.wait("it is there", PATIENCE, |text| text.contains("by peer"))?;
        screen.press("/pined>1M\r")?;
        screen.wait("the filter is refused with a word", PATIENCE, |text| {
            text.contains("did you mean `pinned`")
        })?;
        screen.press("\u{1b}")?;
        // A screen may be read while it is drawn, and Esc right before Tab is another key.
        screen.wait("the prompt is gone", PATIENCE, |text| {
            text.contains("q quit") && !text.contains("did you mean")
        })?;
        screen.press("\t")?;
        screen.wait("grouped by network", PATIENCE, |text| {
            text.contains("by net")
        })?;
        screen.press("q")?;
        ensure!(screen.wait_end(PATIENCE)?.success());
        screen.expect_given_back()?;
        let mut screen = start()?;
        screen.wait("the grouping is remembered", PATIENCE, |text| {
            text.contains("by net")
        })?;
        screen.press("\u{3}")?;
        ensure!(screen.wait_end(PATIENCE)?.success());
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
        Schema::read("top")?.check(&object)?;

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
            said.contains("not a terminal") && said.contains("--once"),
            "{said}"
        );
        Ok(())
    })
}

#[test]
fn a_stalled_socket_is_reset_after_a_question_and_only_where_that_is_allowed() -> Result<()> {
    Story::play("top-actions", Family::V4, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(Family::V4))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        let remote = client.address()?;
        let peer = remote.ip().to_string();
        // A reset is for what has been stalled for half a minute.
        agent.wait_connection(remote.ip(), "a long stall", LONG_STALL, |seen| {
            seen.stall.is_some() && seen.stalled_seconds > 30.0
        })?;
        let filter = format!("--filter=peer={peer}");
        let start = |more: &[&str]| -> Result<Screen> {
            let arguments = [&[filter.as_str()], more].concat();
            let command = top(story.folder(), &agent.control_socket(), &arguments)?;
            Screen::start(command, 80, 24)
        };
        let mut screen = start(&[])?;
        screen.wait("the peer", PATIENCE, |text| has_row(text, &peer))?;
        screen.press("x")?;
        screen.wait("how to allow it", PATIENCE, |text| {
            text.contains("actions are off") && text.contains("--allow-actions")
        })?;
        screen.press("q")?;
        ensure!(screen.wait_end(PATIENCE)?.success());

        let mut screen = start(&["--allow-actions"])?;
        screen.wait("the peer", PATIENCE, |text| has_row(text, &peer))?;
        screen.press("x")?;
        screen.wait("the exact effect", PATIENCE, |text| {
            text.contains("would reset 1 stalled socket of ") && text.contains(&remote.to_string())
        })?;
        screen.press("\r")?;
        screen.wait("no is no", PATIENCE, |text| text.contains("not done"))?;
        let listed = || story.server().stdout_of(&format!("ss -Htn dst {remote}"));
        ensure!(!listed()?.trim().is_empty(), "closed without a yes");
        screen.press("yes\r")?;
        screen.wait("what was done", PATIENCE, |text| {
            text.contains("reset 1 stalled socket of ") && !text.contains("would")
        })?;
        ensure!(listed()?.trim().is_empty(), "{}", listed()?);
        screen.press("q")?;
        ensure!(screen.wait_end(PATIENCE)?.success());
        screen.expect_given_back()
    })
}
