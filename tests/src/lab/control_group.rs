//! A control group as a container runtime makes it, without the runtime.

use crate::{PATIENCE, expect};
use anyhow::{Context, Result};
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
}

impl ControlGroup {
    /// Makes the group.
    pub fn create(name: String) -> Result<Self> {
        let root = open_root().context("open the unified control group hierarchy (as root)")?;
        mkdirat(&root, &name, Mode::from_raw_mode(0o755))
            .with_context(|| format!("make the control group {name}"))?;
        Ok(Self { root, name })
    }

    /// Limits the memory of the group; false where this hierarchy has no memory controller (cgroup v1
    /// has it then).
    pub fn limit_memory(&self, bytes: u64) -> Result<bool> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let control = openat(&self.root, "cgroup.subtree_control", flags, Mode::empty());
        match control.and_then(|file| rustix::io::write(&file, b"+memory")) {
            Ok(_) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error).context("let groups limit memory"),
        }
        self.write("memory.max", &bytes.to_string())?;
        Ok(true)
    }

    /// Makes a group with this much memory, in whichever hierarchy limits memory on this host.
    pub fn with_memory(name: String, bytes: u64) -> Result<Self> {
        let group = Self::create(name)?;
        if group.limit_memory(bytes)? {
            // Else it would swap instead; there is no such file where nothing can be swapped out.
            drop(group.write("memory.swap.max", "0"));
            return Ok(group);
        }
        let root = open_memory_root().context(
            "neither hierarchy of control groups limits memory here (cgroup_disable=memory?)",
        )?;
        let name = group.name.clone();
        drop(group);
        mkdirat(&root, &name, Mode::from_raw_mode(0o755))
            .with_context(|| format!("make the control group {name}"))?;
        let group = Self { root, name };
        group.write("memory.limit_in_bytes", &bytes.to_string())?;
        drop(group.write("memory.memsw.limit_in_bytes", &bytes.to_string()));
        Ok(group)
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
        let removed = expect::until("the control group is empty", PATIENCE, || {
            match unlinkat(&self.root, &self.name, AtFlags::REMOVEDIR) {
                Ok(()) => Ok(Some(())),
                Err(Errno::BUSY) => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        if let Err(error) = removed {
            let name = &self.name;
            crate::story::note(&format!("cannot remove control group {name}: {error:#}"));
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
