//! nginx, apache2 (prefork) and a server with a thread for each connection in one namespace, and
//! peers in another that ask them for much and read nothing.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::background::{Background, Scratch};
use crate::bench::namespace::{self, Namespace, until};
use crate::command::output;
use crate::packages::find_program;

/// Addresses of documentation, in namespaces nobody else sees.
const SERVER: &str = "192.0.2.1";
const PEER: &str = "192.0.2.2";
/// What is asked for: far more than any queue takes.
const LARGE_BYTES: u64 = 64 << 20;
/// Open files of the peers and of nginx; root may ask for so many nearly everywhere.
const OPEN_FILES: &str = "--nofile=16384:16384";

/// A server and how many stalled connections it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) connections: usize,
}

/// A process of prefork for each connection; the others hold the bulk.
pub(super) const SERVERS: [Server; 3] = [
    Server {
        name: "nginx",
        port: 80,
        connections: 3_600,
    },
    Server {
        name: "apache2 prefork",
        port: 81,
        connections: 200,
    },
    Server {
        name: "threads",
        port: 82,
        connections: 1_200,
    },
];

/// The servers; all is undone when it is dropped.
pub(super) struct Site {
    // Order matters: the programs end before their namespaces and folder go.
    _running: Vec<Background>,
    server: Namespace,
    peers: Namespace,
    pub(super) scratch: Scratch,
}

impl Site {
    pub(super) fn build(examples: &Path) -> Result<Self> {
        let scratch = Scratch::create("bench-owner")?;
        let server = Namespace::create("s")?;
        let peers = Namespace::create("c")?;
        namespace::join("web", [(&server, SERVER), (&peers, PEER)])?;
        server.bound_send_queues()?;
        let folder = &scratch.path;
        File::create(folder.join("large"))
            .and_then(|file| file.set_len(LARGE_BYTES))
            .context("cannot make a page")?;
        let [nginx, apache, threads] = SERVERS.map(|server| server.port);
        let running = vec![
            start_nginx(&server, folder, nginx)?,
            start_apache(&server, folder, apache)?,
            start_threads(&server, examples, threads)?,
        ];
        let site = Self {
            _running: running,
            server,
            peers,
            scratch,
        };
        until("all servers listen", || {
            let listening = output(site.server.command("ss").args(["-tlnH"]));
            let is_there =
                |server: &Server, said: &str| said.contains(&format!("{SERVER}:{} ", server.port));
            listening.is_ok_and(|said| SERVERS.iter().all(|server| is_there(server, &said)))
        })?;
        Ok(site)
    }

    /// Has the peers come, until the guard is dropped.
    pub(super) fn stall(&self, examples: &Path) -> Result<Background> {
        let servers = SERVERS.map(|server| {
            let Server {
                port, connections, ..
            } = server;
            format!("{SERVER}:{port}={connections}")
        });
        let unread = examples.join("unread");
        let (running, _) = Background::start_until_ready(
            self.peers
                .command("prlimit")
                .arg(OPEN_FILES)
                .arg(unread)
                .arg(PEER)
                .args(servers),
        )?;
        Ok(running)
    }

    /// What `ss` says of the connections with a queue and the processes that hold their sockets.
    pub(super) fn sockets(&self) -> Result<String> {
        output(
            self.server
                .command("ss")
                .args(["-tnpH", "state", "connected"]),
        )
    }
}

fn start_nginx(namespace: &Namespace, folder: &Path, port: u16) -> Result<Background> {
    let at = folder.display();
    let file = folder.join("nginx.conf");
    let configuration = format!(
        "daemon off;\nuser root;\nworker_processes 2;\npid {at}/nginx.pid;\n\
         error_log {at}/nginx.log;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  send_timeout 1800s;\n\
         client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n\
         server {{ listen {SERVER}:{port} backlog=4096; root {at}; }}\n}}\n"
    );
    fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
    Background::start(
        namespace
            .command("prlimit")
            .arg(OPEN_FILES)
            .arg(find_program("nginx").context("nginx is not installed")?)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&file),
        &folder.join("nginx.out"),
    )
}

fn start_apache(namespace: &Namespace, folder: &Path, port: u16) -> Result<Background> {
    let at = folder.display();
    let file = folder.join("apache.conf");
    let workers = SERVERS[1].connections;
    let configuration = format!(
        "ServerRoot /usr/lib/apache2\nServerName server\nListen {SERVER}:{port}\n\
         PidFile {at}/apache.pid\nErrorLog {at}/apache.log\n\
         LoadModule mpm_prefork_module modules/mod_mpm_prefork.so\n\
         LoadModule authz_core_module modules/mod_authz_core.so\n\
         StartServers {workers}\nServerLimit {workers}\nMaxRequestWorkers {workers}\n\
         TimeOut 1800\nUser www-data\nDocumentRoot {at}\n"
    );
    fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
    // It ends its whole process group when it ends, so it gets one of its own; and a signal from
    // the terminal no longer reaches it, so it is to end with this process.
    Background::start(
        namespace
            .command("setpriv")
            .args(["--pdeathsig", "TERM", "apache2", "-D", "FOREGROUND", "-f"])
            .arg(&file)
            .process_group(0),
        &folder.join("apache.out"),
    )
}

fn start_threads(namespace: &Namespace, examples: &Path, port: u16) -> Result<Background> {
    let threads = examples.join("threads");
    let (running, _) = Background::start_until_ready(
        namespace
            .command("prlimit")
            .arg(OPEN_FILES)
            .arg(threads)
            .arg(format!("{SERVER}:{port}")),
    )?;
    Ok(running)
}
