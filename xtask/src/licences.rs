//! `cargo xtask licences`: cargo-deny on every workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{cargo, is_executable, output, run};
use crate::lint::OTHER_WORKSPACES;
use crate::tree;

const VERSION: &str = "0.20.2";

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
    for folder in [".", OTHER_WORKSPACES[0], OTHER_WORKSPACES[1]] {
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

/// cargo-deny from the user's cache, built into it when it is not there.
fn cargo_deny() -> Result<PathBuf> {
    let folder = tree::cache()?.join(format!("tools/cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    let is_wanted = is_executable(&program)
        && output(Command::new(&program).arg("--version"))?.trim()
            == format!("cargo-deny {VERSION}");
    if !is_wanted {
        eprintln!(
            "building cargo-deny {VERSION}, some minutes, kept in {}",
            folder.display()
        );
        run(cargo()
            .args([
                "install",
                "cargo-deny",
                "--quiet",
                "--locked",
                "--force",
                "--version",
                VERSION,
            ])
            .arg("--root")
            .arg(&folder)
            .env_remove("CARGO_TARGET_DIR"))
        .context("cannot build cargo-deny: it needs crates.io")?;
    }
    Ok(program)
}
