//! A control group as a container runtime makes it, without the runtime.

use crate::expect::{self, PATIENCE};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsmount, fsopen,
};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A control group below the root of the unified hierarchy. It is removed with its guard, which has
/// to outlive the processes in it.
#[derive(Debug)]
pub struct ControlGroup {
    root: OwnedFd,
    name: String,
    memory: MemoryFiles,
}

/// Files of a group's memory.
#[derive(Debug)]
struct MemoryFiles {
    used: &'static str,
    /// File and what to write there.
    give_back: (&'static str, &'static str),
    limit: &'static str,
    swap: &'static str,
    /// Limit of its sockets alone; else they count as all other memory does.
    sockets: Option<&'static str>,
    /// Else both together are limited.
    swap_is_apart: bool,
}

const V2: MemoryFiles = MemoryFiles {
    used: "memory.current",
    give_back: ("memory.reclaim", "1G"),
    limit: "memory.max",
    swap: "memory.swap.max",
    sockets: None,
    swap_is_apart: true,
};
const V1: MemoryFiles = MemoryFiles {
    used: "memory.usage_in_bytes",
    give_back: ("memory.force_empty", "0"),
    limit: "memory.limit_in_bytes",
    swap: "memory.memsw.limit_in_bytes",
    sockets: Some("memory.kmem.tcp.limit_in_bytes"),
    swap_is_apart: false,
};

impl ControlGroup {
    /// Makes the group.
    pub fn create(name: String) -> Result<Self> {
        let root = open_root().context("open the unified control group hierarchy (as root)")?;
        mkdirat(&root, &name, Mode::from_raw_mode(0o755))
            .with_context(|| format!("make the control group {name}"))?;
        Ok(Self {
            root,
            name,
            memory: V2,
        })
    }

    /// Limits the memory of the group; false where this hierarchy has no memory controller (cgroup v1
    /// has it then).
    pub fn limit_memory(&self, bytes: u64) -> Result<bool> {
        if !self.let_limit_memory()? {
            return Ok(false);
        }
        self.write(V2.limit, &bytes.to_string())?;
        Ok(true)
    }

    fn let_limit_memory(&self) -> Result<bool> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let control = openat(&self.root, "cgroup.subtree_control", flags, Mode::empty());
        match control.and_then(|file| rustix::io::write(&file, b"+memory")) {
            Ok(_) => Ok(true),
            Err(Errno::INVAL | Errno::NOENT) => Ok(false),
            Err(error) => Err(error).context("let groups limit memory"),
        }
    }

    /// Makes a group in whichever hierarchy limits memory on this host.
    pub fn of_memory(name: String) -> Result<Self> {
        let group = Self::create(name)?;
        if group.let_limit_memory()? {
            return Ok(group);
        }
        let root = open_memory_root().context(
            "neither hierarchy of control groups limits memory here (cgroup_disable=memory?)",
        )?;
        let name = group.name.clone();
        drop(group);
        mkdirat(&root, &name, Mode::from_raw_mode(0o755))
            .with_context(|| format!("make the control group {name}"))?;
        Ok(Self {
            root,
            name,
            memory: V1,
        })
    }

    /// Lets the group have so much more memory than it has and cannot give back, and no swap.
    pub fn leave_memory(&self, bytes: u64) -> Result<()> {
        let (file, text) = self.memory.give_back;
        // From 5.19 on, or in the older hierarchy; it fails if there is less to give back.
        drop(self.write(file, text));
        let path = format!("{}/{}", self.name, self.memory.used);
        let file = openat(
            &self.root,
            &path,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let mut text = [0; 32];
        let length = file
            .and_then(|file| rustix::io::read(&file, &mut text))
            .with_context(|| format!("read {path}"))?;
        let used: u64 = std::str::from_utf8(&text[..length])?.trim().parse()?;
        let limit = (used + bytes).to_string();
        let with_swap = if self.memory.swap_is_apart {
            "0"
        } else {
            &limit
        };
        // There is no such file where nothing can be swapped out; where it limits both together, it is
        // never below the other: first when both grow, last when they shrink.
        drop(self.write(self.memory.swap, with_swap));
        self.write(self.memory.limit, &limit)?;
        drop(self.write(self.memory.swap, with_swap));
        Ok(())
    }

    /// Lets the sockets of the group have so much memory: exactly where the hierarchy counts them
    /// apart, else beside what the group has now.
    pub fn limit_sockets(&self, bytes: u64) -> Result<()> {
        match self.memory.sockets {
            Some(file) => self.write(file, &bytes.to_string()),
            None => self.leave_memory(bytes),
        }
    }

    /// Moves a process inside.
    pub fn take(&self, pid: u32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = format!("{}/{file}", self.name);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let opened = openat(&self.root, &path, flags, Mode::empty());
        opened
            .and_then(|file| rustix::io::write(&file, text.as_bytes()))
            .with_context(|| format!("write {text} into {path}"))?;
        Ok(())
    }

    /// Whoever is left was started inside, by us or by our children.
    fn kill_all(&self) {
        let path = format!("{}/cgroup.procs", self.name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(file) = openat(&self.root, &path, flags, Mode::empty()) else {
            return;
        };
        let processes = std::io::read_to_string(std::fs::File::from(file)).unwrap_or_default();
        for pid in processes.lines().filter_map(|pid| pid.parse().ok()) {
            // It may have ended by itself.
            nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }

    /// Makes `command` start inside the group.
    pub fn place(&self, command: &mut Command) -> Result<()> {
        let path = format!("{}/cgroup.procs", self.name);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let processes = openat(&self.root, &path, flags, Mode::empty())
            .with_context(|| format!("open {path}"))?;
        // SAFETY: write is a plain system call; the file is kept open by the closure.
        unsafe {
            command.pre_exec(move || {
                // The process that writes.
                rustix::io::write(&processes, b"0")?;
                Ok(())
            });
        }
        Ok(())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        self.kill_all();
        let removed = expect::until("the control group is empty", PATIENCE, || {
            match unlinkat(&self.root, &self.name, AtFlags::REMOVEDIR) {
                Ok(()) => Ok(Some(())),
                Err(Errno::BUSY) => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        if let Err(error) = removed {
            crate::note(&format!(
                "cannot remove the control group {}: {error:#}",
                self.name
            ));
        }
    }
}

/// Mounted nowhere, for us alone: hosts have the hierarchy in different places, or not to write to.
fn open_root() -> rustix::io::Result<OwnedFd> {
    mount(&fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?)
}

/// The hierarchy of cgroup v1 that limits memory.
fn open_memory_root() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(&context, "memory")?;
    mount(&context)
}

fn mount(context: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    fsconfig_create(context)?;
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
}
