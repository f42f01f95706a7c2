//! What watching costs: `detector top` in a terminal before an agent whose tables are full, and
//! that agent's own share.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::median;
use crate::background::{Background, Scratch};
use crate::command::run;
use crate::terminal::{Terminal, stat_fields};

/// The crowd that is watched.
const PEERS: u32 = 5_000;
const CONNECTIONS_EACH: u32 = 4;
/// The crowd that is printed as JSON.
const PRINTED_PEERS: u32 = 20_000;
/// The terminal.
const SIZE: (u16, u16) = (200, 60);
/// Every address of the crowd begins so.
const ADDRESS: &str = "198.18.";
/// In the help, and nowhere else.
const HELP: &str = "this help";
/// The kernel counts processor time in hundredths of a second.
const LEAST_SECONDS: u32 = 20;
/// For a screen to change.
const PATIENCE: Duration = Duration::from_secs(10);
/// Processor time in `/proc/PID/stat` comes in these.
const TICK: Duration = Duration::from_millis(10);

pub(super) fn main(agent: &Path, crowd: &Path, rounds: u32, seconds: u32) -> Result<()> {
    let scratch = Scratch::create("bench-top")?;
    let seconds = seconds.max(LEAST_SECONDS);
    println!(
        "{PEERS} peers, {} stalled connections:",
        PEERS * CONNECTIONS_EACH
    );
    let socket = scratch.path.join("watched.sock");
    let watched = crowded(crowd, &socket, PEERS, CONNECTIONS_EACH)?;
    let first_frames = times(rounds, || first_frame(agent, &socket, &scratch.path))?;
    tell("first frame", median(&first_frames), 200.0, "ms");

    let idle = cpu_share(watched.id(), seconds)?;
    let mut terminal = Terminal::start(agent, &socket, &scratch.path, SIZE)?;
    terminal.wait(PATIENCE, |text| text.contains(ADDRESS))?;
    let top = terminal.program()?;
    let (before, began) = (cpu_time(top)?, Instant::now());
    let served = cpu_share(watched.id(), seconds)?;
    let took = cpu_time(top)?.saturating_sub(before);
    let refresh = took.as_secs_f64() / began.elapsed().as_secs_f64();
    tell("refresh, of one core", refresh * 100.0, 2.0, "%");
    let watcher = (served - idle).max(0.0);
    tell(
        "agent for one watcher, of one core",
        watcher * 100.0,
        0.5,
        "%",
    );
    let keys = times(rounds * 4, || key(&mut terminal))?;
    let slowest = keys.iter().copied().fold(0.0, f64::max);
    tell("slowest key", slowest, 50.0, "ms");
    drop(terminal);
    drop(watched);

    println!("{PRINTED_PEERS} peers:");
    let socket = scratch.path.join("printed.sock");
    let _printed = crowded(crowd, &socket, PRINTED_PEERS, 1)?;
    let printed = times(rounds, || {
        let began = Instant::now();
        run(Command::new(agent)
            .args(["peers", "--json", "--limit", "0", "--control-socket"])
            .arg(&socket)
            .stdout(Stdio::null()))?;
        Ok(began.elapsed())
    })?;
    tell("peers --json", median(&printed), 200.0, "ms");
    Ok(())
}

fn tell(what: &str, found: f64, bound: f64, unit: &str) {
    let word = if found <= bound { "within" } else { "ABOVE" };
    println!("  {what:<36} {found:>8.2} {unit:<2}  {word} {bound} {unit}");
}

/// Milliseconds of each round.
fn times(rounds: u32, mut round: impl FnMut() -> Result<Duration>) -> Result<Vec<f64>> {
    (0..rounds)
        .map(|_| Ok(round()?.as_secs_f64() * 1e3))
        .collect()
}

fn crowded(crowd: &Path, socket: &Path, peers: u32, each: u32) -> Result<Background> {
    let mut command = Command::new(crowd);
    command
        .arg(socket)
        .args([peers.to_string(), each.to_string()]);
    let (background, _) = Background::start_until_ready(&mut command)?;
    Ok(background)
}

/// From the command to the first row on the screen.
fn first_frame(agent: &Path, socket: &Path, folder: &Path) -> Result<Duration> {
    let began = Instant::now();
    let mut terminal = Terminal::start(agent, socket, folder, SIZE)?;
    let (shown, _) = terminal.wait(PATIENCE, |text| text.contains(ADDRESS))?;
    Ok(shown.saturating_duration_since(began))
}

/// Share of one core that a process takes over some seconds.
fn cpu_share(pid: u32, seconds: u32) -> Result<f64> {
    let (before, began) = (cpu_time(pid)?, Instant::now());
    thread::sleep(Duration::from_secs(u64::from(seconds)));
    let took = cpu_time(pid)?.saturating_sub(before);
    Ok(took.as_secs_f64() / began.elapsed().as_secs_f64())
}

/// Processor time of a process, all its threads.
fn cpu_time(pid: u32) -> Result<Duration> {
    let fields = stat_fields(pid)?;
    let ticks = |place: usize| fields.get(place)?.parse::<u32>().ok();
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .with_context(|| format!("cannot read the processor time of process {pid}"))?;
    Ok(TICK * (user + system))
}

/// How long the slower of two keys takes: one opens the help, one closes it.
fn key(terminal: &mut Terminal) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    for (key, is_open) in [(&b"?"[..], true), (b"q", false)] {
        let pressed = Instant::now();
        terminal.press(key)?;
        let (shown, _) = terminal.wait(PATIENCE, |text| text.contains(HELP) == is_open)?;
        slowest = slowest.max(shown.saturating_duration_since(pressed));
    }
    Ok(slowest)
}
