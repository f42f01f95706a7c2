//! Debian packages: which are missing, and installing them where that is allowed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{find_in_path, output, run};

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

/// Makes sure that `packages` are there: installs what is missing when `may_install` and this
/// process can, else says what to install and for what.
pub(crate) fn need(packages: &[&str], purpose: &str, may_install: bool) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if may_install && can_install() {
        return install(&missing);
    }
    bail!(
        "{purpose} needs packages that are not installed: apt-get install {}",
        missing.join(" ")
    )
}

fn is_installed(package: &str) -> bool {
    output(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
