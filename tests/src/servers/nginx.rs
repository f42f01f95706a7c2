//! Real nginx with a configuration of its own, in the foreground, in a namespace.

use crate::expect;
use crate::lab::{Child, Namespace, require};
use anyhow::{Result, bail};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What matters to the stories.
#[derive(Clone, Copy, Debug)]
pub struct NginxSettings {
    /// Size of `/large`, bytes.
    pub large_bytes: u64,
    /// `sndbuf` of the listening socket; `None` leaves it to the kernel's autotuning.
    pub send_buffer_bytes: Option<u32>,
}

impl Default for NginxSettings {
    fn default() -> Self {
        Self {
            large_bytes: 64 << 20,
            send_buffer_bytes: None,
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

    /// Starts nginx on `ip`, port 80, in `namespace`, with all its files in `folder`. On the
    /// unspecified IPv6 address it listens on all addresses of both families.
    pub fn start(
        namespace: &Namespace,
        ip: IpAddr,
        folder: &Path,
        settings: NginxSettings,
    ) -> Result<Self> {
        require(&[("nginx", "nginx-light")])?;
        let address = SocketAddr::new(ip, 80);
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
            .args(["-e", "nginx-error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("nginx.log"))?);
        namespace.place(&mut command);
        let mut child = Child::start(command)?;
        expect::until("nginx accepts connections", Duration::from_secs(5), || {
            if let Some(status) = child.status()? {
                bail!(
                    "nginx ended early ({status}), see {}",
                    folder.join("nginx.log").display()
                );
            }
            namespace.enter(|| Ok(TcpStream::connect(address).ok().map(drop)))
        })?;
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

fn configure(address: SocketAddr, folder: &Path, settings: NginxSettings) -> String {
    let send_buffer = settings
        .send_buffer_bytes
        .map_or_else(String::new, |bytes| format!(" sndbuf={bytes}"));
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    let listen_any = if address.ip().is_unspecified() {
        format!("listen {any}{send_buffer};")
    } else {
        String::new()
    };
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
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}{send_buffer};
        {listen_any}
        root {folder};
        default_type application/octet-stream;
    }}
}}
",
        folder = folder.display()
    )
}
