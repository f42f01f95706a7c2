//! Finds a rustc that can compile `core` for `bpfel-unknown-none`: one with its library sources.
//!
//! Order: `DETECTOR_EBPF_RUSTC`, rustup's nightly, the distribution's `/usr/bin/rustc`. The sources
//! must be the compiler's own: others do not compile with it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{find_in_path, output};
use crate::packages;

/// A compiler for the kernel side.
pub(crate) struct Toolchain {
    pub(crate) rustc: PathBuf,
    /// The cargo that goes with it: rustup's nightly brings its own.
    pub(crate) cargo: PathBuf,
    pub(crate) version: RustcVersion,
    /// `…/lib/rustlib/src/rust`, the folder that holds `library`.
    pub(crate) sources: PathBuf,
}

/// What `rustc -vV` says that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RustcVersion {
    /// First line, such as `rustc 1.96.0 (ac68faa20 2026-05-25)`.
    pub(crate) line: String,
    /// Such as `22.1.8`.
    pub(crate) llvm: String,
    pub(crate) llvm_major: u32,
}

impl RustcVersion {
    fn parse(text: &str) -> Result<Self> {
        let line = text.lines().next().unwrap_or_default().trim().to_owned();
        if !line.starts_with("rustc ") {
            bail!("`rustc -vV` does not begin with `rustc VERSION` but with {line:?}");
        }
        let llvm = text
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))
            .context("`rustc -vV` names no LLVM version")?
            .trim()
            .to_owned();
        let llvm_major = llvm
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .with_context(|| format!("`rustc -vV` gives LLVM version {llvm:?}, not a number"))?;
        Ok(Self {
            line,
            llvm,
            llvm_major,
        })
    }
}

struct Candidate {
    name: &'static str,
    rustc: PathBuf,
    cargo: PathBuf,
}

/// First candidate that has what it takes; the error says what each lacks and what to install.
pub(crate) fn find() -> Result<Toolchain> {
    let mut lacking = String::new();
    for candidate in candidates() {
        let (name, rustc) = (candidate.name, candidate.rustc.clone());
        match examine(candidate) {
            Ok(toolchain) => return Ok(toolchain),
            Err(why) => {
                let _ = write!(lacking, "\n  {name}, {}: {why:#}", rustc.display());
            }
        }
    }
    if lacking.is_empty() {
        lacking.push_str("\n  neither a rustup nightly nor /usr/bin/rustc is there");
    }
    bail!(
        "no rustc with library sources found:{lacking}\n{}",
        advice(&os_release())
    )
}

/// As [`find`]; when that fails and `may_install`, installs the distribution's compiler.
pub(crate) fn find_or_install(may_install: bool) -> Result<Toolchain> {
    match find() {
        Err(_) if may_install && packages::can_install() => {
            packages::install(&["rustc-web", "rust-web-src", "rust-web-llvm"])?;
            find()
        }
        found => found,
    }
}

fn candidates() -> Vec<Candidate> {
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut candidates = Vec::new();
    if let Some(rustc) = env::var_os("DETECTOR_EBPF_RUSTC") {
        // Asked for by name: nothing else will do.
        let rustc = PathBuf::from(rustc);
        return vec![Candidate {
            name: "DETECTOR_EBPF_RUSTC",
            rustc,
            cargo,
        }];
    }
    let nightly = |tool: &str| {
        find_in_path("rustup")?;
        output(Command::new("rustup").args(["which", "--toolchain", "nightly", tool]))
            .ok()
            .map(|path| PathBuf::from(path.trim()))
    };
    if let (Some(rustc), Some(cargo)) = (nightly("rustc"), nightly("cargo")) {
        candidates.push(Candidate {
            name: "rustup nightly",
            rustc,
            cargo,
        });
    }
    let rustc = PathBuf::from("/usr/bin/rustc");
    if rustc.exists() {
        candidates.push(Candidate {
            name: "distribution",
            rustc,
            cargo,
        });
    }
    candidates
}

fn examine(candidate: Candidate) -> Result<Toolchain> {
    let rustc = &candidate.rustc;
    let version = RustcVersion::parse(&output(Command::new(rustc).arg("-vV"))?)?;
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
    if !sources.join("library/core/src/lib.rs").is_file() {
        bail!(
            "{} has no library sources ({})",
            version.line,
            sources.join("library").display()
        );
    }
    let targets = output(Command::new(rustc).args(["--print", "target-list"]))?;
    if !targets.lines().any(|target| target == "bpfel-unknown-none") {
        bail!(
            "{} does not know the target bpfel-unknown-none",
            version.line
        );
    }
    Ok(Toolchain {
        rustc: candidate.rustc,
        cargo: candidate.cargo,
        version,
        sources,
    })
}

fn os_release() -> String {
    fs::read_to_string("/etc/os-release").unwrap_or_default()
}

/// The commands that bring a compiler with its sources on this distribution.
fn advice(os_release: &str) -> String {
    let value = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    let rustup = "rustup toolchain install nightly --component rust-src";
    let packages = match (value("ID").as_str(), value("VERSION_ID").as_str()) {
        ("debian", "12") => "apt-get install rustc-web rust-web-src rust-web-llvm",
        ("debian" | "ubuntu", _) => "apt-get install rustc rust-src",
        ("fedora" | "rhel" | "centos", _) => "dnf install rust rust-src",
        ("arch", _) => "pacman -S rust rust-src",
        _ => return format!("hint: {rustup}"),
    };
    format!("hint: {packages}   (or, where rustup can reach its server: {rustup})")
}

/// Takes out of `command`'s environment all that could change what a compiler makes.
pub(crate) fn clear_environment(command: &mut Command) {
    const PREFIXES: [&str; 7] = [
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "RUSTC",
        "RUSTFLAGS",
    ];
    const NAMES: [&str; 4] = [
        "CARGO_INCREMENTAL",
        "RUSTDOCFLAGS",
        "RUSTUP_TOOLCHAIN",
        "SOURCE_DATE_EPOCH",
    ];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if NAMES.contains(&&*text) || PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTRIBUTION: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n\
        binary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";

    #[test]
    fn version_and_llvm_are_read_from_what_rustc_prints() {
        let version = RustcVersion::parse(DISTRIBUTION).unwrap();
        assert_eq!(
            version.line,
            "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"
        );
        assert_eq!((version.llvm.as_str(), version.llvm_major), ("22.1.8", 22));
    }

    #[test]
    fn another_program_is_not_taken_for_rustc() {
        for text in [
            "",
            "cargo 1.96.0\nLLVM version: 22.1.8\n",
            "rustc 1.96.0\n",
            "rustc 1\nLLVM version: x",
        ] {
            RustcVersion::parse(text).unwrap_err();
        }
    }

    #[test]
    fn advice_fits_the_distribution() {
        let debian =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert!(advice(debian).contains("rustc-web rust-web-src rust-web-llvm"));
        assert!(advice("ID=fedora\nVERSION_ID=44\n").contains("dnf install"));
        assert!(advice("").starts_with("hint: rustup toolchain install nightly"));
    }
}
