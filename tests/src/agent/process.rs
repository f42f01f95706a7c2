//! The agent's process, with a state folder, a control socket and a port of its own.

use super::http::{Response, request};
use super::{AgentView, Metrics};
use crate::lab::{Child, Namespace};
use crate::{PATIENCE, expect};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The agent's binary: `DETECTOR_BIN`, else the one beside this program's folder.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("DETECTOR_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("path of this program")?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("detector"));
    found
        .into_iter()
        .find(|path| path.is_file())
        .context("no built agent found: run `cargo build -p detector` first, or set DETECTOR_BIN")
}

/// `play` beside the agent, which runs a program as on a kernel that lacks something.
fn play() -> Result<PathBuf> {
    let own = std::env::current_exe().context("path of this program")?;
    let mut beside = own.ancestors().skip(1).map(|folder| folder.join("play"));
    let found = beside.find(|path| path.is_file());
    found.context("no built `play` found: run `cargo build -p detector-tests` first")
}

/// A program that is the rest of this line, not started; arguments may be added.
#[must_use]
pub fn command_under(line: &[String], program: &Path) -> Command {
    match line.split_first() {
        None => Command::new(program),
        Some((starter, arguments)) => {
            let mut command = Command::new(starter);
            command.args(arguments).arg(program);
            command
        }
    }
}

/// The begin of a program line that runs the rest as on a kernel that lacks something, as `play lacking`
/// names it.
pub fn on_a_kernel_without(features: &[&str]) -> Result<Vec<String>> {
    let play = play()?.display().to_string();
    let line = [&[play.as_str(), "lacking"], features, &["--"]].concat();
    Ok(line.into_iter().map(str::to_owned).collect())
}

/// The begin of a program line that runs the rest where it sees no processes but its own, as in a
/// container.
#[must_use]
pub fn in_a_container() -> Vec<String> {
    let line = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    line.map(str::to_owned).into()
}

/// The begin of a program line that runs the rest where these commands have changed what is mounted, for
/// it alone.
#[must_use]
pub fn with_mounts(commands: &str) -> Vec<String> {
    let script = format!("{commands} && exec \"$@\"");
    let line = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    line.map(str::to_owned).into()
}

/// `detector` with these arguments, not started.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// How to start an agent.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// Text of the configuration file; `None` for a run without one.
    pub configuration: Option<String>,
    /// What `--log-level` says; `None` for a run without it.
    pub log_level: Option<&'static str>,
    /// The program line that starts it, of which its own is the rest; empty for none.
    pub under: Vec<String>,
    /// A copy of the agent's binary, for users who may not come to the original.
    pub program: Option<PathBuf>,
}

impl Default for AgentOptions {
    /// Stalls are flagged after one second, so that stories are short.
    fn default() -> Self {
        Self::with("[detect]\nstall_after = \"1s\"\n")
    }
}

impl AgentOptions {
    /// A configuration with the budget that stories need: sweeps keep their interval however many
    /// namespaces there are, and a debug build gives nothing up for what it costs. The rest goes on in
    /// that section until it begins another.
    #[must_use]
    pub fn text_with(rest: &str) -> String {
        format!("[budget]\nsweep_share_idle = \"5%\"\ncpu_share = \"400%\"\n{rest}")
    }

    /// With that configuration.
    #[must_use]
    pub fn with(rest: &str) -> Self {
        Self {
            configuration: Some(Self::text_with(rest)),
            ..Self::without_configuration()
        }
    }

    /// As a user starts it: no configuration file.
    #[must_use]
    pub const fn without_configuration() -> Self {
        Self {
            configuration: None,
            log_level: None,
            under: Vec::new(),
            program: None,
        }
    }
}

/// A running agent; stopped with its guard. Dereferences to its [`AgentView`].
#[derive(Debug)]
pub struct Agent {
    child: Child,
    view: AgentView,
    folder: PathBuf,
    web: SocketAddr,
    /// From start to the `ready:` line.
    pub ready_after: Duration,
}

