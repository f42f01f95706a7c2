//! `cargo xtask demo`: a stalled download and shrinking peers in a private namespace, and what the
//! agent says about them, in under a minute.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::background::{Background, Scratch};
use crate::command::output;
use crate::incident;
use crate::run::Programs;

/// Longer than the five seconds after which a stall is flagged, and a sweep.
const STAGE_SECONDS: u64 = 25;

/// Connections that the player stalls.
const STALLS: usize = 3;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The night of an incident on two hosts instead, real servers and a real OOM kill, and the report of
    /// it; some two minutes
    #[arg(long)]
    incident: bool,
    #[command(flatten)]
    programs: Programs,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let chore = match arguments.incident {
        true => &["demo", "--incident"][..],
        false => &["demo"],
    };
    let Some((agent, play)) = arguments.programs.as_root(chore)? else {
        return Ok(());
    };
    if arguments.incident {
        incident::show(&agent, &play)
    } else {
        show(&agent, &play)
    }
}

fn show(agent: &Path, play: &Path) -> Result<()> {
    let scratch = Scratch::create("demo")?;
    let socket = scratch.path.join("control.sock");
    let address = free_address()?;
    let (_agent, ready) = Background::start_until_ready(
        Command::new(agent)
            .arg("run")
            .arg("--web.listen-address")
            .arg(address.to_string())
            .arg("--control-socket")
            .arg(&socket)
            .arg("--state-dir")
            .arg(scratch.path.join("state")),
    )?;
    println!("$ detector run\n{ready}\n");

    println!("$ play");
    let log = scratch.path.join("play.log");
    let mut player = Background::start(
        Command::new(play).args(["--seconds", &STAGE_SECONDS.to_string()]),
        &log,
    )?;
    let ask = |verb: &str| {
        output(
            Command::new(agent)
                .arg(verb)
                .arg("--control-socket")
                .arg(&socket),
        )
    };
    let flagged = wait_for_flags(&ask, &mut player)?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    println!("{said}");
    if let Some(lack) = lack(flagged, player.has_ended(), &said) {
        bail!("{lack}");
    }
    for verb in ["peers", "connections", "events"] {
        println!("$ detector {verb}\n{}", ask(verb)?);
    }
    println!("$ curl http://{address}/metrics");
    for line in metrics(address)?.lines().filter(|line| is_telling(line)) {
        println!("{line}");
    }
    println!("\nThat was the agent at work. Start it for real with: cargo xtask run");
    Ok(())
}

/// Until every stall on stage is flagged, or the player has left it or is about to; gives how many
/// are.
fn wait_for_flags(ask: &dyn Fn(&str) -> Result<String>, player: &mut Background) -> Result<usize> {
    let end = Instant::now() + Duration::from_secs(STAGE_SECONDS - 2);
    loop {
        let is_over = Instant::now() >= end || player.has_ended();
        let flagged = ask("events")?.matches("zero-window-stall").count();
        if flagged >= STALLS || is_over {
            return Ok(flagged);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// What the demonstration failed to show, after the player said `said`.
fn lack(flagged: usize, has_player_ended: bool, said: &str) -> Option<String> {
    if flagged >= STALLS {
        return None;
    }
    let last = said.lines().last().unwrap_or("nothing");
    Some(if has_player_ended {
        format!("the player ended before its time and said last: {last}")
    } else {
        format!("only {flagged} of {STALLS} stalls were flagged in {STAGE_SECONDS} seconds")
    })
}

/// A port nobody has at this moment.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot find a free port")?;
    listener.local_addr().context("cannot read the free port")
}

fn metrics(address: SocketAddr) -> Result<String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().with_context(|| format!("cannot read http://{address}/metrics"))
}

/// Whether a line of /metrics shows what the players did.
fn is_telling(line: &str) -> bool {
    const PREFIXES: [&str; 6] = [
        "detector_peer_",
        "detector_window_shrinks_total",
        "detector_zero_window_",
        "detector_retransmits_total",
        "detector_stalled_connections",
        "detector_flags_total",
    ];
    let is_zero = line.ends_with(" 0");
    !is_zero && PREFIXES.iter().any(|prefix| line.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demonstration_that_shows_nothing_fails() {
        assert_eq!(lack(STALLS, true, ""), None);
        let ended = lack(0, true, "3 stalls\nerror: no namespace\n").unwrap();
        assert!(ended.ends_with("last: error: no namespace"), "{ended}");
        let late = lack(1, false, "3 stalls\n").unwrap();
        assert!(late.starts_with("only 1 of 3 "), "{late}");
    }

    #[test]
    fn zeros_comments_and_the_agent_itself_are_left_out() {
        assert!(is_telling(
            "detector_peer_pinned_bytes{peer=\"192.0.2.1\"} 4220292"
        ));
        for line in [
            "detector_peer_pinned_bytes{peer=\"other\"} 0",
            "# HELP detector_peer_pinned_bytes bytes",
            "process_open_fds 12",
            "",
        ] {
            assert!(!is_telling(line), "{line}");
        }
    }
}
