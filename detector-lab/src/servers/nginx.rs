//! Real nginx with a configuration of its own, in the foreground, in a namespace.

use super::program::serve;
use crate::control_group::ControlGroup;
use crate::network::Namespace;
use crate::program::{Child, require};
use anyhow::Result;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

/// What matters to the stories.
#[derive(Clone, Copy, Debug)]
pub struct NginxSettings<'a> {
    /// Where it listens.
    pub port: u16,
    /// Size of `/large`, bytes.
    pub large_bytes: u64,
    /// One more port, for crowds of clients: its connections have send buffers of
    /// [`CROWD_SEND_BUFFER_BYTES`].
    pub crowd_port: Option<u16>,
    /// Where it runs, if in a control group of its own.
    pub group: Option<&'a ControlGroup>,
}

/// The usual port for crowds.
pub const CROWD_PORT: u16 = 8_081;
/// A thousand of them fit into the TCP memory of a small host.
const CROWD_SEND_BUFFER_BYTES: u32 = 32_768;

impl Default for NginxSettings<'_> {
    fn default() -> Self {
        Self {
            port: 80,
            large_bytes: 64 << 20,
            crowd_port: None,
            group: None,
        }
    }
}

/// A running nginx; ended with its guard.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Whether the program is there, for those who can do without.
    #[must_use]
    pub fn is_installed() -> bool {
        require(&[("nginx", "nginx-light")]).is_ok()
    }

    /// Starts nginx on `ip` in `namespace`, with all its files in `folder`. On the
    /// unspecified IPv6 address it listens on all addresses of both families.
    pub fn start(
        namespace: &Namespace,
        ip: IpAddr,
        folder: &Path,
        settings: NginxSettings<'_>,
    ) -> Result<Self> {
        require(&[("nginx", "nginx-light")])?;
        let address = SocketAddr::new(ip, settings.port);
        // The file's size is what matters: it is sparse and costs nothing.
        File::create(folder.join("large"))?.set_len(settings.large_bytes)?;
        std::fs::write(folder.join("small"), vec![b'x'; 1_000])?;
        let configuration = folder.join("nginx.conf");
        std::fs::write(&configuration, configure(address, folder, settings))?;
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "nginx-error.log"]);
        if let Some(group) = settings.group {
            group.place(&mut command)?;
        }
        let child = serve(namespace, command, address, &folder.join("nginx.log"))?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Process number of its master.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}

fn configure(address: SocketAddr, folder: &Path, settings: NginxSettings<'_>) -> String {
    let mut listens = listen_lines(address, None);
    if let Some(port) = settings.crowd_port {
        let crowd = SocketAddr::new(address.ip(), port);
        listens += &listen_lines(crowd, Some(CROWD_SEND_BUFFER_BYTES));
    }
    format!(
        "daemon off;
worker_processes 1;
user root;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    send_timeout 300s;
    keepalive_timeout 300s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        {listens}
        root {folder};
        default_type application/octet-stream;
    }}
}}
",
        folder = folder.display()
    )
}

/// On the unspecified IPv6 address, one for each family. Without a size, the kernel tunes the send
/// buffers of its connections.
fn listen_lines(address: SocketAddr, send_buffer_bytes: Option<u32>) -> String {
    let mut addresses = vec![address];
    if address.ip().is_unspecified() {
        let any = Ipv4Addr::UNSPECIFIED.into();
        addresses.push(SocketAddr::new(any, address.port()));
    }
    let send_buffer =
        send_buffer_bytes.map_or_else(String::new, |bytes| format!(" sndbuf={bytes}"));
    let lines = addresses
        .iter()
        .map(|address| format!("listen {address}{send_buffer}; "));
    lines.collect()
}
