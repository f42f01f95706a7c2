//! `cargo xtask cross`: the program for arm64, built on another machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{cargo, output, run};
use crate::packages;
use crate::run::{Profile, build_agent};
use crate::tree;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What links for it.
pub(crate) const LINKER: &str = "aarch64-linux-gnu-gcc";

/// Programs a cross build uses, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 2] = [
    (LINKER, "gcc-aarch64-linux-gnu"),
    (
        "/usr/aarch64-linux-gnu/include/stdio.h",
        "libc6-dev-arm64-cross",
    ),
];
/// A compiler with its library for arm64, in Debian 12.
const COMPILER: [&str; 2] = ["rustc-web", "libstd-rust-web-dev:arm64"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    println!("{}", build(arguments.install)?.display());
    Ok(())
}

/// Builds what users run and returns its file.
pub(crate) fn build(may_install: bool) -> Result<PathBuf> {
    if env::consts::ARCH == "aarch64" {
        return build_agent(Profile::Release);
    }
    run(cargo()
        .current_dir(tree::root())
        .env("RUSTC", compiler(may_install)?)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .args(["build", "--locked", "--release", "--target", TARGET])
        .args(["--package", "detector", "--bin", "detector"]))?;
    Ok(tree::target().join(TARGET).join("release/detector"))
}

/// A compiler that has arm64's library, once everything beside it is there, too.
pub(crate) fn compiler(may_install: bool) -> Result<PathBuf> {
    packages::need(&PROGRAMS, "a build for arm64", may_install)?;
    if let Some(rustc) = find() {
        return Ok(rustc);
    }
    if may_install && packages::can_install() {
        run(Command::new("dpkg").args(["--add-architecture", "arm64"]))?;
        packages::install(&COMPILER)?;
        if let Some(rustc) = find() {
            return Ok(rustc);
        }
    }
    bail!(
        "no rustc has the library for {TARGET}\nhint: rustup target add {TARGET}   (or, on Debian 12: \
         dpkg --add-architecture arm64 && apt-get update && apt-get install {})",
        COMPILER.join(" ")
    )
}

/// The compiler in use, else the distribution's, if it has its library for arm64.
fn find() -> Option<PathBuf> {
    let used = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    [PathBuf::from(used), PathBuf::from("/usr/bin/rustc")]
        .into_iter()
        .find(|rustc| has_library(rustc))
}

fn has_library(rustc: &Path) -> bool {
    let folder = output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]));
    let entries = folder
        .ok()
        .and_then(|folder| fs::read_dir(folder.trim()).ok());
    entries.into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("libstd-")
    })
}
