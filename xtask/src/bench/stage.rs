//! nginx and wrk in two network namespaces of their own, joined by a veth pair.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::cost::time_of_family;
use super::namespace::{self, Namespace, until};
use crate::background::{Background, Scratch};
use crate::command::output;
use crate::packages::find_program;

/// Addresses of documentation, in namespaces nobody else sees.
pub(super) const SERVER: &str = "192.0.2.1";
const CLIENT: &str = "192.0.2.2";

/// More than any bench takes.
const HUGE_BYTES: u64 = 1 << 40;

/// What wrk asks for, again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// `http://…` or `https://…`, and the path.
    pub(super) scheme: &'static str,
    pub(super) path: &'static str,
    /// Whether each request has a connection of its own.
    pub(super) closes: bool,
}

impl Load {
    pub(super) const fn of(path: &'static str) -> Self {
        Self {
            scheme: "http",
            path,
            closes: false,
        }
    }

    pub(super) const fn over_tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    pub(super) const fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

/// Everything is undone when it is dropped.
pub(super) struct Stage {
    // Order matters: the server ends before its namespace and its folder go.
    nginx: Background,
    pub(super) server: Namespace,
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
            nginx,
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
    pub(super) fn requests_per_second(&self, path: &'static str, seconds: u32) -> Result<f64> {
        let said = output(&mut self.wrk(Load::of(path), seconds))?;
        requests_in(&said)
    }

    /// Requests without a pause, at most `seconds` long.
    pub(super) fn traffic(&self, load: Load, seconds: u32) -> Result<Traffic> {
        let log = self.scratch.path.join("wrk.log");
        let wrk = Background::start(&mut self.wrk(load, seconds), &log)?;
        let counters = PathBuf::from(format!("/proc/{}/net/netstat", wrk.id()));
        let traffic = Traffic {
            server: self.nginx.id(),
            wrk,
            log,
            counters,
        };
        until("wrk is served", || {
            traffic.pace(Duration::from_millis(100)).is_ok()
        })?;
        Ok(traffic)
    }

    /// As many threads as processors: a saturated machine shows best what is taken away.
    fn wrk(&self, load: Load, seconds: u32) -> Command {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut command = self.client.command("wrk");
        command
            .args(["--threads", &threads.to_string()])
            .args(["--connections", &(threads * 32).to_string()])
            .args(["--duration", &format!("{seconds}s")]);
        if load.closes {
            command.args(["--header", "Connection: close"]);
        }
        let Load { scheme, path, .. } = load;
        command.arg(format!("{scheme}://{SERVER}{path}"));
        command
    }

    /// How long one client waits for a small answer, over `seconds`: median and 99th percentile, in
    /// milliseconds.
    pub(super) fn latency(&self, seconds: u32) -> Result<(f64, f64)> {
        let said = output(self.client.command("wrk").args([
            "-t1",
            "-c1",
            "--latency",
            &format!("-d{seconds}s"),
            &format!("http://{SERVER}/small"),
        ]))?;
        requests_in(&said)?;
        let percentile = |name: &str| {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
            line.and_then(|value| milliseconds_in(value.trim()))
                .with_context(|| format!("wrk named no {name}:\n{said}"))
        };
        Ok((percentile("50%")?, percentile("99%")?))
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
    server: u32,
    wrk: Background,
    log: PathBuf,
    counters: PathBuf,
}

/// What was seen of the traffic over a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) requests_per_second: f64,
    /// Processor time of nginx and wrk, with what the kernel did for both.
    pub(super) nanoseconds_a_request: f64,
}

impl Traffic {
    /// What is asked a second in the coming `span`, as the TCP of the client's namespace counts it: a
    /// request is one segment and follows the answer to the one before, and nobody else sends data
    /// there.
    pub(super) fn pace(&self, span: Duration) -> Result<Pace> {
        let began = Instant::now();
        let (before, used_before) = (self.segments_sent()?, self.time_used()?);
        thread::sleep(span);
        let (sent, used) = (
            self.segments_sent()? - before,
            self.time_used()? - used_before,
        );
        if sent == 0.0 {
            bail!("nginx answered nothing for {span:?}: has wrk stopped?");
        }
        Ok(Pace {
            requests_per_second: sent / began.elapsed().as_secs_f64(),
            nanoseconds_a_request: used / sent,
        })
    }

    /// Processor time of nginx and wrk so far, in nanoseconds.
    pub(super) fn time_used(&self) -> Result<f64> {
        Ok(time_of_family(self.server)? + time_of_family(self.wrk.id())?)
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

/// `1.25ms`, `803.00us` or `1.20s`.
fn milliseconds_in(time: &str) -> Option<f64> {
    for (unit, milliseconds) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = time.strip_suffix(unit)
            && let Ok(number) = number.parse::<f64>()
        {
            return Some(number * milliseconds);
        }
    }
    None
}

fn write_file(folder: &Path, name: &str, bytes: u32) -> Result<()> {
    let file = folder.join(name);
    fs::write(&file, "x".repeat(bytes as usize))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn make_certificate(folder: &Path) -> Result<()> {
    output(
        Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=bench", "-keyout"])
            .arg(folder.join("key.pem"))
            .arg("-out")
            .arg(folder.join("certificate.pem")),
    )?;
    Ok(())
}

/// The page is served as Debian configures it (`tcp_nopush on`), but for the access log, which would
/// fill the disk, and the end of a connection after so many requests. The other files are served as
/// nginx does by itself, in more segments: the hook is what they are for. Port 8080 is for storms, whose
/// connections all workers take alike.
fn start_nginx(namespace: &Namespace, folder: &Path) -> Result<Background> {
    write_file(folder, "small", 1_000)?;
    make_certificate(folder)?;
    write_file(folder, "large", 256 << 10)?;
    // Without a block on the disk.
    File::create(folder.join("huge"))
        .and_then(|file| file.set_len(HUGE_BYTES))
        .context("cannot make a large file")?;
    let at = folder.display();
    let configuration = format!(
        "daemon off;\nworker_processes auto;\nworker_rlimit_nofile 20000;\npid {at}/nginx.pid;\nerror_log {at}/nginx.log;\n\
         events {{ worker_connections 12000; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  keepalive_requests 1000000000;\n  keepalive_time 1d;\n\
         client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n\
         ssl_certificate {at}/certificate.pem;\n  ssl_certificate_key {at}/key.pem;\n\
         server {{ listen {SERVER}:80 backlog=4096; listen {SERVER}:443 ssl; root {at};\n\
         location = /page {{ tcp_nopush on; }}\n  }}\n\
         server {{ listen {SERVER}:8080 reuseport backlog=4096; root {at};\n\
         open_file_cache max=10; send_timeout 1800s;\n  }}\n}}\n"
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
    fn times_of_wrk_are_read_with_their_units() {
        assert_eq!(milliseconds_in("1.25ms"), Some(1.25));
        assert_eq!(milliseconds_in("500.00us"), Some(0.5));
        assert_eq!(milliseconds_in("1.20s"), Some(1_200.0));
        assert_eq!(milliseconds_in("soon"), None);
    }

    #[test]
    fn segments_are_read_by_name() {
        let said = "TcpExt: SyncookiesSent TCPOrigDataSent\nTcpExt: 7 31542\nIpExt: A\nIpExt: 1\n";
        assert_eq!(segments_in(said), Some(31_542.0));
        assert_eq!(segments_in("TcpExt: SyncookiesSent\nTcpExt: 7\n"), None);
        assert_eq!(segments_in(""), None);
    }
}
