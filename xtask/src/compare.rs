//! `cargo xtask compare`: plays the demonstration, has other tools look at it, and writes what they
//! printed into docs/comparison.md.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::background::{Background, Scratch};
use crate::command::output;
use crate::marked::Part;
use crate::packages;
use crate::run::Programs;

const PRINTED: Part = Part {
    page: "docs/comparison.md",
    begin: "<!-- printed: written by `cargo xtask compare` -->",
    end: "<!-- printed end -->",
};

/// The play goes on for longer than all of them look.
const STAGE_SECONDS: &str = "90";
/// Peers that the demonstration stalls.
const STALLED: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that the page has of each.
const LINES: usize = 9;
const COLUMNS: usize = 160;

/// Each as its users call it, and the package it is from. Those that go on are stopped after a while.
const TOOLS: [(&str, &str); 7] = [
    ("ss -Htnmio state all", "iproute2"),
    (
        "nstat -az TcpRetransSegs TcpExtTCPWinProbe TcpExtTCPFromZeroWindowAdv TcpExtTCPToZeroWindowAdv TcpExtTCPLossProbes",
        "iproute2",
    ),
    ("tcpdump -nn -i any tcp", "tcpdump"),
    ("tshark -n -i any -Y tcp.analysis.flags", "tshark"),
    (
        "bpftrace -e 'tracepoint:tcp:tcp_retransmit_skb { @[ntop(args->family, args->daddr), args->dport] = count(); }'",
        "bpftrace",
    ),
    ("tcpretrans-bpfcc", "bpfcc-tools"),
    ("tcptop-bpfcc -C 5 1", "bpfcc-tools"),
];
/// Longer than the kernel waits between the first probes of a closed window.
const LOOK_SECONDS: &str = "20";
/// What some of them read, for them alone where it is not there.
const MOUNTS: &str =
    "mount -t tracefs tracefs /sys/kernel/tracing; mount -t debugfs debugfs /sys/kernel/debug";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    programs: Programs,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let needed = TOOLS.map(|(line, package)| (line.split(' ').next().unwrap_or(line), package));
    packages::need(&needed, "the comparison", arguments.install)?;
    let Some((agent, play)) = arguments.programs.as_root(&["compare"])? else {
        return Ok(());
    };
    PRINTED.write(&printed(&agent, &play)?)
}

/// What each prints, as text of the page.
fn printed(agent: &Path, play: &Path) -> Result<String> {
    let scratch = Scratch::create("compare")?;
    let socket = scratch.path.join("control.sock");
    let (_agent, _) = Background::start_until_ready(
        Command::new(agent)
            .args(["run", "--web.listen-address", "127.0.0.1:0"])
            .arg("--control-socket")
            .arg(&socket)
            .arg("--state-dir")
            .arg(scratch.path.join("state")),
    )?;
    let log = scratch.path.join("play.log");
    let player = Background::start(Command::new(play).args(["--seconds", STAGE_SECONDS]), &log)?;
    let ask = |verb: &str| {
        output(
            Command::new(agent)
                .arg(verb)
                .arg("--control-socket")
                .arg(&socket),
        )
    };
    let end = Instant::now() + PATIENCE;
    while ask("events")?.matches("zero-window-stall").count() < STALLED {
        if Instant::now() >= end {
            bail!("the demonstration was not flagged, see {}", log.display());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut page = String::new();
    show(&mut page, "detector peers", &ask("peers")?)?;
    show(&mut page, "detector events", &ask("events")?)?;
    let pid = player.id();
    // All at the same time: each sees the same.
    let looking = TOOLS.map(|(line, _)| (line, std::thread::spawn(move || look(pid, line))));
    for (line, looking) in looking {
        let Ok(printed) = looking.join() else {
            bail!("looking by {line} panicked");
        };
        show(&mut page, line, &printed?)?;
    }
    Ok(page)
}

/// What a tool prints that looks at the network of process `pid` for some seconds; where it prints
/// nothing, what it says of that.
fn look(pid: u32, line: &str) -> Result<String> {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/proc/{pid}/ns/net"));
    // By its own signal for an end: some print all they have seen then.
    command.args(["timeout", "--signal=INT", LOOK_SECONDS]);
    command.args(["unshare", "--mount", "sh", "-c"]);
    command.arg(format!("({MOUNTS}) 2>&-; ulimit -l unlimited; exec {line}"));
    let output = command.stdin(Stdio::null()).output();
    let output = output.context("cannot start nsenter")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !printed.trim().is_empty() {
        return Ok(printed.into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut said = errors.lines().filter(|line| !line.trim().is_empty());
    let why = said.clone().find(|line| line.contains("rror"));
    let why = why.or_else(|| said.next_back()).unwrap_or("nothing");
    Ok(format!("(nothing; it says: {why})"))
}

fn show(page: &mut String, line: &str, printed: &str) -> Result<()> {
    let all: Vec<&str> = printed
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    writeln!(page, "`{line}`\n\n```text")?;
    for line in all.iter().take(LINES) {
        let cut: String = line.chars().take(COLUMNS).collect();
        let dots = if cut.len() < line.len() { "…" } else { "" };
        writeln!(page, "{}{dots}", cut.replace('\t', " "))?;
    }
    if all.len() > LINES {
        writeln!(page, "… {} more lines", all.len() - LINES)?;
    }
    writeln!(page, "```\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LINES, show};

    #[test]
    fn a_long_answer_is_cut_and_says_so() {
        let mut page = String::new();
        let long = "y".repeat(500);
        let printed = format!("x\n\n{long}\n{}", "z\n".repeat(LINES));
        show(&mut page, "tool", &printed).unwrap();
        assert!(page.starts_with("`tool`\n\n```text\nx\ny"), "{page}");
        assert!(
            page.contains("y…\nz\n") && page.ends_with("… 2 more lines\n```\n\n"),
            "{page}"
        );
    }
}
