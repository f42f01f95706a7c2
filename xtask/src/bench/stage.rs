//! nginx and wrk in two network namespaces of their own, joined by a veth pair.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::namespace::{self, Namespace, until};
use crate::background::{Background, Scratch};
use crate::command::output;
use crate::packages::find_program;

/// Addresses of documentation, in namespaces nobody else sees.
const SERVER: &str = "192.0.2.1";
const CLIENT: &str = "192.0.2.2";

/// Everything is undone when it is dropped.
pub(super) struct Stage {
    // Order matters: the server ends before its namespace and its folder go.
    _nginx: Background,
    server: Namespace,
    client: Namespace,
    pub(super) scratch: Scratch,
}

impl Stage {
    pub(super) fn build() -> Result<Self> {
        let scratch = Scratch::create("bench")?;
        let server = Namespace::create("s")?;
        let client = Namespace::create("c")?;
        namespace::join("web", [(&server, SERVER), (&client, CLIENT)])?;
        let nginx = start_nginx(&server, &scratch.path)?;
        let stage = Self {
            _nginx: nginx,
            server,
            client,
            scratch,
        };
        stage.wait_for_server()?;
        Ok(stage)
    }

    /// Has the server offer `bytes` at `/page`.
    pub(super) fn write_page(&self, bytes: u32) -> Result<()> {
        write_file(&self.scratch.path, "page", bytes)
    }

    /// Requests a second for `path` over `seconds`.
    pub(super) fn requests_per_second(&self, path: &str, seconds: u32) -> Result<f64> {
        let said = output(&mut self.wrk(path, seconds))?;
        requests_in(&said)
    }

    /// Requests for `path` without a pause, at most `seconds` long.
    pub(super) fn traffic(&self, path: &str, seconds: u32) -> Result<Traffic> {
        let log = self.scratch.path.join("wrk.log");
        let wrk = Background::start(&mut self.wrk(path, seconds), &log)?;
        let counters = PathBuf::from(format!("/proc/{}/net/netstat", wrk.id()));
        let traffic = Traffic { wrk, log, counters };
        until("wrk is served", || {
            traffic
                .requests_per_second(Duration::from_millis(100))
                .is_ok_and(|rate| rate > 0.0)
        })?;
        Ok(traffic)
    }

    /// As many threads as processors: a saturated machine shows best what is taken away.
    fn wrk(&self, path: &str, seconds: u32) -> Command {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut command = self.client.command("wrk");
        command
            .args(["--threads", &threads.to_string()])
            .args(["--connections", &(threads * 32).to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .arg(format!("http://{SERVER}{path}"));
        command
    }

    /// tcpdump of headers on the server's side, until it is dropped.
    pub(super) fn tcpdump(&self) -> Result<Background> {
        let log = self.scratch.path.join("tcpdump.log");
        let file = self.scratch.path.join("headers.pcapng");
        let started = Background::start(
            self.server
                .command("tcpdump")
                .args(["-i", "web", "--snapshot-length", "96", "-w"])
                .arg(file)
                .arg("tcp"),
            &log,
        )?;
        until("tcpdump listens", || {
            fs::read_to_string(&log).is_ok_and(|said| said.contains("listening on"))
        })?;
        Ok(started)
    }

    fn wait_for_server(&self) -> Result<()> {
        until("nginx answers", || {
            output(self.client.command("wrk").args([
                "-t1",
                "-c1",
                "-d1s",
                &format!("http://{SERVER}/small"),
            ]))
            .is_ok_and(|said| requests_in(&said).is_ok_and(|rate| rate > 0.0))
        })
    }
}

/// wrk at work, until it is dropped.
pub(super) struct Traffic {
    wrk: Background,
    log: PathBuf,
    counters: PathBuf,
}

impl Traffic {
    /// What is asked a second in the coming `span`, as the TCP of the client's namespace counts it: a
    /// request is one segment and follows the answer to the one before, and nobody else sends data
    /// there.
    pub(super) fn requests_per_second(&self, span: Duration) -> Result<f64> {
        let began = Instant::now();
        let before = self.segments_sent()?;
        thread::sleep(span);
        let sent = self.segments_sent()? - before;
        Ok(sent / began.elapsed().as_secs_f64())
    }

    /// Fails if wrk has left early.
    pub(super) fn check(&mut self) -> Result<()> {
        if self.wrk.has_ended() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("wrk ended before the benchmark did:\n{said}");
        }
        Ok(())
    }

    fn segments_sent(&self) -> Result<f64> {
        let said = fs::read_to_string(&self.counters)
            .with_context(|| format!("cannot read {}", self.counters.display()))?;
        segments_in(&said)
            .with_context(|| format!("no TCPOrigDataSent in {}", self.counters.display()))
    }
}

/// `TcpExt: TCPOrigDataSent`: data segments sent for the first time.
fn segments_in(netstat: &str) -> Option<f64> {
    let mut lines = netstat
        .lines()
        .filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names
        .split_whitespace()
        .position(|name| name == "TCPOrigDataSent")?;
    values.split_whitespace().nth(at)?.parse().ok()
}

/// The number in wrk's `Requests/sec:` line; an answer other than 2xx spoils it.
fn requests_in(said: &str) -> Result<f64> {
    if said.contains("Non-2xx") || said.contains("Socket errors: connect") {
        bail!("wrk saw errors:\n{said}");
    }
    said.lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("Requests/sec:")?
                .trim()
                .parse()
                .ok()
        })
        .with_context(|| format!("wrk named no rate:\n{said}"))
}

fn write_file(folder: &Path, name: &str, bytes: u32) -> Result<()> {
    let file = folder.join(name);
    fs::write(&file, "x".repeat(bytes as usize))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The page is served as Debian configures it (`tcp_nopush on`), but for the access log, which would
/// fill the disk, and the end of a connection after so many requests. The other files are served as
/// nginx does by itself, in more segments: the hook is what they are for.
fn start_nginx(namespace: &Namespace, folder: &Path) -> Result<Background> {
    write_file(folder, "small", 1_000)?;
    write_file(folder, "large", 256 << 10)?;
    let at = folder.display();
    let configuration = format!(
        "daemon off;\nworker_processes auto;\npid {at}/nginx.pid;\nerror_log {at}/nginx.log;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  keepalive_requests 1000000000;\n  keepalive_time 1d;\n\
         client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n\
         server {{ listen {SERVER}:80; root {at};\n    location = /page {{ tcp_nopush on; }}\n  }}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
    let nginx = find_program("nginx").context("nginx is not installed")?;
    Background::start(
        namespace
            .command(&nginx.to_string_lossy())
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&file),
        &folder.join("nginx.out"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_wrk_prints() {
        let said =
            "Running 3s test\n  100 requests in 3.0s\nRequests/sec:  31542.86\nTransfer/sec: 1MB\n";
        assert_eq!(requests_in(said).unwrap(), 31_542.86);
        requests_in("Requests/sec: 10.0\n  Non-2xx or 3xx responses: 5\n").unwrap_err();
        requests_in("").unwrap_err();
    }

    #[test]
    fn segments_are_read_by_name() {
        let said = "TcpExt: SyncookiesSent TCPOrigDataSent\nTcpExt: 7 31542\nIpExt: A\nIpExt: 1\n";
        assert_eq!(segments_in(said), Some(31_542.0));
        assert_eq!(segments_in("TcpExt: SyncookiesSent\nTcpExt: 7\n"), None);
        assert_eq!(segments_in(""), None);
    }
}
