//! Debian packages: which are missing, and installing them where that is allowed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{find_in_path, run};

/// Whether this process may install packages: root, on a system with apt-get.
pub(crate) fn can_install() -> bool {
    is_root() && find_in_path("apt-get").is_some()
}

/// Whether this process has root's user id.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|found| found.uid() == 0)
}

/// Installs `packages` without asking anything.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    eprintln!("installing {}", packages.join(" "));
    run(apt_get().args(["--quiet", "update"])).context("cannot refresh the package lists")?;
    run(apt_get()
        .args(["--quiet", "--yes", "install", "--no-install-recommends"])
        .args(packages))
    .with_context(|| format!("cannot install {}", packages.join(" ")))
}

/// Makes sure that each program (name or path, and the package that brings it) is there: installs
/// what is missing when `may_install` and this process can, else says what to install and for what.
pub(crate) fn need(programs: &[(&str, &str)], purpose: &str, may_install: bool) -> Result<()> {
    let missing: Vec<(&str, &str)> = programs
        .iter()
        .copied()
        .filter(|(program, _)| find_program(program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    if may_install && can_install() {
        return install(&packages);
    }
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    bail!(
        "{purpose} needs {}\nhint: apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    )
}

/// `program` in PATH or where the system keeps what only root uses.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let system = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program));
    find_in_path(program).or_else(|| system.into_iter().find(|path| path.exists()))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
