//! Names each crate by what it is, not by where it lies.
//!
//! Cargo derives `-C metadata`, and with it every mangled symbol, from a crate's source: for a path
//! outside the workspace that is the absolute path, for a registry its address. Standing between
//! cargo and rustc as `RUSTC_WRAPPER`, this chore puts a hash of name, version, kind and features in
//! its place, so that neither a clone's folder nor a mirror's address gets into the object.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::provenance::hash;

/// Set for the compiler calls of the eBPF build only.
const MARK: &str = "DETECTOR_EBPF_IDENTITY";

const METADATA: &str = "metadata=";

/// Makes `cargo` call this program instead of rustc.
pub(crate) fn stand_before_rustc(cargo: &mut Command) -> Result<()> {
    let this = env::current_exe().context("cannot find this program's own file")?;
    cargo.env("RUSTC_WRAPPER", this).env(MARK, "1");
    Ok(())
}

/// Whether cargo has called this program in rustc's place.
pub(crate) fn is_asked_for() -> bool {
    env::var_os(MARK).is_some()
}

/// Becomes rustc (first argument) with the rest of the arguments; returns only if it cannot.
pub(crate) fn become_rustc() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let rustc = arguments
        .next()
        .context("called as RUSTC_WRAPPER without a rustc")?;
    let value = |name| env::var(name).unwrap_or_default();
    let package = format!("{} {}", value("CARGO_PKG_NAME"), value("CARGO_PKG_VERSION"));
    let arguments = renamed(&package, arguments.collect());
    let error = Command::new(&rustc).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", rustc.display()))
}

/// `arguments` with the value of `-C metadata` replaced.
fn renamed(package: &str, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut identity = package.to_owned();
    let mut before = OsStr::new("");
    for argument in &arguments {
        let tells = ["--crate-name", "--crate-type", "--cfg", "--target"];
        if tells.iter().any(|name| before == OsStr::new(name)) {
            identity.push('\n');
            identity.push_str(&argument.to_string_lossy());
        }
        before = argument;
    }
    let identity = hash(identity.as_bytes());
    for argument in &mut arguments {
        if argument.to_string_lossy().starts_with(METADATA) {
            *argument = format!("{METADATA}{}", &identity[..16]).into();
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata_of(package: &str, line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        let found = renamed(package, arguments)
            .into_iter()
            .find_map(|argument| {
                argument
                    .to_str()
                    .unwrap()
                    .strip_prefix(METADATA)
                    .map(str::to_owned)
            });
        found.unwrap()
    }

    #[test]
    fn where_a_crate_lies_does_not_matter() {
        let one = metadata_of("a 1.0.0", "--crate-name a /opt/a.rs -C metadata=12ab");
        let other = metadata_of("a 1.0.0", "--crate-name a /srv/a.rs -C metadata=99ff");
        assert_eq!(one, other);
    }

    #[test]
    fn what_a_crate_is_does_matter() {
        let line = "--crate-name a -C metadata=12ab";
        let one = metadata_of("a 1.0.0", line);
        assert_ne!(one, metadata_of("a 2.0.0", line));
        assert_ne!(
            one,
            metadata_of(
                "a 1.0.0",
                "--crate-name a --cfg feature=\"x\" -C metadata=12ab"
            )
        );
        assert_ne!(
            one,
            metadata_of("a 1.0.0", "--crate-name b -C metadata=12ab")
        );
    }
}
