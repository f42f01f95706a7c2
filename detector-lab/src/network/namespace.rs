//! Network namespaces: made, entered by a thread or a child, removed, also after a process that was killed.

use super::interface::bring_up;
use crate::program::{run, stdout_of};
use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Names of our namespaces begin with this, then comes the process number.
const PREFIX: &str = "detlab";

/// A shell that waits until its input ends, which is when the process that started it is gone, and removes the
/// namespaces, named as `$0` begins, that this one did not remove itself.
const CARETAKER: &str = r#"
read -r _
for each in /run/netns/"$0"*; do
    [ -e "$each" ] || continue
    name=${each##*/}
    for pid in $(ip netns pids "$name"); do
        kill -KILL "$pid"
    done
    ip netns del "$name"
done
"#;

/// The one of this process, from its first namespace on.
static RUNNING: Mutex<Option<Child>> = Mutex::new(None);

/// A network namespace; a named one is removed with its guard.
#[derive(Debug)]
pub struct Namespace {
    name: Option<String>,
    handle: Arc<File>,
}

impl Namespace {
    /// Makes a namespace named after this process, `lab` and `role`, with loopback up.
    pub fn create(lab: u32, role: &str) -> Result<Self> {
        Self::named(lab, role, |name| run(&format!("ip netns add {name}")))
    }

    /// The same in place of another host: it belongs to users of its own, so that nothing in it is taken for
    /// one of this host's containers.
    pub fn create_elsewhere(lab: u32, role: &str) -> Result<Self> {
        Self::named(lab, role, |name| {
            let mut unshare = Command::new("unshare");
            unshare.args(["--user", "--map-root-user", "--net", "sh", "-c"]);
            unshare.arg("echo; read -r _");
            unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut holder = unshare.spawn().context("make users of another host")?;
            let mut told = [0];
            let output = holder.stdout.as_mut().context("no output")?;
            let is_there = output.read_exact(&mut told);
            let attached = is_there
                .context("make users of another host")
                .and_then(|()| run(&format!("ip netns attach {name} {}", holder.id())));
            // At the end of its input.
            holder.wait().context("end the first of another host")?;
            attached
        })
    }

    fn named(lab: u32, role: &str, make: impl FnOnce(&str) -> Result<()>) -> Result<Self> {
        start_caretaker()?;
        let name = format!("{}{lab}-{role}", own_prefix());
        // The first of a boot also makes `/run/netns` a mount of its own.
        static ADDING: Mutex<()> = Mutex::new(());
        let adding = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
        make(&name)?;
        drop(adding);
        let handle = File::open(format!("/run/netns/{name}"))
            .with_context(|| format!("open namespace {name}"))?;
        let namespace = Self {
            name: Some(name),
            handle: Arc::new(handle),
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Moves this thread into a new namespace with loopback up and returns the one it left.
    ///
    /// The namespace ends with the last that is in it. Done by the first thread of a process before
    /// it starts others, all of them are inside, and the namespace is found as the process's own.
    pub fn leave_for_private() -> Result<Self> {
        let left = Self::here()?;
        unshare(CloneFlags::CLONE_NEWNET).context("make a private network namespace")?;
        bring_up("lo")?;
        Ok(left)
    }

    /// The namespace this thread is in; nothing is removed later.
    pub fn here() -> Result<Self> {
        let handle = File::open("/proc/thread-self/ns/net").context("open own namespace")?;
        Ok(Self {
            name: None,
            handle: Arc::new(handle),
        })
    }

    /// The namespace process `pid` is in; nothing is removed later.
    pub fn of_process(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/ns/net");
        let handle = File::open(&path).with_context(|| format!("open {path}"))?;
        Ok(Self {
            name: None,
            handle: Arc::new(handle),
        })
    }

    /// Another hold on it, which removes nothing.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            name: None,
            handle: Arc::clone(&self.handle),
        }
    }

    /// Name under `/run/netns`, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The number in `/proc/PID/ns/net`.
    pub fn inode(&self) -> Result<u64> {
        Ok(self.handle.metadata().context("stat namespace")?.ino())
    }

    /// Runs `work` on a thread inside the namespace. Sockets and devices made there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(self.handle.as_fd(), CloneFlags::CLONE_NEWNET).context("enter namespace")?;
                work()
            });
            inside
                .join()
                .map_err(|_| anyhow!("the thread inside the namespace panicked"))?
        })
    }

    /// Makes `command` start inside the namespace.
    pub fn place(&self, command: &mut Command) {
        let handle = Arc::clone(&self.handle);
        // SAFETY: setns is a plain system call; the handle is kept alive by the closure.
        unsafe {
            command.pre_exec(move || {
                setns(handle.as_fd(), CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from)
            });
        }
    }

    /// Runs a program line inside the namespace and returns what it printed.
    pub fn stdout_of(&self, line: &str) -> Result<String> {
        // A thread inside, because a child inherits the namespace of the thread that starts it.
        self.enter(|| stdout_of(line))
    }

    /// `ip` with these arguments, inside.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        self.stdout_of(&format!("ip {arguments}")).map(drop)
    }

    /// Sets a sysctl below `/proc/sys/net` inside, for instance `ipv4/tcp_shrink_window`.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.enter(|| {
            std::fs::write(format!("/proc/sys/net/{name}"), value)
                .with_context(|| format!("set net/{name} to {value}"))
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && let Err(error) = run(&format!("ip netns del {name}"))
        {
            // The caretaker tries again.
            crate::note(&format!("cannot remove namespace {name}: {error:#}"));
        }
    }
}

/// How the names of namespaces begin that this process makes.
fn own_prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// In a process group of its own, and not ended with this process.
fn start_caretaker() -> Result<()> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if running.is_none() {
        let mut shell = Command::new("sh");
        shell.args(["-c", CARETAKER, &own_prefix()]);
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let child = shell.spawn().context("start the caretaker of namespaces")?;
        *running = Some(child);
    }
    Ok(())
}

/// Removes namespaces whose maker is dead, with the processes that are left in them: their caretaker was killed, too.
pub fn reap_leftovers() -> Result<()> {
    let Ok(folder) = std::fs::read_dir("/run/netns") else {
        return Ok(());
    };
    for entry in folder.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(maker) = maker(&name) else { continue };
        if std::path::Path::new(&format!("/proc/{maker}")).exists() {
            continue;
        }
        // Its caretaker may remove it at the same time.
        let Ok(pids) = stdout_of(&format!("ip netns pids {name}")) else {
            continue;
        };
        for pid in pids.split_whitespace() {
            let pid = nix::unistd::Pid::from_raw(pid.parse().context("process number")?);
            // It may end by itself in between.
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
        }
        // Another run may reap at the same time.
        drop(run(&format!("ip netns del {name}")));
    }
    Ok(())
}

fn maker(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}
