//! Compiles the kernel side so that the same toolchain gives the same bytes wherever it runs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::linker::Linker;
use super::sources;
use super::toolchain::{Toolchain, clear_environment};
use super::{OBJECTS, object_file};
use crate::command::run;
use crate::tree;

const TARGET: &str = "bpfel-unknown-none";

/// The architecture whose registers `aya-ebpf` assumes.
const KERNEL_ARCH: &str = "x86_64";

/// Names crates by what they are, not by where they lie, so that neither a clone's folder nor a
/// mirror's address gets into the object.
const NAMES_CRATES: &str = "xtask/src/ebpf/rustc.sh";

/// A finished object.
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Builds every object from the source in `root`, with `target` as build folder.
pub(crate) fn objects(
    root: &Path,
    target: &Path,
    toolchain: &Toolchain,
    linker: &Linker,
) -> Result<Vec<Object>> {
    let mut command = cargo(root, target, toolchain, linker)?;
    command.args(["build", "--quiet", "--locked", "--release", "--bins"]);
    run(&mut command).context("cannot compile detector-ebpf")?;
    let folder = target.join(TARGET).join("release");
    OBJECTS
        .iter()
        .map(|name| finish(name, &folder.join(name)))
        .collect()
}

fn finish(name: &str, file: &Path) -> Result<Object> {
    let linked = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let bytes = object_file::without_debug_sections(&linked)
        .with_context(|| format!("cannot strip {}", file.display()))?;
    Ok(Object {
        name: name.to_owned(),
        bytes,
    })
}

/// A cargo set up for the kernel side; the verb is the caller's.
pub(crate) fn cargo(
    root: &Path,
    target: &Path,
    toolchain: &Toolchain,
    linker: &Linker,
) -> Result<Command> {
    let mut command = Command::new(&toolchain.cargo);
    clear_environment(&mut command);
    let path = env::var_os("PATH").unwrap_or_default();
    let path =
        env::join_paths(std::iter::once(linker.folder.clone()).chain(env::split_paths(&path)))
            .context("cannot put bpf-linker's folder into PATH")?;
    command
        .current_dir(root.join("detector-ebpf"))
        .env("PATH", path)
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_WRAPPER", tree::root().join(NAMES_CRATES))
        // For `-Z build-std` and the inline assembly of `count`.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, toolchain)?)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_BUILD_TARGET", TARGET)
        .args(["-Z", "build-std=core"]);
    Ok(command)
}

/// Compiler flags in cargo's encoding, which lets paths have spaces.
fn flags(root: &Path, toolchain: &Toolchain) -> Result<OsString> {
    let mut flags: Vec<OsString> = vec![
        format!("--cfg=bpf_target_arch=\"{KERNEL_ARCH}\"").into(),
        "-Clink-arg=--btf".into(),
        "-Cdebuginfo=2".into(),
    ];
    for (from, to) in remapped(root, toolchain)? {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    }
    Ok(flags.join(OsString::from("\u{1f}").as_os_str()))
}

/// Folders that differ between machines, and the neutral name each gets in the object. The last
/// that matches wins.
fn remapped(root: &Path, toolchain: &Toolchain) -> Result<Vec<(PathBuf, &'static str)>> {
    let mut remapped = vec![(root.to_path_buf(), "/detector")];
    // One folder for each registry, named after its host.
    let registries = tree::cargo_home()?.join("registry/src");
    if let Ok(entries) = fs::read_dir(&registries) {
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        remapped.extend(folders.into_iter().map(|folder| (folder, "/crates")));
    }
    remapped.push((toolchain.sources.clone(), "/rust"));
    if let Ok(resolved) = toolchain.sources.canonicalize() {
        remapped.push((resolved, "/rust"));
    }
    Ok(remapped)
}

/// Copies what the kernel side is built from to `to`, emptied first.
pub(crate) fn copy_source(root: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot empty {}", to.display()))?;
    }
    for file in source_files(root)? {
        let target = to.join(&file);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create folder {}", folder.display()))?;
        }
        fs::copy(root.join(&file), &target)
            .with_context(|| format!("cannot copy {} to {}", file.display(), target.display()))?;
    }
    Ok(())
}

/// Paths, from `root`, of all that the kernel side is built from, sorted.
fn source_files(root: &Path) -> Result<Vec<PathBuf>> {
    // The workspace manifest is there because detector-common inherits from it.
    let mut files = vec![PathBuf::from("Cargo.toml")];
    files.extend(sources::files(root)?);
    Ok(files)
}
