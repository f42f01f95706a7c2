//! What watching costs: `detector top` in a terminal before an agent whose tables are full, and
//! that agent's own share.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use vt100::Parser;

use super::median;
use crate::background::{Background, Scratch};
use crate::command::run;

/// The crowd that is watched.
const PEERS: u32 = 5_000;
const CONNECTIONS_EACH: u32 = 4;
/// The crowd that is printed as JSON.
const PRINTED_PEERS: u32 = 20_000;
/// The terminal.
const COLUMNS: u16 = 200;
const LINES: u16 = 60;
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
    let mut terminal = Terminal::start(agent, &socket, &scratch.path)?;
    terminal.wait(|text| text.contains(ADDRESS))?;
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
    let keys = times(rounds * 4, || terminal.key())?;
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
    let mut terminal = Terminal::start(agent, socket, folder)?;
    let shown = terminal.wait(|text| text.contains(ADDRESS))?;
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

/// Fields of `/proc/PID/stat` behind the name, which may hold blanks: state, parent, …
fn stat_fields(pid: u32) -> Result<Vec<String>> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let (_, rest) = text
        .rsplit_once(") ")
        .with_context(|| format!("{file} is not as expected"))?;
    Ok(rest.split(' ').map(str::to_owned).collect())
}

/// `detector top` in a terminal that util-linux's `script` makes; ended with its guard.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    output: Receiver<(Instant, Vec<u8>)>,
    /// What is on the screen: only the cells that changed are put out.
    seen: Parser,
}

impl Terminal {
    fn start(agent: &Path, socket: &Path, folder: &Path) -> Result<Self> {
        let line = format!(
            "stty cols {COLUMNS} rows {LINES} && exec \"$TOP\" top --control-socket \"$SOCKET\""
        );
        let mut script = Command::new("script")
            .args(["--quiet", "--command", &line, "/dev/null"])
            .env("TOP", agent)
            .env("SOCKET", socket)
            .env("XDG_STATE_HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start script")?;
        let keys = script.stdin.take().context("script has no input")?;
        let mut screen = script.stdout.take().context("script has no output")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 64 << 10];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                if sender
                    .send((Instant::now(), bytes[..length].to_vec()))
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            script,
            keys,
            output,
            seen: Parser::new(LINES, COLUMNS, 0),
        })
    }

    /// Waits until the screen is so; when that was.
    fn wait(&mut self, is_so: impl Fn(&str) -> bool) -> Result<Instant> {
        let end = Instant::now() + PATIENCE;
        let left = || end.saturating_duration_since(Instant::now());
        while let Ok((at, bytes)) = self.output.recv_timeout(left()) {
            self.seen.process(&bytes);
            if is_so(&self.seen.screen().contents()) {
                return Ok(at);
            }
        }
        bail!(
            "waited in vain, with this on the screen:\n{}",
            self.seen.screen().contents()
        );
    }

    /// How long the slower of two keys takes: one opens the help, one closes it.
    fn key(&mut self) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        for (key, is_open) in [(&b"?"[..], true), (b"q", false)] {
            let pressed = Instant::now();
            self.keys.write_all(key).context("cannot press a key")?;
            let shown = self.wait(|text| text.contains(HELP) == is_open)?;
            slowest = slowest.max(shown.saturating_duration_since(pressed));
        }
        Ok(slowest)
    }

    /// The process in the terminal.
    fn program(&self) -> Result<u32> {
        let parent = self.script.id().to_string();
        let processes = fs::read_dir("/proc").context("cannot read /proc")?;
        let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.find(|pid| stat_fields(*pid).is_ok_and(|fields| fields.get(1) == Some(&parent)))
            .context("cannot find detector top among the processes")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // `top` ends by its key, and `script` with it.
        drop(self.keys.write_all(b"\x03"));
        let began = Instant::now();
        while matches!(self.script.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        drop(self.script.kill());
        drop(self.script.wait());
    }
}