impl Agent {
    /// Starts an agent with its files below `folder` and waits until it is ready.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &AgentOptions::default())
    }

    /// The same with the users' own threshold for a stall, for peers that read all the time: a busy
    /// machine may keep them from it for a second.
    pub fn start_beside_readers(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &AgentOptions::with(""))
    }

    /// The same with options.
    pub fn start_with(folder: &Path, options: &AgentOptions) -> Result<Self> {
        Self::start_prepared(folder, options, |_| Ok(()))
    }

    /// Starts an agent whose own network namespace is this one: what it blocks, it blocks there.
    /// Its web port is to be asked from inside.
    pub fn start_in(namespace: &Namespace, folder: &Path) -> Result<Self> {
        Self::start_in_with(namespace, folder, &AgentOptions::default())
    }

    /// The same with options.
    pub fn start_in_with(
        namespace: &Namespace,
        folder: &Path,
        options: &AgentOptions,
    ) -> Result<Self> {
        let place = |command: &mut Command| {
            namespace.place(command);
            Ok(())
        };
        Self::start_prepared(folder, options, place)
    }

    /// Gives it another configuration and has it read that.
    pub fn reload(&self, configuration: &str) -> Result<()> {
        std::fs::write(self.folder.join("detector.toml"), configuration)?;
        self.signal(Signal::SIGHUP)
    }

    /// The same with whatever `prepare` does to its command. In a network namespace of its own, its web
    /// port is to be asked from inside.
    pub fn start_prepared(
        folder: &Path,
        options: &AgentOptions,
        prepare: impl FnOnce(&mut Command) -> Result<()>,
    ) -> Result<Self> {
        let folder = folder.join("agent");
        std::fs::create_dir_all(&folder)?;
        let web = free_address()?;
        let socket = folder.join("control.sock");
        let program = match &options.program {
            Some(program) => program.clone(),
            None => binary()?,
        };
        let mut command = command_under(&options.under, &program);
        command.args(["run", "--web.listen-address", &web.to_string()]);
        command
            .stdin(Stdio::null())
            .arg("--control-socket")
            .arg(&socket);
        command.arg("--state-dir").arg(folder.join("state"));
        if let Some(text) = &options.configuration {
            let file = folder.join("detector.toml");
            std::fs::write(&file, text)?;
            command.arg("--config").arg(&file);
        }
        if let Some(level) = options.log_level {
            command.args(["--log-level", level]);
        }
        let log = folder.join("stderr.log");
        command.stdout(Stdio::null()).stderr(File::create(&log)?);
        prepare(&mut command)?;
        let started = Instant::now();
        let mut child = Child::start(command)?;
        wait_ready(&mut child, &log)?;
        let ready_after = started.elapsed();
        Ok(Self {
            child,
            view: AgentView::new(&socket),
            folder,
            web,
            ready_after,
        })
    }

    /// Its control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// Where it listens for scrapes.
    #[must_use]
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// A new connection to the scrape port.
    pub fn dial(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.web).context("connect to the agent's web port")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Asks the web port.
    pub fn web_request(&self, method: &str, path: &str) -> Result<Response> {
        request(self.dial()?, method, path)
    }

    /// Scrapes.
    pub fn metrics(&self) -> Result<Metrics> {
        let response = self.web_request("GET", "/metrics")?;
        ensure!(
            response.status == 200,
            "GET /metrics: {} {}",
            response.status,
            response.body
        );
        Ok(Metrics::new(response.body))
    }

    /// How long its threads together have been ready to run while no processor was free.
    pub fn waited_for_processor(&self) -> Result<Duration> {
        let threads = Path::new("/proc")
            .join(self.child.pid().to_string())
            .join("task");
        let mut waited = Duration::ZERO;
        for thread in std::fs::read_dir(&threads).context("list the agent's threads")? {
            // One that has ended by now waits for nothing.
            let Ok(line) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds = line.split(' ').nth(1).context("schedstat")?;
            waited += Duration::from_nanos(nanoseconds.parse()?);
        }
        Ok(waited)
    }

    /// What it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("stderr.log"))?)
    }

    /// Waits until it has logged this: a thread of its own writes the log.
    pub fn wait_log(&self, words: &str) -> Result<()> {
        expect::until(&format!("`{words}` is logged"), PATIENCE, || {
            Ok(self.log()?.contains(words).then_some(()))
        })
        .with_context(|| self.log().unwrap_or_default())
    }

    /// Sends it a signal, as one that stops it for a while.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.child.signal(signal)
    }

    /// Ends it as the OOM killer would: no chance to tidy up.
    pub fn kill(mut self) -> Result<()> {
        self.child.signal(Signal::SIGKILL)?;
        self.child.wait(PATIENCE).map(drop)
    }

    /// Stops it with `signal`; it must end well.
    pub fn stop(mut self, signal: Signal) -> Result<()> {
        let status = self.child.stop(signal, PATIENCE)?;
        ensure!(
            status.success(),
            "the agent ended with {status}: {}",
            self.log()?
        );
        Ok(())
    }
}

impl Deref for Agent {
    type Target = AgentView;

    fn deref(&self) -> &AgentView {
        &self.view
    }
}

fn wait_ready(child: &mut Child, log: &Path) -> Result<()> {
    expect::until("the agent is ready", PATIENCE, || {
        let said = std::fs::read_to_string(log)?;
        let is_ready =
            |line: &str| line.starts_with("ready:") || line.contains("\"message\":\"ready:");
        if said.lines().any(is_ready) {
            return Ok(Some(()));
        }
        if let Some(status) = child.status()? {
            bail!("the agent ended with {status}: {said}");
        }
        Ok(None)
    })
    .with_context(|| format!("see {}", log.display()))
}

/// An address that nobody has, that this program gives to nobody else, and that no connection takes for
/// its own end: those have higher ports.
fn free_address() -> Result<SocketAddr> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Another program of tests begins elsewhere.
    let begin = std::process::id().wrapping_mul(61);
    for _ in 0..COUNT {
        let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % COUNT)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}
