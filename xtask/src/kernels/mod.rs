//! `cargo xtask kernels`: the agent with the one object in the tree, on each kernel of the matrix, in
//! a virtual machine.
//!
//! In each: load and attach (`ready:`), a clean stop, and `detector selftest`, which plays every bad
//! and good peer it knows against that kernel.

mod architecture;
mod cpio;
mod fetch;
mod foreign;
mod initramfs;
mod machine;
mod pattern;
mod sources;

use architecture::Architecture;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

pub(crate) use fetch::Image;
pub(crate) use initramfs::Payload;

use crate::cross;
use crate::packages;
use crate::run::{Profile, build_agent};
use crate::tree;

/// A kernel of the matrix: names of its package, the first that exists is taken, newest version.
pub(crate) struct Kernel {
    name: &'static str,
    patterns: &'static [&'static str],
}

const MATRIX: [Kernel; 4] = [
    Kernel {
        name: "5.10",
        patterns: &["linux-image-5.10.*-cloud-amd64"],
    },
    Kernel {
        name: "6.1",
        patterns: &["linux-image-6.1.*-cloud-amd64"],
    },
    Kernel {
        name: "6.12",
        patterns: &["linux-image-6.12.*-cloud-amd64"],
    },
    Kernel {
        name: "newest",
        patterns: &[
            "linux-binary-8.*-cloud-amd64",
            "linux-binary-7.*-cloud-amd64",
            "linux-image-7.*-cloud-amd64",
        ],
    },
];

/// Programs the matrix uses, and the Debian packages that bring them.
pub(crate) const PROGRAMS: [(&str, &str); 7] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("/usr/share/doc/busybox-static", "busybox-static"),
    ("dpkg", "dpkg"),
    ("apt-get", "apt"),
    ("strip", "binutils"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// Modules that are not built into cloud kernels, and without which peers cannot be played.
const MODULES: [&str; 2] = ["tun", "tcp_diag"];

/// Machines at a time: emulation takes a core each.
const AT_ONCE: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Processor of the machines. For arm64 the agent is built by `cargo xtask cross`
    #[arg(long, value_enum, default_value = "amd64")]
    arch: Architecture,
    /// Only the kernel of this name (5.10, 6.1, 6.12, newest), or newest package of this pattern
    #[arg(long, value_name = "PATTERN")]
    kernel: Option<String>,
    /// Look for newer packages than those in the cache
    #[arg(long)]
    refresh: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
}

impl Arguments {
    /// The whole matrix, with what is missing installed if that is allowed.
    pub(crate) fn all(install: bool) -> Self {
        Self {
            arch: Architecture::Amd64,
            kernel: None,
            refresh: false,
            install,
        }
    }
}

/// What one kernel was seen to do.
struct Outcome {
    kernel: String,
    result: Result<machine::Report>,
    seconds: u64,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let arch = arguments.arch;
    packages::need(arch.programs(), "the kernel matrix", arguments.install)?;
    // What users run; the other would be too slow on an emulated machine.
    let agent = match arch {
        Architecture::Amd64 => build_agent(Profile::Release)?,
        Architecture::Arm64 => cross::build(arguments.install)?,
    };
    let parts = match arch {
        Architecture::Amd64 => initramfs::Parts::of_host(&agent)?,
        Architecture::Arm64 => foreign::parts(&agent, arch, arguments.refresh)?,
    };
    let payload = Payload::of_parts(
        &agent,
        "detector",
        include_str!("matrix.sh"),
        &folder()?,
        &parts,
    )?;
    let chosen = chosen(arch, arguments.kernel.as_deref());
    let mut images = Vec::new();
    for (name, patterns) in &chosen {
        let image = fetch::image(patterns, arch, arguments.refresh)
            .with_context(|| format!("kernel {name}"))?;
        images.push(image);
    }

    let outcomes = Mutex::new(Vec::new());
    let waiting = Mutex::new(images.into_iter());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(image) = next(&waiting) {
                    let outcome = try_kernel(&image, &payload, arch);
                    println!("{}", line(&outcome));
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push(outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    summary(&outcomes, chosen.len())
}

/// The newest kernel of the matrix that has this name, from the cache if it is there.
pub(crate) fn boot_image(name: &str) -> Result<Image> {
    let (_, patterns) = chosen(Architecture::Amd64, Some(name)).remove(0);
    fetch::image(&patterns, Architecture::Amd64, false).with_context(|| format!("kernel {name}"))
}

/// Writes what a machine with this kernel boots into.
pub(crate) fn write_initramfs(
    file: &Path,
    payload: &Payload,
    image: &Image,
    modules: &[&str],
) -> Result<()> {
    initramfs::write(file, payload, &image.modules, modules)
}

fn next(waiting: &Mutex<std::vec::IntoIter<Image>>) -> Option<Image> {
    waiting.lock().ok()?.next()
}

fn chosen(arch: Architecture, wanted: Option<&str>) -> Vec<(String, Vec<String>)> {
    let owned = |kernel: &Kernel| {
        let patterns = kernel
            .patterns
            .iter()
            .map(|&pattern| pattern.to_owned())
            .collect();
        (kernel.name.to_owned(), patterns)
    };
    match wanted {
        None => arch.matrix().iter().map(owned).collect(),
        Some(name) => match arch.matrix().iter().find(|kernel| kernel.name == name) {
            Some(kernel) => vec![owned(kernel)],
            None => vec![(name.to_owned(), vec![name.to_owned()])],
        },
    }
}

fn try_kernel(image: &Image, payload: &Payload, arch: Architecture) -> Outcome {
    let began = Instant::now();
    let result = folder().and_then(|folder| {
        let initrd = folder.join(format!("{}.initrd", image.release));
        write_initramfs(&initrd, payload, image, &MODULES)?;
        machine::boot(
            &image.vmlinuz,
            &initrd,
            &folder.join(format!("{}.log", image.release)),
            arch,
        )
    });
    Outcome {
        kernel: image.release.clone(),
        result,
        seconds: began.elapsed().as_secs(),
    }
}

fn line(outcome: &Outcome) -> String {
    let Outcome {
        kernel,
        result,
        seconds,
    } = outcome;
    match result {
        Ok(report) => format!("{kernel}: ok ({}, {seconds} s)", report.seen.join(", ")),
        Err(why) => format!("{kernel}: FAILED after {seconds} s: {why:#}"),
    }
}

fn summary(outcomes: &[Outcome], expected: usize) -> Result<()> {
    let passed = outcomes
        .iter()
        .filter(|outcome| outcome.result.is_ok())
        .count();
    if passed != expected {
        bail!("{} of {expected} kernels failed", expected - passed);
    }
    println!("kernels: {passed} ok");
    Ok(())
}

/// Where initramfs and logs go.
fn folder() -> Result<PathBuf> {
    let folder = tree::target().join("kernels");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    Ok(folder)
}
