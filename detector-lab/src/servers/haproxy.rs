//! Real HAProxy with a configuration of its own, in the foreground, in a namespace.

use super::program::serve;
use crate::network::Namespace;
use crate::program::{Child, require};
use anyhow::Result;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

/// What it buffers in the kernel of each connection: left to the kernel, a hundred paused ones would take
/// the memory that the host has for TCP.
const BUFFER_BYTES: u32 = 65_536;

/// A running HAProxy in front of one server; ended with its guard.
#[derive(Debug)]
pub struct Haproxy {
    _child: Child,
    address: SocketAddr,
}

impl Haproxy {
    /// Starts HAProxy at `address` in `namespace`; it connects to `server` from `source`. Its files
    /// lie in `folder` and begin with `name`.
    pub fn start(
        namespace: &Namespace,
        address: SocketAddr,
        (source, server): (IpAddr, SocketAddr),
        (folder, name): (&Path, &str),
    ) -> Result<Self> {
        require(&[("haproxy", "haproxy")])?;
        let source = SocketAddr::new(source, 0);
        let configuration = folder.join(format!("{name}.cfg"));
        let text = format!(
            "global
    maxconn 400
    tune.sndbuf.client {BUFFER_BYTES}
    tune.rcvbuf.server {BUFFER_BYTES}
defaults
    mode http
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen balancer
    bind {address}
    source {source}
    server one {server}
"
        );
        std::fs::write(&configuration, text)?;
        let log = folder.join(format!("{name}-haproxy.log"));
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&configuration);
        let child = serve(namespace, command, address, &log)?;
        Ok(Self {
            _child: child,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
