//! What is compared: the agent, a program that does nothing, and what else people would use.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::background::Background;
use crate::bench::programs::{start_agent, start_empty};
use crate::bench::stage::Stage;

/// What starting takes.
pub(super) struct Tools<'a> {
    pub(super) stage: &'a Stage,
    pub(super) agent: &'a Path,
    pub(super) loader: &'a Path,
}

/// One tool.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Comes back once it is at work; `None` for nothing.
    pub(super) start: fn(&Tools<'_>) -> Result<Option<Background>>,
}

/// In the order in which they take turns.
pub(super) const CONTENDERS: [Contender; 9] = [
    Contender {
        name: "nothing",
        start: |_| Ok(None),
    },
    Contender {
        name: "an empty program",
        start: |tools| start_empty(tools.loader).map(Some),
    },
    Contender {
        name: "detector",
        start: |tools| start_agent(tools.agent, &tools.stage.scratch.path).map(Some),
    },
    Contender {
        name: "bpftrace, counting at the same tracepoints",
        start: |tools| {
            let count = "BEGIN { printf(\"ready\\n\"); } tracepoint:tcp:tcp_probe { @segments = count(); } \
                         tracepoint:tcp:tcp_retransmit_skb { @sent_again = count(); } \
                         tracepoint:sock:inet_sock_set_state { @states = count(); }";
            tools.traced(&["bpftrace", "-B", "none", "-e", count], "ready")
        },
    },
    Contender {
        name: "bcc's tcpretrans",
        start: |tools| tools.traced(&["tcpretrans-bpfcc"], "Tracing"),
    },
    Contender {
        name: "bcc's tcptop",
        start: |tools| tools.traced(&["tcptop-bpfcc", "-C"], "Tracing"),
    },
    Contender {
        name: "tcpdump of headers",
        start: |tools| {
            let file = tools.stage.scratch.path.join("headers.pcapng");
            let mut command = tools.stage.server.command("tcpdump");
            command.args(["-i", "web", "--snapshot-length", "96", "-w"]);
            started(command.arg(file).arg("tcp"), tools.stage, "listening on")
        },
    },
    Contender {
        name: "tshark, live, zero windows only",
        start: |tools| {
            let mut command = tools.stage.server.command("tshark");
            command.args([
                "-i",
                "web",
                "-s",
                "96",
                "-f",
                "tcp",
                "-Y",
                "tcp.window_size_value == 0",
            ]);
            started(&mut command, tools.stage, "Capturing on")
        },
    },
    Contender {
        name: "ss -tinmo each second",
        start: |tools| {
            let mut command = tools.stage.server.command("sh");
            command.args([
                "-c",
                "echo ready; while :; do ss -tinmo > /dev/null; sleep 1; done",
            ]);
            started(&mut command, tools.stage, "ready")
        },
    },
];

impl Tools<'_> {
    /// A tool that looks for tracepoints in tracefs, which is mounted for it alone if it is not there.
    fn traced(&self, line: &[&str], ready: &str) -> Result<Option<Background>> {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg("mount -t tracefs tracefs /sys/kernel/tracing; exec \"$@\"")
            .arg("sh")
            .args(line);
        started(&mut command, self.stage, ready)
    }
}

/// Starts a tool, and waits until it says that it is at work.
fn started(command: &mut Command, stage: &Stage, ready: &str) -> Result<Option<Background>> {
    const PATIENCE: Duration = Duration::from_secs(40);
    let log = stage.scratch.path.join("tool.log");
    let mut running = Background::start(command, &log)?;
    let began = Instant::now();
    loop {
        // Tools print names of connections, which need not be UTF-8.
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        if said.contains(ready) {
            return Ok(Some(running));
        }
        if running.has_ended() || began.elapsed() > PATIENCE {
            // What failed first comes before what failed for it.
            let with = |word| said.lines().find(|line| line.contains(word));
            let reason = with("Unable to")
                .or_else(|| with("rror"))
                .or_else(|| said.lines().last());
            bail!("{}", reason.unwrap_or("it says nothing").trim());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
