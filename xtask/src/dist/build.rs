//! The program as it is shipped: one static executable that runs on any distribution.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{cargo, output, run};
use crate::cross;
use crate::tree;

/// A processor that packages are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Processor {
    /// x86-64
    Amd64,
    /// 64-bit Arm
    Arm64,
}

impl Processor {
    /// Its name among Debian packages and container images.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Its name among RPM packages.
    pub(super) const fn rpm(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// What the compiler calls it.
    pub(super) fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.rpm())
    }

    /// Whether it is the processor of this machine.
    pub(super) fn is_this_machine(self) -> bool {
        self.rpm() == std::env::consts::ARCH
    }
}

/// Builds what is shipped and returns its file.
pub(super) fn build(processor: Processor, may_install: bool) -> Result<PathBuf> {
    let target = processor.target();
    let variable = target.to_uppercase().replace('-', "_");
    let mut command = cargo();
    if !processor.is_this_machine() {
        anyhow::ensure!(
            processor == Processor::Arm64,
            "on this machine packages can be made for arm64 only"
        );
        command
            .env("RUSTC", cross::compiler(may_install)?)
            .env(format!("CARGO_TARGET_{variable}_LINKER"), cross::LINKER);
    }
    command
        .current_dir(tree::root())
        .env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), flags()?)
        // SQLite is written in C, and names its own files.
        .env(
            "CFLAGS",
            format!("-ffile-prefix-map={}=/crates", registry()?.display()),
        )
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([
            "build",
            "--locked",
            "--profile",
            "dist",
            "--target",
            &target,
        ])
        .args(["--package", "detector", "--bin", "detector"]);
    run(&mut command)?;
    let program = tree::target().join(&target).join("dist/detector");
    is_static(&program)?;
    Ok(program)
}

/// Static, and without a word about where it was built.
fn flags() -> Result<String> {
    let root = tree::root();
    Ok(format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=/detector --remap-path-prefix={}=/crates",
        root.display(),
        registry()?.display()
    ))
}

/// Where cargo unpacks the sources of dependencies: the one folder of its registry.
fn registry() -> Result<PathBuf> {
    let sources = tree::cargo_home()?.join("registry/src");
    let mut folders = std::fs::read_dir(&sources)
        .with_context(|| format!("cannot list {}", sources.display()))?;
    let folder = folders
        .next()
        .context("no sources of dependencies are there yet: run `cargo fetch`")??;
    Ok(folder.path())
}

/// A program that asks for a library would not start on an older distribution.
fn is_static(program: &Path) -> Result<()> {
    let headers = output(
        Command::new("readelf")
            .args(["--wide", "--program-headers"])
            .arg(program),
    )?;
    anyhow::ensure!(
        !headers.contains("INTERP"),
        "{} is not linked statically",
        program.display()
    );
    Ok(())
}
