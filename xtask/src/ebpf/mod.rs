//! `cargo xtask ebpf`: source of the kernel side → `detector-ebpf/prebuilt/*.o` and, beside it, what made it.
//!
//! The object in the tree is what a plain `cargo build` embeds, so a user needs only stable Rust.
//! `--check` shows that the object is what this source gives with the recorded toolchain, and that
//! the folder it is built in leaves no trace in it.

mod build;
mod linker;
mod object_file;
mod provenance;
mod sources;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::tree;
use linker::Linker;
use provenance::Provenance;
use toolchain::Toolchain;

pub(crate) use build::cargo;

/// The objects: the agent's, and the empty program that `cargo xtask bench hook` compares it with.
const OBJECTS: [&str; 2] = ["detector-ebpf", "empty"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Build beside the tree and compare, change nothing
    #[arg(long)]
    check: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

impl Arguments {
    /// `--check`, with what is missing installed if that is allowed.
    pub(crate) fn check(install: bool) -> Self {
        Self {
            check: true,
            install,
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let root = tree::root();
    let toolchain = toolchain::find_or_install(arguments.install)?;
    println!(
        "toolchain: {} ({})",
        toolchain.version.line,
        toolchain.rustc.display()
    );
    let linker = linker::get(&toolchain, arguments.install)?;
    println!("linker: {}", linker.version);
    let made_by = Provenance::describe(&toolchain, &linker, &root)?;
    if arguments.check {
        check(&root, &toolchain, &linker, &made_by)
    } else {
        write(&root, &toolchain, &linker, &made_by)
    }
}

/// The compiler for the kernel side and a linker that fits it.
pub(crate) fn tools(may_install: bool) -> Result<(Toolchain, Linker)> {
    let toolchain = toolchain::find_or_install(may_install)?;
    let linker = linker::get(&toolchain, may_install)?;
    Ok((toolchain, linker))
}

fn write(root: &Path, toolchain: &Toolchain, linker: &Linker, made_by: &Provenance) -> Result<()> {
    let objects = build::objects(root, &tree::target().join("ebpf"), toolchain, linker)?;
    let folder = prebuilt(root);
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    for object in &objects {
        let file = folder.join(format!("{}.o", object.name));
        fs::write(&file, &object.bytes)
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("wrote {} ({} bytes)", file.display(), object.bytes.len());
    }
    let file = folder.join("detector-ebpf.toml");
    fs::write(&file, made_by.to_toml(&objects))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}

fn check(root: &Path, toolchain: &Toolchain, linker: &Linker, made_by: &Provenance) -> Result<()> {
    let recorded = provenance::Recorded::read(&prebuilt(root).join("detector-ebpf.toml"))?;
    for name in OBJECTS {
        let kept = kept_object(root, name)?;
        if recorded.object_hash(name) != Some(provenance::hash(&kept).as_str()) {
            bail!("{name}.o is not the object that detector-ebpf.toml describes: {REBUILD}");
        }
    }
    if recorded.source_sha256 != made_by.source_sha256 {
        bail!(
            "the kernel side's source has changed since the object in the tree was built: {REBUILD}"
        );
    }
    println!("source: as recorded");

    let target = tree::target().join("ebpf");
    let here = build::objects(root, &target, toolchain, linker)?;
    let elsewhere_root = tree::target().join("ebpf-elsewhere");
    build::copy_source(root, &elsewhere_root.join("tree"))?;
    let elsewhere = build::objects(
        &elsewhere_root.join("tree"),
        &elsewhere_root.join("target"),
        toolchain,
        linker,
    )?;
    for (one, other) in here.iter().zip(&elsewhere) {
        if one.bytes != other.bytes {
            let kept = elsewhere_root.join(format!("{}.o", other.name));
            fs::write(&kept, &other.bytes)
                .with_context(|| format!("cannot write {}", kept.display()))?;
            bail!(
                "{}.o depends on the folder it is built in: compare with {}",
                one.name,
                kept.display()
            );
        }
    }
    println!("folder: leaves no trace");

    // For whoever wants to run what was just built, whichever toolchain made it.
    for object in &here {
        let file = target.join(format!("{}.o", object.name));
        fs::write(&file, &object.bytes)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }

    if !recorded.is_same_toolchain(made_by) {
        println!("bytes: not compared, the object in the tree was made by another toolchain:");
        println!("  {}", recorded.toolchain_line());
        return Ok(());
    }
    for object in &here {
        if object.bytes != kept_object(root, &object.name)? {
            bail!(
                "{}.o in the tree is not what this source gives: {REBUILD}",
                object.name
            );
        }
    }
    println!("bytes: equal to the object in the tree");
    Ok(())
}

const REBUILD: &str = "run `cargo xtask ebpf` and commit detector-ebpf/prebuilt";

fn prebuilt(root: &Path) -> PathBuf {
    root.join("detector-ebpf/prebuilt")
}

fn kept_object(root: &Path, name: &str) -> Result<Vec<u8>> {
    let file = prebuilt(root).join(format!("{name}.o"));
    fs::read(&file).with_context(|| format!("cannot read {}: {REBUILD}", file.display()))
}
