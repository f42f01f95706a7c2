//! Where things are: the repository, its build folder, the user's cache.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::output;

/// Workspaces beside the main one: for another target, or with another toolchain.
pub(crate) const OTHER_WORKSPACES: [&str; 2] = ["detector-ebpf", "fuzz"];

/// Folders of all workspaces, below [`root`].
pub(crate) fn workspaces() -> impl Iterator<Item = &'static str> {
    std::iter::once(".").chain(OTHER_WORKSPACES)
}

/// Folder of the repository.
pub(crate) fn root() -> PathBuf {
    // Cargo's word at run time is newer than the one at build time if the clone has been moved.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().unwrap_or(&manifest).to_path_buf()
}

/// Cargo's build folder: `CARGO_TARGET_DIR`, else `target` in the repository.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// What is costly to make and the same for every clone: tools, kernel packages.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
        _ => home()?.join(".cache"),
    };
    Ok(base.join("detector"))
}

/// Cargo's home, which holds the sources of dependencies.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    match env::var_os("CARGO_HOME") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(home()?.join(".cargo")),
    }
}

/// Every file that git knows or would add, by path from `root`, sorted.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = output(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("cannot list the project's files")?;
    let mut files: Vec<PathBuf> = listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        // One that is deleted but not yet committed is still listed.
        .filter(|file| root.join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn home() -> Result<PathBuf> {
    let folder = env::var_os("HOME").context("HOME is not set: set it to your home folder")?;
    if folder.is_empty() {
        bail!("HOME is empty: set it to your home folder");
    }
    Ok(PathBuf::from(folder))
}
