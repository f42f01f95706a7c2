//! A capture of headers into a file, complete from the moment it is returned.

use crate::PATIENCE;
use anyhow::{Context, Result, bail};
use detector_lab::expect;
use detector_lab::network::Namespace;
use detector_lab::program::{Child, require};
use nix::sys::signal::Signal;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Sent at the end of a capture: once it is in the file, so is all that came before it.
const MARKER: &[u8] = b"detector-tests: end of capture";
/// The discard port, where nobody listens.
const MARKER_PORT: u16 = 9;

/// `tcpdump` on one interface; stopped with its guard.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    file: PathBuf,
    namespace: Namespace,
    beyond: IpAddr,
}

impl Capture {
    /// Starts capturing TCP on `interface` of `namespace` into `folder`; `beyond` is an address that
    /// is reached through the interface.
    pub fn start(
        namespace: &Namespace,
        interface: &str,
        beyond: IpAddr,
        folder: &Path,
    ) -> Result<Self> {
        require(&[("tcpdump", "tcpdump"), ("tshark", "tshark")])?;
        let file = folder.join(format!("{interface}.pcap"));
        let log = folder.join(format!("{interface}.tcpdump.log"));
        let mut command = Command::new("tcpdump");
        command
            .args([
                "-i",
                interface,
                "-s",
                "160",
                "-B",
                "8192",
                "-U",
                "--immediate-mode",
                "-n",
            ])
            .arg("-w")
            .arg(&file)
            // Root writes the file; the default is to become another user first.
            .args(["-Z", "root", "tcp or ip6 proto 6 or udp port 9"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).context("make the log of tcpdump")?);
        namespace.place(&mut command);
        let mut child = Child::start(command)?;
        expect::until("tcpdump is listening", PATIENCE, || {
            if let Some(status) = child.status()? {
                bail!("tcpdump ended early ({status}), see {}", log.display());
            }
            let said = std::fs::read_to_string(&log).context("read the log of tcpdump")?;
            Ok(said.contains("listening on").then_some(()))
        })?;
        Ok(Self {
            child,
            file,
            namespace: namespace.share(),
            beyond,
        })
    }

    /// Ends the capture and returns the file, complete.
    pub fn finish(mut self) -> Result<PathBuf> {
        let target = SocketAddr::new(self.beyond, MARKER_PORT);
        self.namespace.enter(|| {
            let socket = UdpSocket::bind(("0.0.0.0", 0)).context("open the marker's socket")?;
            socket.send_to(MARKER, target).context("send the marker")
        })?;
        expect::until("the capture is complete", PATIENCE, || {
            let bytes = std::fs::read(&self.file).context("read the capture")?;
            // It is the last thing in the file, perhaps behind a few stray segments.
            let tail = &bytes[bytes.len().saturating_sub(65_536)..];
            let is_there = tail.windows(MARKER.len()).any(|window| window == MARKER);
            Ok(is_there.then_some(()))
        })?;
        self.child.stop(Signal::SIGINT, PATIENCE)?;
        Ok(self.file.clone())
    }
}
