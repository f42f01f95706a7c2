//! A capture of headers into a file, complete from the moment it is returned.

use super::command::{Child, require};
use super::namespace::Namespace;
use crate::expect;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// `tcpdump` on one interface; stopped with its guard.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Starts capturing TCP on `interface` of `namespace` into `folder`.
    pub fn start(namespace: &Namespace, interface: &str, folder: &Path) -> Result<Self> {
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
            .args(["-Z", "root", "tcp or ip6 proto 6"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).context("make the log of tcpdump")?);
        namespace.place(&mut command);
        let mut child = Child::start(command)?;
        expect::until("tcpdump is listening", Duration::from_secs(5), || {
            if let Some(status) = child.status()? {
                bail!("tcpdump ended early ({status}), see {}", log.display());
            }
            let said = std::fs::read_to_string(&log).context("read the log of tcpdump")?;
            Ok(said.contains("listening on").then_some(()))
        })?;
        Ok(Self { child, file })
    }

    /// Ends the capture and returns the file.
    pub fn finish(mut self) -> Result<PathBuf> {
        self.child.stop(Signal::SIGINT, Duration::from_secs(5))?;
        Ok(self.file.clone())
    }
}
