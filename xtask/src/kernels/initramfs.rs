//! What a machine boots into: busybox, the agent, and a script.
//!
//! Programs go in as built, with the loader and libraries they name, so that nothing has to be
//! compiled a second time for a static target.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::cpio::Archive;
use crate::command::{find_in_path, output, run};

/// Modules that are not built into cloud kernels, and without which peers cannot be played.
const MODULES: [&str; 1] = ["tun"];

/// What goes into every machine.
pub(super) struct Payload {
    files: Vec<(String, Vec<u8>)>,
}

impl Payload {
    /// The agent without debug sections, with all it needs; `folder` is for scratch files.
    pub(super) fn prepare(agent: &Path, folder: &Path) -> Result<Self> {
        let busybox = find_in_path("busybox").context("busybox is not in PATH")?;
        let mut files = vec![
            ("init".to_owned(), include_bytes!("init.sh").to_vec()),
            ("bin/busybox".to_owned(), read(&busybox)?),
        ];
        let stripped = folder.join("detector");
        run(Command::new("strip").arg("-o").arg(&stripped).arg(agent))?;
        files.push(("bin/detector".to_owned(), read(&stripped)?));
        for library in needed(&output(Command::new("ldd").arg(agent))?)? {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            files.push((path, read(&library)?));
        }
        Ok(Self { files })
    }
}

/// Files that `ldd` says a program needs; none for a static one.
fn needed(ldd: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in ldd.lines() {
        if line.contains("not found") {
            bail!("a library is missing on this host: {}", line.trim());
        }
        let path = line.split_once("=>").map_or(line, |(_, path)| path).trim();
        if path.starts_with('/') {
            files.extend(path.split_whitespace().next().map(PathBuf::from));
        }
    }
    Ok(files)
}

/// Writes the initramfs of the kernel whose modules lie in `modules`.
pub(super) fn write(file: &Path, payload: &Payload, modules: &Path) -> Result<()> {
    let mut files = payload.files.clone();
    for module in with_dependencies(modules)? {
        files.push((
            format!("modules/{:02}-{}", files.len(), module.name),
            module.content,
        ));
    }
    let mut folders: BTreeSet<PathBuf> = [
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "var/lib/detector",
        "etc",
    ]
    .map(PathBuf::from)
    .into();
    folders.extend(
        files
            .iter()
            .filter_map(|(path, _)| Some(Path::new(path).parent()?.to_owned())),
    );
    let all: BTreeSet<PathBuf> = folders
        .iter()
        .flat_map(|folder| folder.ancestors().map(Path::to_owned))
        .collect();

    let mut archive = Archive::new();
    for folder in all.iter().filter(|folder| !folder.as_os_str().is_empty()) {
        archive.folder(&folder.to_string_lossy());
    }
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    for (path, content) in &files {
        archive.file(path, content);
    }
    fs::write(file, archive.finish()).with_context(|| format!("cannot write {}", file.display()))
}

struct Module {
    name: String,
    content: Vec<u8>,
}

/// The modules wanted, each after those it depends on.
fn with_dependencies(folder: &Path) -> Result<Vec<Module>> {
    let mut loaded: Vec<Module> = Vec::new();
    let mut wanted: Vec<String> = MODULES.map(str::to_owned).to_vec();
    while let Some(name) = wanted.last().cloned() {
        let file = find_module(&folder.join("kernel"), &name)
            .with_context(|| format!("no module {name} in {}", folder.display()))?;
        let content = unpacked(&file)?;
        let missing: Vec<String> = dependencies(&content)
            .into_iter()
            .filter(|needed| {
                !loaded
                    .iter()
                    .any(|module| module.name == format!("{needed}.ko"))
            })
            .collect();
        if missing.is_empty() {
            loaded.push(Module {
                name: format!("{name}.ko"),
                content,
            });
            wanted.pop();
        } else if missing.iter().any(|needed| wanted.contains(needed)) {
            bail!(
                "modules depend on each other in a circle: {}",
                wanted.join(", ")
            );
        } else {
            wanted.extend(missing);
        }
    }
    Ok(loaded)
}

/// `NAME.ko`, `NAME.ko.xz` or `NAME.ko.zst`, somewhere below `folder`. File names may have `-` where
/// module names have `_`.
fn find_module(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find_module(&path, name) {
                return Some(found);
            }
        } else {
            let file = entry.file_name().to_string_lossy().replace('-', "_");
            if file
                .split_once(".ko")
                .is_some_and(|(stem, _)| stem == name.replace('-', "_"))
            {
                return Some(path);
            }
        }
    }
    None
}

/// busybox may be built without xz or zstd.
fn unpacked(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return read(file),
    };
    let mut command = Command::new(program);
    command.args(["--decompress", "--stdout"]).arg(file);
    let unpacked = command
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !unpacked.status.success() {
        bail!("{program} cannot unpack {}", file.display());
    }
    Ok(unpacked.stdout)
}

/// Names in the `depends=` line of a module.
fn dependencies(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(at) = module.windows(key.len()).position(|part| part == key) else {
        return Vec::new();
    };
    let value = module[at + key.len()..]
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default();
    let value = String::from_utf8_lossy(value);
    value
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_read_from_ldd() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffc)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let files = needed(ldd).unwrap();
        assert_eq!(
            files,
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
            .map(PathBuf::from)
        );
        assert!(needed("\tstatically linked\n").unwrap().is_empty());
        needed("\tlibz.so.1 => not found\n").unwrap_err();
    }

    #[test]
    fn dependencies_of_a_module_are_read_from_its_bytes() {
        assert_eq!(
            dependencies(b"license=GPL\0depends=a,b_c\0name=x\0"),
            ["a", "b_c"]
        );
        assert!(dependencies(b"license=GPL\0depends=\0name=x\0").is_empty());
        assert!(dependencies(b"").is_empty());
    }
}
