//! `cargo xtask lint`: formatting, clippy on both targets, and the arrows between crates and files.

mod circles;
mod manifests;
mod sources;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, output, run};
use crate::ebpf;
use crate::licences;
use crate::packages;
use crate::tree;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also ask the advisory database for known flaws in dependencies (needs the network)
    #[arg(long)]
    advisories: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    formatting()?;
    arrows()?;
    client_alone()?;
    clippy()?;
    clippy_of_kernel_side(arguments.install)?;
    if arguments.advisories {
        licences::check(&["advisories"])?;
    }
    println!("lint: ok");
    Ok(())
}

/// Every workspace is formatted as rustfmt.toml says.
pub(crate) fn formatting() -> Result<()> {
    for folder in tree::workspaces() {
        let manifest = tree::root().join(folder).join("Cargo.toml");
        run(cargo()
            .args(["fmt", "--all", "--check", "--manifest-path"])
            .arg(&manifest))
        .with_context(|| format!("not formatted: run `cargo fmt --all` in {folder}"))?;
    }
    Ok(())
}

/// What only an agent needs; without it nothing of these may be in the program.
const AGENT_ONLY: [&str; 7] = [
    "aya",
    "aya-obj",
    "detector-agent",
    "detector-common",
    "detector-core",
    "detector-lab",
    "prometheus",
];

/// The program without the agent builds, for a host that has no eBPF.
pub(crate) fn client_alone() -> Result<()> {
    let alone = ["--locked", "-p", "detector", "--no-default-features"];
    let in_root = || {
        let mut cargo = cargo();
        cargo.current_dir(tree::root());
        cargo
    };
    run(in_root().args(["check", "--quiet"]).args(alone))?;
    let only_names = ["--edges", "normal", "--prefix", "none", "--format", "{lib}"];
    let packages = output(in_root().arg("tree").args(only_names).args(alone))?;
    let library = |name: &str| name.replace('-', "_");
    let dragged: Vec<_> = AGENT_ONLY
        .into_iter()
        .filter(|name| packages.lines().any(|line| line.trim() == library(name)))
        .collect();
    if dragged.is_empty() {
        return Ok(());
    }
    bail!(
        "the client depends on {}\nhint: `cargo tree -p detector --no-default-features -i {}` \
         shows by what way",
        dragged.join(", "),
        dragged[0]
    )
}

/// Clippy on the main workspace and on the fuzz targets, warnings are errors.
pub(crate) fn clippy() -> Result<()> {
    let verb = ["clippy", "--quiet", "--locked", "--all-targets"];
    let strict = ["--", "-D", "warnings"];
    run(cargo()
        .current_dir(tree::root())
        .args(verb)
        .arg("--workspace")
        .args(strict))?;
    let fuzz = tree::root().join("fuzz/Cargo.toml");
    run(cargo()
        .args(verb)
        .arg("--manifest-path")
        .arg(fuzz)
        .args(strict))
}

/// Clippy on the kernel side, for its own target: the compiler's own clippy, as no other fits the
/// library sources.
pub(crate) fn clippy_of_kernel_side(may_install: bool) -> Result<()> {
    let (toolchain, linker) = ebpf::tools(may_install)?;
    let program = clippy_beside(&toolchain.rustc, may_install)?;
    let prepared = ebpf::cargo(
        &tree::root(),
        &tree::target().join("ebpf"),
        &toolchain,
        &linker,
    )?;
    // `cargo-clippy` is what `cargo clippy` starts; it calls back the cargo named by CARGO.
    let mut clippy = Command::new(program);
    for (name, value) in prepared.get_envs() {
        match value {
            Some(value) => clippy.env(name, value),
            None => clippy.env_remove(name),
        };
    }
    clippy
        .current_dir(tree::root().join("detector-ebpf"))
        .env("CARGO", prepared.get_program())
        .arg("clippy")
        .args(prepared.get_args())
        .args([
            "--quiet",
            "--locked",
            "--release",
            "--bins",
            "--",
            "-D",
            "warnings",
        ]);
    run(&mut clippy)
}

fn clippy_beside(rustc: &Path, may_install: bool) -> Result<PathBuf> {
    let program = rustc.with_file_name("cargo-clippy");
    if !program.exists() && rustc == Path::new("/usr/bin/rustc") {
        packages::need(
            &[("/usr/bin/cargo-clippy", "rust-web-clippy")],
            "clippy on the kernel side",
            may_install,
        )?;
    }
    if !program.exists() {
        bail!(
            "no clippy beside {}\nhint: rustup component add clippy --toolchain nightly",
            rustc.display()
        );
    }
    Ok(program)
}

/// Who may use whom, in manifests and in source, and words that must not get into the tree.
pub(crate) fn arrows() -> Result<()> {
    let root = tree::root();
    let mut found = manifests::violations(&root)?;
    let texts = rust_files(&root)?;
    for (file, text) in &texts {
        found.extend(sources::violations(file, text));
    }
    found.extend(circles::violations(&texts));
    found.extend(words::violations(&root)?);
    if found.is_empty() {
        return Ok(());
    }
    bail!(
        "{} broken:\n  {}\nhint: ARCHITECTURE.md says who may use whom",
        found.len(),
        found.join("\n  ")
    )
}

/// The text of every Rust file of the project, by path from `root`.
fn rust_files(root: &Path) -> Result<circles::Sources> {
    let listed = tree::files(root)?.into_iter();
    let rust = listed.filter(|file| file.extension().is_some_and(|e| e == "rs"));
    rust.map(|file| {
        let text = fs::read_to_string(root.join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok((file, text))
    })
    .collect()
}
