//! Gets a bpf-linker whose LLVM is the compiler's, and puts it into `target/tools/bin`.
//!
//! Building it takes a minute, so it is kept in the user's cache for the next clean clone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::toolchain::{Toolchain, clear_environment};
use crate::command::{cargo, find_in_path, is_executable, output, run};
use crate::packages;
use crate::tree;

const VERSION: &str = "0.13.0";

/// LLVM majors this bpf-linker can be built for, each a feature of it.
const LLVM_MAJORS: [u32; 3] = [21, 22, 23];

pub(crate) struct Linker {
    /// Folder to put first into PATH.
    pub(crate) folder: PathBuf,
    /// What `bpf-linker --version` prints, with its LLVM where we built it.
    pub(crate) version: String,
}

/// From the cache, else built against the system's LLVM, else one of the right version in PATH.
pub(crate) fn get(toolchain: &Toolchain, may_install: bool) -> Result<Linker> {
    let llvm = toolchain.version.llvm_major;
    let kept = tree::cache()?.join(format!("tools/bpf-linker-{VERSION}-llvm{llvm}"));
    let kept_program = kept.join("bin/bpf-linker");
    if !works(&kept_program)? {
        match llvm_prefix(llvm, may_install) {
            Ok(prefix) => build(&kept, llvm, &prefix)?,
            Err(why) => {
                // A released binary carries its own LLVM, the newest of its day.
                let Some(found) = find_in_path("bpf-linker") else {
                    return Err(why);
                };
                if !works(&found)? {
                    return Err(
                        why.context(format!("{} is not version {VERSION}", found.display()))
                    );
                }
                return offer(&found, "its own LLVM");
            }
        }
    }
    offer(&kept_program, &format!("LLVM {llvm}"))
}

/// Links `program` into `target/tools/bin`.
fn offer(program: &Path, llvm: &str) -> Result<Linker> {
    let folder = tree::target().join("tools/bin");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    let link = folder.join("bpf-linker");
    if fs::read_link(&link).ok().as_deref() != Some(program) {
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
        }
        symlink(program, &link)
            .with_context(|| format!("cannot create link {}", link.display()))?;
    }
    let version = output(Command::new(&link).arg("--version"))?;
    Ok(Linker {
        folder,
        version: format!("{} ({llvm})", version.trim()),
    })
}

/// Whether `program` is there and is the version wanted; one that is there but does not run is
/// built anew (its LLVM may have been removed).
fn works(program: &Path) -> Result<bool> {
    if !is_executable(program) {
        return Ok(false);
    }
    let version = output(Command::new(program).arg("--version")).unwrap_or_default();
    Ok(version.trim() == format!("bpf-linker {VERSION}"))
}

fn llvm_prefix(major: u32, may_install: bool) -> Result<PathBuf> {
    if !LLVM_MAJORS.contains(&major) {
        bail!(
            "the compiler's LLVM is {major}, bpf-linker {VERSION} can be built for {LLVM_MAJORS:?}: \
             choose a compiler with one of these by DETECTOR_EBPF_RUSTC"
        );
    }
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{major}"));
    let is_there =
        || prefix.join("bin/llvm-config").exists() && prefix.join("include/llvm-c").exists();
    let (headers, polly) = (format!("llvm-{major}-dev"), format!("libpolly-{major}-dev"));
    if !is_there() && may_install && packages::can_install() {
        packages::install(&[&headers, &polly])?;
    }
    if !is_there() {
        bail!(
            "bpf-linker needs LLVM {major}, the compiler's, which is not at {}\n\
             hint: apt-get install {headers} {polly}   (or put a released bpf-linker {VERSION} into PATH)",
            prefix.display()
        );
    }
    Ok(prefix)
}

fn build(root: &Path, llvm: u32, prefix: &Path) -> Result<()> {
    eprintln!(
        "building bpf-linker {VERSION} for LLVM {llvm}, about a minute, kept in {}",
        root.display()
    );
    let mut command = cargo();
    clear_environment(&mut command);
    command
        .args([
            "install",
            "bpf-linker",
            "--quiet",
            "--locked",
            "--force",
            "--version",
            VERSION,
        ])
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{llvm}"),
        ])
        .arg("--root")
        .arg(root)
        .env("LLVM_PREFIX", prefix);
    run(&mut command).context(
        "cannot build bpf-linker: it needs a C++ compiler (apt-get install g++) and crates.io",
    )
}
