//! A control group as a container runtime makes it, without the runtime.

use crate::{PATIENCE, expect};
use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
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
        let write = |path: &str, text: &str| {
            let file = openat(
                &self.root,
                path,
                OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            rustix::io::write(&file, text.as_bytes())
        };
        match write("cgroup.subtree_control", "+memory") {
            Ok(_) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error).context("let groups limit memory"),
        }
        write(&format!("{}/memory.max", self.name), &bytes.to_string())
            .context("limit the memory of the group")?;
        Ok(true)
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
    let context = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
}
