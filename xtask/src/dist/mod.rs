//! `cargo xtask dist`: everything a release consists of, bit by bit the same from any two builds of one commit.
//!
//! One statically linked program for each processor, laid out once as it is to be installed; each package
//! wraps that tree.

mod bill;
mod build;
mod container;
mod daemon_set;
mod debian;
mod first_alert;
mod image;
mod packages;
mod pod;
mod podman_run;
mod tree_of_files;
mod vm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::command::{cargo, output, run};
use crate::packages::need;
use crate::run::{Profile, build_agent};
use crate::tree;
use build::Processor;
use tree_of_files::Tree;

/// Programs that make packages, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 4] = [
    ("dpkg-deb", "dpkg"),
    ("rpmbuild", "rpm"),
    ("tar", "tar"),
    ("gzip", "gzip"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Processors to build for (repeatable) [default: all]
    #[arg(long = "arch", value_name = "ARCH")]
    processors: Vec<Processor>,
    /// Build the commit a second time, elsewhere, and compare all bytes
    #[arg(long)]
    twice: bool,
    /// Install, attack, reboot, upgrade and purge the packages in a booted Debian (needs root) [default: amd64 alone]
    #[arg(long)]
    vm: bool,
    /// Run the container image with podman, with what the DaemonSet gives it (needs root)
    #[arg(long)]
    container: bool,
    /// Try the packages that are there, build nothing
    #[arg(long)]
    no_build: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

/// What all packages of a release share.
struct Release {
    version: String,
    /// Seconds since 1970 that stand for each time in the packages: that of the commit.
    epoch: String,
    /// Where packages go.
    folder: PathBuf,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let release = Release::new()?;
    if !arguments.no_build {
        need(&PROGRAMS, "making packages", arguments.install)?;
        let sums = pack(&release, arguments)?;
        if arguments.twice {
            twice(arguments, &sums)?;
        }
    }
    if arguments.container {
        container::try_out(&release, arguments.install)?;
    }
    if arguments.vm {
        vm::try_out(&release, &arguments.processors, arguments.install)?;
    }
    Ok(())
}

/// Builds and packs; returns the sums of all files.
fn pack(release: &Release, arguments: &Arguments) -> Result<String> {
    release.empty()?;
    let mut processors = arguments.processors.clone();
    if processors.is_empty() {
        processors.extend([Processor::Amd64, Processor::Arm64]);
    }
    let mut programs = Vec::new();
    for processor in processors {
        programs.push((processor, build::build(processor, arguments.install)?));
    }
    let ours = programs.iter().find(|(each, _)| each.is_this_machine());
    let speaker = match ours {
        Some((_, program)) => program.clone(),
        None => build_agent(Profile::Dev)?,
    };
    let mut trees = Vec::new();
    for (processor, program) in programs {
        let tree = Tree::lay_out(release, processor, &program, &speaker)?;
        packages::tarball(release, &tree)?;
        packages::deb(release, &tree)?;
        packages::rpm(release, &tree)?;
        trees.push(tree);
    }
    image::write(release, &trees)?;
    let sums = sums(&release.folder)?;
    fs::write(release.folder.join("SHA256SUMS"), &sums).context("cannot write SHA256SUMS")?;
    print!("{sums}");
    println!("in {}", release.folder.display());
    Ok(sums)
}

impl Release {
    fn new() -> Result<Self> {
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => output(Command::new("git").current_dir(tree::root()).args([
                "log",
                "-1",
                "--format=%ct",
            ]))?,
        };
        Ok(Self {
            version: version()?,
            epoch: epoch.trim().to_owned(),
            folder: tree::target().join("packages"),
        })
    }

    /// An empty folder for packages.
    fn empty(&self) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("cannot empty {}", self.folder.display()))?;
        }
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))
    }

    /// A program that takes the time of the release for now.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("SOURCE_DATE_EPOCH", &self.epoch)
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command
    }
}

fn version() -> Result<String> {
    let manifest = fs::read_to_string(tree::root().join("Cargo.toml"))?;
    let manifest: toml::Table = manifest.parse().context("Cargo.toml is not TOML")?;
    let version = || {
        manifest
            .get("workspace")?
            .get("package")?
            .get("version")?
            .as_str()
    };
    Ok(version().context("Cargo.toml has no version")?.to_owned())
}

/// SHA-256 of each file in a folder, as sha256sum(1) writes it.
fn sums(folder: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name();
            lines.push(format!(
                "{}  {}\n",
                digest(&entry.path())?,
                name.to_string_lossy()
            ));
        }
    }
    lines.sort_by(|one, other| one.split("  ").nth(1).cmp(&other.split("  ").nth(1)));
    Ok(lines.concat())
}

fn digest(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(hex(&Sha256::digest(&bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same commit again, in another folder with an empty build folder.
fn twice(arguments: &Arguments, first: &str) -> Result<()> {
    let status = output(
        Command::new("git")
            .current_dir(tree::root())
            .args(["status", "--porcelain"]),
    )?;
    ensure!(
        status.trim().is_empty(),
        "there are changes that are not committed, and the second build is of the commit"
    );
    let elsewhere = tree::target().join("dist-twice");
    drop(fs::remove_dir_all(&elsewhere));
    run(Command::new("git")
        .current_dir(tree::root())
        .args(["clone", "--quiet", "--shared", "."])
        .arg(&elsewhere))?;
    let mut again = cargo();
    again
        .current_dir(&elsewhere)
        .args(["xtask", "dist"])
        .env_remove("CARGO_MANIFEST_DIR")
        .env("CARGO_TARGET_DIR", elsewhere.join("build"));
    for processor in &arguments.processors {
        again.args(["--arch", processor.debian()]);
    }
    run(&mut again)?;
    let second = fs::read_to_string(elsewhere.join("build/packages/SHA256SUMS"))?;
    if second != first {
        bail!(
            "two builds of one commit differ:\n{first}\n{second}\nhint: compare {} and {}",
            tree::target().join("packages").display(),
            elsewhere.join("build/packages").display()
        );
    }
    println!("a second build gave the same bytes");
    drop(fs::remove_dir_all(&elsewhere));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_that_sha256sum_checks() {
        let folder = crate::background::Scratch::create("sums").unwrap();
        fs::write(folder.path.join("b"), "abc").unwrap();
        fs::write(folder.path.join("a"), "").unwrap();
        let sums = sums(&folder.path).unwrap();
        assert_eq!(
            sums,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n"
        );
    }
}
