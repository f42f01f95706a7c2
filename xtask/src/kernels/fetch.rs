//! Kernel packages: found and downloaded by a private apt, kept in the user's cache, unpacked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::architecture::Architecture;
use super::{pattern, sources};
use crate::command::{output, run};
use crate::tree;

/// A kernel ready to boot.
pub(crate) struct Image {
    /// As `uname -r` says it.
    pub(super) release: String,
    pub(crate) vmlinuz: PathBuf,
    /// Folder with the modules, `…/lib/modules/RELEASE`.
    pub(super) modules: PathBuf,
}

/// Newest kernel whose package matches one of `patterns`: from the cache unless `is_refresh`.
pub(super) fn image(
    patterns: &[String],
    architecture: Architecture,
    is_refresh: bool,
) -> Result<Image> {
    let cache = cache()?;
    let kept = cached(&cache)?;
    let package = match pattern::newest(&kept, patterns) {
        Some(package) if !is_refresh => package.to_owned(),
        _ => download(&cache, architecture, patterns)?,
    };
    unpack(&cache, architecture, &package)
}

/// Folder in which these packages of another processor are unpacked together.
pub(super) fn packages(
    names: &[&str],
    architecture: Architecture,
    is_refresh: bool,
) -> Result<PathBuf> {
    let cache = cache()?.join(architecture.debian());
    let root = tree::target().join("kernels").join(architecture.debian());
    for folder in [&cache, &root] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create folder {}", folder.display()))?;
    }
    let mut apt = None;
    for name in names {
        if is_refresh || file_of(&cache, name)?.is_none() {
            let apt = match &mut apt {
                Some(apt) => apt,
                none => none.insert(Apt::prepare(&cache, architecture)?),
            };
            apt.download(name, &cache)?;
        }
        extract(&cache, name, &root)?;
    }
    Ok(root)
}

fn cache() -> Result<PathBuf> {
    let cache = tree::cache()?.join("kernels");
    fs::create_dir_all(&cache)
        .with_context(|| format!("cannot create folder {}", cache.display()))?;
    Ok(cache)
}

/// Names of the packages in the cache.
fn cached(cache: &Path) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(cache).with_context(|| format!("cannot list {}", cache.display()))?;
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_suffix(".deb")?.split_once('_')?.0.to_owned())
    });
    Ok(names.collect())
}

fn download(cache: &Path, architecture: Architecture, patterns: &[String]) -> Result<String> {
    let apt = Apt::prepare(cache, architecture)?;
    let names = apt.names("linux-")?;
    let Some(package) = pattern::newest(&names, patterns) else {
        bail!(
            "no package matches {} in:\n{}",
            patterns.join(" or "),
            apt.list
        );
    };
    apt.download(package, cache)?;
    Ok(package.to_owned())
}

fn unpack(cache: &Path, architecture: Architecture, package: &str) -> Result<Image> {
    let root = tree::target().join("kernels").join(package);
    if !root.join("unpacked").exists() {
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot create folder {}", root.display()))?;
        extract(cache, package, &root)?;
        // Recent packages have the modules apart.
        let modules = package.replace("linux-binary-", "linux-modules-");
        if modules != package {
            if file_of(cache, &modules)?.is_none() {
                Apt::prepare(cache, architecture)?.download(&modules, cache)?;
            }
            extract(cache, &modules, &root)?;
        }
        fs::write(root.join("unpacked"), "")
            .with_context(|| format!("cannot write into {}", root.display()))?;
    }
    for base in ["lib/modules", "usr/lib/modules"] {
        let Some(modules) = only_entry(&root.join(base)) else {
            continue;
        };
        let release = modules
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for vmlinuz in [
            root.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ] {
            if vmlinuz.is_file() {
                return Ok(Image {
                    release,
                    vmlinuz,
                    modules,
                });
            }
        }
    }
    bail!(
        "no kernel image in package {package}, unpacked in {}",
        root.display()
    )
}

fn extract(cache: &Path, package: &str, root: &Path) -> Result<()> {
    let file = file_of(cache, package)?
        .with_context(|| format!("{package} is not in {}", cache.display()))?;
    run(Command::new("dpkg").arg("-x").arg(file).arg(root))
}

fn file_of(cache: &Path, package: &str) -> Result<Option<PathBuf>> {
    let entries =
        fs::read_dir(cache).with_context(|| format!("cannot list {}", cache.display()))?;
    let begins = format!("{package}_");
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(&begins) && name.ends_with(".deb")
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    Ok(files.pop())
}

fn only_entry(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .next()
}

/// An apt with folders of its own, so that the host's is left as it is and root is not needed.
struct Apt {
    options: Vec<String>,
    /// Its `sources.list`, for messages.
    list: String,
}

impl Apt {
    fn prepare(cache: &Path, architecture: Architecture) -> Result<Self> {
        let name = architecture.debian();
        let folder = match architecture {
            Architecture::Amd64 => cache.join("apt"),
            Architecture::Arm64 => cache.join(format!("apt-{name}")),
        };
        let list = sources::list(&host_sources()?, &codename()?, name)?;
        let at = folder.display();
        for inner in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(inner))
                .with_context(|| format!("cannot create folder {at}/{inner}"))?;
        }
        let file = folder.join("sources.list");
        fs::write(&file, &list).with_context(|| format!("cannot write {}", file.display()))?;
        fs::write(folder.join("status"), "")
            .with_context(|| format!("cannot write {at}/status"))?;
        let options = [
            format!("Dir::State={at}/state"),
            format!("Dir::State::status={at}/status"),
            format!("Dir::Cache={at}/cache"),
            format!("Dir::Etc::SourceList={at}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "APT::Get::List-Cleanup=false".to_owned(),
            "Acquire::Languages=none".to_owned(),
            format!("APT::Architecture={name}"),
            format!("APT::Architectures={name}"),
        ];
        let options = options
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect();
        let apt = Self { options, list };
        eprintln!("asking the mirror for kernel packages");
        run(apt.command("apt-get").args(["--quiet=2", "update"]))
            .context("cannot read the package lists of the mirror")?;
        Ok(apt)
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = output(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    fn download(&self, package: &str, into: &Path) -> Result<()> {
        eprintln!("downloading {package}");
        run(self
            .command("apt-get")
            .current_dir(into)
            .args(["--quiet=2", "download", package]))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}

fn host_sources() -> Result<Vec<(String, String)>> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).ok()?;
        Some((file.to_string_lossy().into_owned(), text))
    };
    Ok(files.into_iter().filter_map(read).collect())
}

fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release names no VERSION_CODENAME: kernel packages are Debian's")
}
