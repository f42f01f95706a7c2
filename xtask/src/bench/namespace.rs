//! Network namespaces of a benchmark, gone with their guards.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::run;

/// Least, default and most bytes of a send queue: 20,000 full ones must fit.
const SEND_QUEUE: &str = "4096 16384 65536";

/// A named network namespace, deleted with its guard.
pub(super) struct Namespace {
    pub(super) name: String,
}

impl Namespace {
    pub(super) fn create(side: &str) -> Result<Self> {
        let name = format!("det-bench-{}-{side}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        Ok(Self { name })
    }

    /// `program`, inside.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Has servers in it hold little for each of many connections.
    pub(super) fn bound_send_queues(&self) -> Result<()> {
        run(self.command("sh").args([
            "-c",
            &format!("echo {SEND_QUEUE} > /proc/sys/net/ipv4/tcp_wmem"),
        ]))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(run(Command::new("ip").args(["netns", "delete", &self.name])));
    }
}

/// Joins two namespaces by a veth pair called `link`, each end with an address of a `/24`.
pub(super) fn join(link: &str, ends: [(&Namespace, &str); 2]) -> Result<()> {
    let ip = |line: &str| run(Command::new("ip").args(line.split(' ')));
    let [(one, _), (other, _)] = ends;
    ip(&format!(
        "link add {link} netns {} type veth peer name {link} netns {}",
        one.name, other.name
    ))?;
    for (namespace, address) in ends {
        let name = &namespace.name;
        ip(&format!("-n {name} address add {address}/24 dev {link}"))?;
        ip(&format!("-n {name} link set {link} up"))?;
    }
    Ok(())
}

/// Waits until it is so.
pub(super) fn until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if is_so() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("waited 10 s in vain: {what}")
}
