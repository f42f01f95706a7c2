//! `cargo xtask frames`: plays the demonstration, watches it with `detector top` in a terminal of 80
//! columns and 24 lines, and writes what is on the screen into README.md. With `--pictures` the night of an
//! incident instead, and what commands show of it, as pictures of docs/first-incident.md.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::background::{Background, Scratch};
use crate::marked::{Part, version};
use crate::packages;
use crate::pictures;
use crate::run::Programs;
use crate::terminal::Terminal;

const SIZE: (u16, u16) = (80, 24);
const FRAMES: Part = Part {
    page: "README.md",
    begin: "<!-- frames: written by `cargo xtask frames` -->",
    end: "<!-- frames end -->",
};
/// The play goes on for longer than it takes to look at it.
const STAGE_SECONDS: &str = "60";
/// Seconds of a stall after which the timeline has something to show.
const WATCH: Duration = Duration::from_secs(12);
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pictures of docs/first-incident.md instead, of the night that `cargo xtask demo --incident` plays
    #[arg(long)]
    pictures: bool,
    #[command(flatten)]
    programs: Programs,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    packages::need(&[("script", "bsdutils")], "capturing a terminal", false)?;
    let chore = match arguments.pictures {
        true => &["frames", "--pictures"][..],
        false => &["frames"],
    };
    let Some((agent, play)) = arguments.programs.as_root(chore)? else {
        return Ok(());
    };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's release")?;
    if arguments.pictures {
        return pictures::write(&agent, &play, release.trim());
    }
    let frames = capture(&agent, &play)?;
    let frames = frames.map(|frame| format!("```text\n{}\n```", tidied(&frame, release.trim())));
    FRAMES.write(&frames.join("\n\n"))
}

/// The table, the page of the dearest peer, the page of its connection.
fn capture(agent: &Path, play: &Path) -> Result<[String; 3]> {
    let scratch = Scratch::create("frames")?;
    let socket = scratch.path.join("control.sock");
    let (_agent, _) = Background::start_until_ready(
        Command::new(agent)
            .args([
                "run",
                "--web.listen-address",
                "127.0.0.1:0",
                "--control-socket",
            ])
            .arg(&socket)
            .arg("--state-dir")
            .arg(scratch.path.join("state")),
    )?;
    let _player = Background::start(
        Command::new(play).args(["--seconds", STAGE_SECONDS]),
        &scratch.path.join("play.log"),
    )?;
    let mut screen = Terminal::start(agent, &socket, &scratch.path, SIZE)?;
    // Stalls are called so after five seconds.
    let began = Instant::now();
    let has_all = |text: &str| text.contains("stalled 3") && text.contains("shrinking-peer");
    let table = screen.wait_frame(PATIENCE, |text| has_all(text) && began.elapsed() > WATCH)?;
    screen.press(b"\r")?;
    screen.wait_frame(PATIENCE, |text| text.contains("queued █"))?;
    // The timeline is what top has seen itself: some seconds of it.
    let began = Instant::now();
    let peer = screen.wait_frame(PATIENCE, |text| {
        text.contains("queued █") && began.elapsed() > WATCH
    })?;
    screen.press(b"\r")?;
    let connection = screen.wait_frame(PATIENCE, |text| text.contains("taken back"))?;
    Ok([table, peer, connection])
}

/// Without spaces at the ends of lines, and without what a distribution adds to the release of its
/// kernel: no reader cares.
fn tidied(frame: &str, release: &str) -> String {
    let version = version(release);
    let lines: Vec<&str> = frame.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n").replace(release, version)
}

#[cfg(test)]
mod tests {
    use super::tidied;

    #[test]
    fn the_kernel_is_told_by_its_version_and_lines_end_where_they_end() {
        assert_eq!(tidied("frame on 6.1-x  \n\n", "6.1-x"), "frame on 6.1");
    }
}
