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

/// How every machine begins.
const BEGIN: &str = include_str!("begin.sh");

/// What goes into every machine.
pub(crate) struct Payload {
    files: Vec<(String, Vec<u8>)>,
}

/// What a program needs besides itself.
pub(super) struct Parts {
    pub(super) busybox: PathBuf,
    /// Its loader and libraries, each with its path in the machine.
    pub(super) libraries: Vec<(String, PathBuf)>,
    /// What takes its debug sections off.
    pub(super) strip: &'static str,
}

impl Parts {
    /// Of a program that runs on this host.
    pub(super) fn of_host(program: &Path) -> Result<Self> {
        let libraries = needed(&output(Command::new("ldd").arg(program))?)?;
        let placed = libraries.into_iter().map(|library| {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            (path, library)
        });
        Ok(Self {
            busybox: find_in_path("busybox").context("busybox is not in PATH")?,
            libraries: placed.collect(),
            strip: "strip",
        })
    }
}

impl Payload {
    /// A program of this host without debug sections, as `/bin/NAME`, with all it needs, and the
    /// script that runs it; `folder` is for scratch files.
    pub(crate) fn prepare(program: &Path, name: &str, script: &str, folder: &Path) -> Result<Self> {
        Self::of_parts(program, name, script, folder, &Parts::of_host(program)?)
    }

    /// The same of a program of any processor.
    pub(super) fn of_parts(
        program: &Path,
        name: &str,
        script: &str,
        folder: &Path,
        parts: &Parts,
    ) -> Result<Self> {
        let mut files = vec![
            ("init".to_owned(), first_process(script).into_bytes()),
            ("bin/busybox".to_owned(), read(&parts.busybox)?),
        ];
        let stripped = folder.join(name);
        run(Command::new(parts.strip)
            .arg("-o")
            .arg(&stripped)
            .arg(program))?;
        files.push((format!("bin/{name}"), read(&stripped)?));
        for (path, library) in &parts.libraries {
            files.push((path.clone(), read(library)?));
        }
        Ok(Self { files })
    }
}

/// The script of a machine, after what all of them begin with.
fn first_process(script: &str) -> String {
    format!("{BEGIN}\n{script}")
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

/// Writes the initramfs of the kernel whose modules lie in `folder`, with those of `modules` that it
/// does not have built in.
pub(super) fn write(file: &Path, payload: &Payload, folder: &Path, modules: &[&str]) -> Result<()> {
    let mut files = payload.files.clone();
    for module in with_dependencies(folder, modules)? {
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

/// The modules wanted that are not built in, each after those it depends on.
fn with_dependencies(folder: &Path, modules: &[&str]) -> Result<Vec<Module>> {
    let built_in = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    let built_in: Vec<String> = built_in.lines().filter_map(module_name).collect();
    let mut loaded = Vec::new();
    for name in modules {
        if !built_in.iter().any(|known| known == name) {
            load(&folder.join("kernel"), name, &mut Vec::new(), &mut loaded)?;
        }
    }
    Ok(loaded)
}

/// Adds a module after those it depends on; `path` is how it came to be needed.
fn load(folder: &Path, name: &str, path: &mut Vec<String>, loaded: &mut Vec<Module>) -> Result<()> {
    let file_name = format!("{name}.ko");
    if loaded.iter().any(|module| module.name == file_name) {
        return Ok(());
    }
    if path.iter().any(|before| before == name) {
        bail!(
            "modules depend on each other in a circle: {}",
            path.join(", ")
        );
    }
    path.push(name.to_owned());
    let file = find_module(folder, name)
        .with_context(|| format!("no module {name} in {}", folder.display()))?;
    let content = unpacked(&file)?;
    for needed in dependencies(&content) {
        load(folder, &needed, path, loaded)?;
    }
    path.pop();
    loaded.push(Module {
        name: file_name,
        content,
    });
    Ok(())
}

/// `NAME.ko`, `NAME.ko.xz` or `NAME.ko.zst`, somewhere below `folder`.
fn find_module(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find_module(&path, name) {
                return Some(found);
            }
        } else if module_name(&entry.file_name().to_string_lossy())
            .is_some_and(|stem| stem == name.replace('-', "_"))
        {
            return Some(path);
        }
    }
    None
}

/// The name of the module in a file of this path. File names may have `-` where module names have `_`.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    Some(file.split_once(".ko")?.0.replace('-', "_"))
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
    fn each_machine_begins_alike_and_its_shell_can_read_the_script() {
        for script in [
            include_str!("matrix.sh"),
            include_str!("../chaos/power_cut.sh"),
            include_str!("../chaos/clock_step.sh"),
        ] {
            for common in ["--install", "insmod", "mount -t proc", "mount -t ext4"] {
                assert!(
                    BEGIN.contains(common) && !script.contains(common),
                    "{common}"
                );
            }
            let whole = first_process(script);
            assert!(whole.starts_with("#!/bin/busybox sh\n"), "{whole}");
            run(Command::new("sh").args(["-n", "-c", &whole])).unwrap();
        }
    }

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
