//! `detector top` where something is wrong: an agent that hangs, speaks another language or version
//! or is not there gives one clear line; however top ends, by a signal or a panic, the terminal is
//! as it was and what is to be said can be read on the user's own screen.

use crate::top::top;
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::screen::Screen;
use detector_tests::story;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Instant;

/// An answer that no version known here gives.
const STRANGE: &str = "HTTP/1.1 200 OK\r\nx-agent-version: 99.0.0\r\ncontent-length: 8\r\n\
                       connection: close\r\n\r\n{\"a\": 1}";
/// A page of something else that listens there.
const BABBLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n\
                      <html>\u{1b}[31m";

#[test]
fn an_agent_that_hangs_babbles_differs_or_is_missing_gives_one_clear_line() -> Result<()> {
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
        ensure!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());

        for (name, answer, said) in [
            ("babbling", BABBLE, "cannot read the agent"),
            ("newer", STRANGE, "the agent is version 99.0.0"),
        ] {
            let socket = folder.join(name);
            let listener = UnixListener::bind(&socket)?;
            drop(std::thread::spawn(move || answer_all(&listener, answer)));
            expect_failure(&mut top(folder, &socket, &["--once"])?, said)?;
            let mut screen = Screen::start(top(folder, &socket, &[])?, 80, 24)?;
            ensure!(screen.wait_end(PATIENCE)?.code() == Some(1));
            screen.expect_given_back()?;
            screen.wait(
                "the line is left on the user's own screen",
                PATIENCE,
                |text| text.contains(&format!("error: {said}")),
            )?;
        }
        Ok(())
    })
}

#[test]
fn an_agent_that_comes_to_hang_or_is_replaced_by_another_version_is_told_in_one_line() -> Result<()>
{
    story::in_folder("top-lost", |folder| {
        let agent = Agent::start(folder)?;
        let socket = agent.control_socket();
        let mut screen = Screen::start(top(folder, &socket, &[])?, 80, 24)?;
        screen.wait("it was answered", PATIENCE, |text| text.contains(" UTC"))?;
        agent.signal(Signal::SIGSTOP)?;
        screen.wait("it hangs", PATIENCE, |text| {
            has_line(text, "no answer since", "the agent takes longer")
        })?;
        agent.signal(Signal::SIGCONT)?;
        screen.wait("it is back", PATIENCE, |text| {
            text.contains("by peer") && !text.contains("no answer since")
        })?;
        agent.kill()?;
        screen.wait("it is gone", PATIENCE, |text| {
            has_line(text, "no answer since", "nobody listens")
        })?;
        std::fs::remove_file(&socket)?;
        let listener = UnixListener::bind(&socket)?;
        drop(std::thread::spawn(move || answer_all(&listener, STRANGE)));
        screen.wait("another version", PATIENCE, |text| {
            has_line(text, "no answer since", "the agent is version 99.0.0")
        })?;
        screen.press("q")?;
        ensure!(screen.wait_end(PATIENCE)?.success());
        screen.expect_given_back()
    })
}

#[test]
fn every_signal_that_ends_it_gives_the_terminal_back() -> Result<()> {
    story::in_folder("top-signals", |folder| {
        let agent = Agent::start(folder)?;
        for signal in [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ] {
            let mut screen = Screen::start(top(folder, &agent.control_socket(), &[])?, 80, 24)?;
            screen.wait("it is there", PATIENCE, |text| text.contains("by peer"))?;
            screen.signal(signal)?;
            let status = screen.wait_end(PATIENCE)?;
            ensure!(status.success(), "{signal}: {status}");
            screen.expect_given_back().context(signal.as_str())?;
            let left = screen.text();
            ensure!(left.trim().is_empty(), "{signal} left this: {left}");
        }
        Ok(())
    })
}

/// Whether a line begins and ends so that both can be read.
fn has_line(text: &str, beginning: &str, reason: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.starts_with(beginning) && line.contains(reason))
}

/// Gives the same answer to whatever is asked.
fn answer_all(listener: &UnixListener, answer: &str) {
    for stream in listener.incoming().map_while(std::io::Result::ok) {
        let mut stream = stream;
        // Whoever hangs up in the middle has heard enough.
        drop(stream.read(&mut [0; 1_024]));
        drop(stream.write_all(answer.as_bytes()));
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
