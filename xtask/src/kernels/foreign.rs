//! Programs and libraries of another processor, from its Debian packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::architecture::Architecture;
use super::fetch;
use super::initramfs::Parts;
use crate::command::output;

/// Packages that a machine needs besides its kernel.
const PACKAGES: [&str; 3] = ["busybox-static", "libc6", "libgcc-s1"];
/// Where its loader looks, and where programs look for it.
const LIBRARIES: &str = "lib/aarch64-linux-gnu";
const LOADER: &str = "ld-linux-aarch64.so.1";

/// What `program` needs, all of it for another processor.
pub(super) fn parts(program: &Path, architecture: Architecture, is_refresh: bool) -> Result<Parts> {
    let root = fetch::packages(&PACKAGES, architecture, is_refresh)?;
    let find = |name: &str| {
        let found = file_below(&root, name);
        found.with_context(|| format!("no {name} in {}", root.display()))
    };
    let mut libraries = vec![(format!("lib/{LOADER}"), find(LOADER)?)];
    let listed = output(Command::new("readelf").arg("--dynamic").arg(program))?;
    for name in needed(&listed).filter(|name| *name != LOADER) {
        libraries.push((format!("{LIBRARIES}/{name}"), find(name)?));
    }
    // Its package has other files of the same name.
    let busybox = ["usr/bin/busybox", "bin/busybox"].map(|path| root.join(path));
    Ok(Parts {
        busybox: busybox
            .into_iter()
            .find(|path| path.is_file())
            .with_context(|| format!("no busybox in {}", root.display()))?,
        libraries,
        strip: architecture.strip(),
    })
}

/// Names of libraries in what readelf lists.
fn needed(listed: &str) -> impl Iterator<Item = &str> {
    let names = listed.lines().filter(|line| line.contains("(NEEDED)"));
    names.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0))
}

/// A file of this name, links followed within the folder.
fn file_below(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            if let Some(found) = file_below(&path, name) {
                return Some(found);
            }
        } else if entry.file_name() == name && path.is_file() {
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn libraries_are_read_from_readelf() {
        let listed = " 0x01 (NEEDED)   Shared library: [libm.so.6]\n 0x0e (SONAME)  [x]\n \
                       0x01 (NEEDED)   Shared library: [libc.so.6]\n";
        assert_eq!(
            needed(listed).collect::<Vec<_>>(),
            ["libm.so.6", "libc.so.6"]
        );
    }
}
