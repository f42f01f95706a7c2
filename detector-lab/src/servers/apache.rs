//! Real apache2 with a configuration of its own, in the foreground, in a namespace.

use super::program::serve;
use crate::network::Namespace;
use crate::program::{Child, require};
use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

/// How it serves connections (its multi-processing module).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApacheModel {
    /// One process a connection.
    Prefork,
    /// Threads, which a connection that only waits to be written does not hold.
    Event,
}

impl ApacheModel {
    const fn name(self) -> &'static str {
        match self {
            Self::Prefork => "prefork",
            Self::Event => "event",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Prefork => 81,
            Self::Event => 82,
        }
    }

    const fn limits(self) -> &'static str {
        match self {
            Self::Prefork => "StartServers 16\nServerLimit 192\nMaxRequestWorkers 192",
            Self::Event => {
                "StartServers 2\nThreadsPerChild 64\nServerLimit 4\nMaxRequestWorkers 256"
            }
        }
    }
}

/// A running apache2; ended with its guard.
#[derive(Debug)]
pub struct Apache {
    child: Child,
    address: SocketAddr,
}

impl Apache {
    /// Starts apache2 on `ip` and a port that tells its model, in `namespace`; serves what is in
    /// `folder`. On the unspecified IPv6 address it listens on all addresses of both families.
    pub fn start(
        namespace: &Namespace,
        ip: IpAddr,
        folder: &Path,
        model: ApacheModel,
    ) -> Result<Self> {
        require(&[("apache2", "apache2-bin")])?;
        let address = SocketAddr::new(ip, model.port());
        let name = model.name();
        let configuration = folder.join(format!("apache-{name}.conf"));
        std::fs::write(&configuration, configure(address, folder, model))?;
        let log = folder.join(format!("apache-{name}.log"));
        let mut command = Command::new("apache2");
        command.args(["-D", "FOREGROUND", "-f"]).arg(&configuration);
        let child = serve(namespace, command, address, &log)?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Process number of its first process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}

fn configure(address: SocketAddr, folder: &Path, model: ApacheModel) -> String {
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    let listen_any = if address.ip().is_unspecified() {
        format!("Listen {any}\n")
    } else {
        String::new()
    };
    format!(
        "ServerRoot /usr/lib/apache2
ServerName server
Listen {address}
{listen_any}PidFile {folder}/apache-{name}.pid
ErrorLog {folder}/apache-{name}-error.log
LoadModule mpm_{name}_module modules/mod_mpm_{name}.so
LoadModule authz_core_module modules/mod_authz_core.so
{limits}
TimeOut 300
# slowhttptest cuts an IPv6 address in its Host header short.
HttpProtocolOptions Unsafe
User www-data
DocumentRoot {folder}
",
        folder = folder.display(),
        name = model.name(),
        limits = model.limits(),
    )
}
